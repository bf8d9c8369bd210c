/**
 * Integers that JSON.parse would round. JSON has no limit on digits but a JavaScript number has 53 bits, so the text
 * is rewritten: each integer of 16 digits or more becomes a string, which JSON.parse keeps as it is.
 */
import { OipError } from "./errors.ts";

const QUOTE = 34;
const BACKSLASH = 92;
const MINUS = 45;
/** 2^53 has 16 digits: whatever is shorter is exact. */
const EXACT_DIGITS = 15;
/** Sign and digits of the longest 64-bit integer; reading a longer one would take more than linear time. */
const MAX_INTEGER_LENGTH = 20;

/** The same JSON with long integers as strings. The text must already have passed JSON.parse. Linear time. */
export function quoteLongIntegers(text: string): string {
  const pieces: string[] = [];
  let copied = 0;
  for (let i = 0; i < text.length;) {
    const code = text.charCodeAt(i);
    if (code === QUOTE) {
      i = skipString(text, i + 1);
    } else if (code === MINUS || isDigit(code)) {
      const end = skipNumber(text, i);
      if (isLongInteger(text, i, end)) {
        pieces.push(text.slice(copied, i), '"', text.slice(i, end), '"');
        copied = end;
      }
      i = end;
    } else {
      i++;
    }
  }
  pieces.push(text.slice(copied));
  return pieces.join("");
}

/**
 * One element of INT64 or UINT64 data: a number that is exact, or the digits that {@link quoteLongIntegers} kept.
 * @throws OipError `oip_number_out_of_range` where it is no integer, or was written in a form (fraction, exponent)
 *   whose rounding cannot be told
 */
export function exactInteger(value: unknown, where: string): bigint {
  if (typeof value === "string" && value.length <= MAX_INTEGER_LENGTH) return BigInt(value);
  if (typeof value === "number" && Number.isSafeInteger(value)) return BigInt(value);
  throw new OipError("oip_number_out_of_range", `${where} is not an exact integer`);
}

function skipString(text: string, start: number): number {
  for (let i = start; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === BACKSLASH) i++;
    else if (code === QUOTE) return i + 1;
  }
  return text.length;
}

function skipNumber(text: string, start: number): number {
  let i = start;
  while (i < text.length && isNumberPart(text.charCodeAt(i))) i++;
  return i;
}

function isLongInteger(text: string, start: number, end: number): boolean {
  const first = text.charCodeAt(start) === MINUS ? start + 1 : start;
  if (end - first <= EXACT_DIGITS) return false;
  for (let i = first; i < end; i++) if (!isDigit(text.charCodeAt(i))) return false;
  return true;
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

/** Digits, sign, point and exponent: what a JSON number may hold after its first character. */
function isNumberPart(code: number): boolean {
  return isDigit(code) || code === MINUS || code === 43 || code === 46 || code === 69 || code === 101;
}
