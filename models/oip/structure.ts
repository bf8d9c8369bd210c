/**
 * What JSON text would unfold to, told before it is parsed: V8 makes up to forty bytes of memory from one byte of text
 * (`[[[[`, `{"35":0},`) and is slow with many names, so that 32 MiB of it, or their gzip, could end the process.
 */
import { OipError } from "./errors.ts";

const QUOTE = 34;
const COLON = 58;
const OPEN_ARRAY = 91;
const BACKSLASH = 92;
const CLOSE_ARRAY = 93;
const OPEN_OBJECT = 123;
const CLOSE_OBJECT = 125;

/** A message, its tensors, one, its data, and 16 dimensions: no message is deeper. */
const MAX_DEPTH = 24;
/** A message, 64 tensors, 64 requested outputs, and parameters in each take fewer. */
const MAX_OBJECTS = 512;
/** Each of those with its members and 64 parameters takes fewer. */
const MAX_NAMES = 16_384;
/** Rows of nested data; where there are more, flat data says the same. */
const MAX_ARRAYS = 1_048_576;

/**
 * Linear time, no memory. Text that is no JSON may pass: counts hold for whatever a parser reads before it sees that.
 * @throws OipError `oip_too_large`
 */
export function checkStructure(json: Uint8Array): void {
  let depth = 0;
  let objects = 0;
  let names = 0;
  let arrays = 0;
  for (let i = 0; i < json.length; i++) {
    switch (json[i]) {
      case QUOTE:
        i = endOfString(json, i + 1);
        break;
      case COLON:
        names++;
        break;
      case OPEN_ARRAY:
        arrays++;
        if (++depth > MAX_DEPTH) throw tooLarge();
        break;
      case OPEN_OBJECT:
        objects++;
        if (++depth > MAX_DEPTH) throw tooLarge();
        break;
      case CLOSE_ARRAY:
      case CLOSE_OBJECT:
        depth--;
    }
  }
  if (objects > MAX_OBJECTS || names > MAX_NAMES || arrays > MAX_ARRAYS) throw tooLarge();
}

/** Where the closing quote is. */
function endOfString(json: Uint8Array, start: number): number {
  for (let i = start; i < json.length; i++) {
    if (json[i] === BACKSLASH) i++;
    else if (json[i] === QUOTE) return i;
  }
  return json.length;
}

function tooLarge(): OipError {
  return new OipError(
    "oip_too_large",
    `the JSON part nests deeper than ${MAX_DEPTH}, or has more than ${MAX_OBJECTS} objects, ${MAX_NAMES} members or ${MAX_ARRAYS} arrays`,
  );
}
