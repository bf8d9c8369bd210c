/** What must not be found, and every form in which it is looked for. */

export interface Mark {
  name: string;
  bytes: Uint8Array;
}

export interface Pattern {
  mark: string;
  form: string;
  bytes: Buffer;
}

/** Shorter than this a pattern is found by chance. */
const MIN_BYTES = 8;

/**
 * As it is, backwards, in hex of both cases, and in base64 of both alphabets: at each of three alignments the characters
 * that depend on the mark alone.
 */
export function patternsOf({ name, bytes }: Mark): Pattern[] {
  const raw = Buffer.from(bytes);
  if (raw.length < MIN_BYTES) throw new Error(`the mark ${name} is too short`);
  const hex = raw.toString("hex");
  const forms: [string, Buffer][] = [
    ["raw", raw],
    ["reversed", Buffer.from(raw.toReversed())],
    ["hex", Buffer.from(hex)],
    ["HEX", Buffer.from(hex.toUpperCase())],
  ];
  for (const alphabet of ["base64", "base64url"] as const) {
    for (const shift of [0, 1, 2]) forms.push([`${alphabet} ${shift}`, alignedBase64(raw, shift, alphabet)]);
  }
  const seen = new Set<string>();
  return forms.flatMap(([form, pattern]) => {
    const text = pattern.toString("latin1");
    if (seen.has(text)) return [];
    seen.add(text);
    return [{ mark: name, form, bytes: pattern }];
  });
}

function alignedBase64(raw: Buffer, shift: number, alphabet: "base64" | "base64url"): Buffer {
  const text = Buffer.concat([Buffer.alloc(shift), raw])
    .toString(alphabet)
    .replace(/=+$/, "");
  const first = Math.ceil((8 * shift) / 6);
  const bits = 8 * (shift + raw.length);
  return Buffer.from(text.slice(first, Math.floor(bits / 6)));
}
