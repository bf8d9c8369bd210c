/**
 * PostgreSQL's binary form of a one-dimensional array. The driver sends a Buffer as it is, so a batch of byte strings goes out
 * without being doubled into hex text. Source: array_recv in PostgreSQL (big-endian int32 fields: dimensions, has-null flag,
 * element type, length, lower bound; then each element as length, bytes; length -1 is null).
 */

/** Type ids of PostgreSQL's catalogue, which never change. */
const ELEMENT = { bytea: 17, int8: 20, int2: 21, text: 25, uuid: 2950 } as const;
export type ElementType = keyof typeof ELEMENT;

const HEADER_BYTES = 20;

function encode(type: ElementType, elements: readonly (Uint8Array | null)[]): Buffer {
  let length = HEADER_BYTES;
  for (const element of elements) length += 4 + (element?.length ?? 0);
  const array = Buffer.allocUnsafe(length);
  array.writeInt32BE(1, 0);
  array.writeInt32BE(elements.includes(null) ? 1 : 0, 4);
  array.writeInt32BE(ELEMENT[type], 8);
  array.writeInt32BE(elements.length, 12);
  array.writeInt32BE(1, 16);
  let offset = HEADER_BYTES;
  for (const element of elements) {
    offset = array.writeInt32BE(element?.length ?? -1, offset);
    if (element === null) continue;
    array.set(element, offset);
    offset += element.length;
  }
  return array;
}

export function byteaArray(elements: readonly (Uint8Array | null)[]): Buffer {
  return encode("bytea", elements);
}

export function textArray(elements: readonly string[]): Buffer {
  return encode(
    "text",
    elements.map((element) => Buffer.from(element)),
  );
}

/** Canonical text (8-4-4-4-12 hex digits) or null. */
export function uuidArray(elements: readonly (string | null)[]): Buffer {
  // The same few accounts come again and again in one batch.
  const encoded = new Map<string, Buffer>();
  const bytesOf = (element: string): Buffer => {
    const known = encoded.get(element) ?? Buffer.from(element.replaceAll("-", ""), "hex");
    encoded.set(element, known);
    return known;
  };
  return encode(
    "uuid",
    elements.map((element) => (element === null ? null : bytesOf(element))),
  );
}

export function int2Array(elements: readonly number[]): Buffer {
  return encode(
    "int2",
    elements.map((element) => {
      const bytes = Buffer.alloc(2);
      bytes.writeInt16BE(element);
      return bytes;
    }),
  );
}

export function int8Array(elements: readonly bigint[]): Buffer {
  return encode(
    "int8",
    elements.map((element) => {
      const bytes = Buffer.alloc(8);
      bytes.writeBigInt64BE(element);
      return bytes;
    }),
  );
}
