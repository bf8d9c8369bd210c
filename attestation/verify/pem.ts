/** PEM text (RFC 7468) to DER, written for speed: certificates chains arrive as PEM inside every quote. */
import { DerError } from "./der.ts";

const BAD = 64;
const SPACE = 65;
const PADDING = 66;

/** What each character means: a value below 64, or one of the above. */
const MEANINGS = new Uint8Array(256).fill(BAD);
for (const character of "\n\r\t ") MEANINGS[character.charCodeAt(0)] = SPACE;
MEANINGS["=".charCodeAt(0)] = PADDING;
for (const [value, character] of [
  ..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
].entries()) {
  MEANINGS[character.charCodeAt(0)] = value;
}

const BEGIN = "-----BEGIN ";
const END = "-----END ";
const MAX_BLOCKS = 16;
const MAX_TEXT_LENGTH = 1 << 17;

function isSpace(code: number): boolean {
  return MEANINGS[code & 0xff] === SPACE && code < 256;
}

function decode(text: string, from: number, to: number): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(((to - from) * 3) / 4));
  let length = 0;
  let bits = 0;
  let bitCount = 0;
  let padding = 0;
  let values = 0;
  for (let i = from; i < to; i++) {
    const code = text.charCodeAt(i);
    const meaning = code < 256 ? MEANINGS[code]! : BAD;
    if (meaning < 64 && padding === 0) {
      values++;
      bits = ((bits << 6) | meaning) & 0xffff;
      bitCount += 6;
      if (bitCount >= 8) {
        bitCount -= 8;
        bytes[length++] = (bits >> bitCount) & 0xff;
      }
    } else if (meaning === PADDING) padding++;
    else if (meaning !== SPACE) throw new DerError("der_value", "bad base64 in PEM");
  }
  const wellPadded = (values + padding) % 4 === 0 && padding <= 2 && (bits & ((1 << bitCount) - 1)) === 0;
  if (!wellPadded || bitCount !== padding * 2) throw new DerError("der_value", "bad base64 padding in PEM");
  return bytes.subarray(0, length);
}

/**
 * Every block with this label, in order. Between blocks only white space may stand, and after the last one zero
 * bytes too: Intel's quoting library ends the chain inside a quote with one.
 * @throws DerError `der_value`
 */
export function parsePem(text: string, label = "CERTIFICATE"): Uint8Array[] {
  if (text.length > MAX_TEXT_LENGTH) throw new DerError("der_value", "PEM text is too long");
  const begin = `${BEGIN}${label}-----`;
  const end = `${END}${label}-----`;
  const blocks: Uint8Array[] = [];
  let position = 0;
  for (;;) {
    while (position < text.length && isSpace(text.charCodeAt(position))) position++;
    if (blocks.length > 0) while (position < text.length && text.charCodeAt(position) === 0) position++;
    if (position === text.length) return blocks;
    if (!text.startsWith(begin, position)) throw new DerError("der_value", `not a PEM ${label}`);
    const stop = text.indexOf(end, position + begin.length);
    if (stop < 0) throw new DerError("der_value", `PEM ${label} has no end`);
    if (blocks.length === MAX_BLOCKS) throw new DerError("der_value", "too many PEM blocks");
    blocks.push(decode(text, position + begin.length, stop));
    position = stop + end.length;
  }
}
