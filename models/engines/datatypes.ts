/**
 * Codes and sizes of datatypes, for the frames between pool and host. The same numbers as the receipts' canonical
 * tensors (a test holds them together); written out here because a host that is being replaced keeps callers waiting, and
 * loading the receipts' code would double its start.
 */
import type { Datatype, Tensor } from "../../receipts/index.ts";

/** Code on the wire and bytes of an element; BYTES elements are u32 length ‖ bytes. */
export const WIRE_DATATYPES: Record<Datatype, { code: number; byteLength: number }> = {
  BOOL: { code: 1, byteLength: 1 },
  UINT8: { code: 2, byteLength: 1 },
  UINT16: { code: 3, byteLength: 2 },
  UINT32: { code: 4, byteLength: 4 },
  UINT64: { code: 5, byteLength: 8 },
  INT8: { code: 6, byteLength: 1 },
  INT16: { code: 7, byteLength: 2 },
  INT32: { code: 8, byteLength: 4 },
  INT64: { code: 9, byteLength: 8 },
  FP16: { code: 10, byteLength: 2 },
  FP32: { code: 11, byteLength: 4 },
  FP64: { code: 12, byteLength: 8 },
  BYTES: { code: 13, byteLength: 0 },
};

const BY_CODE = new Map(
  Object.entries(WIRE_DATATYPES).map(([name, { code }]) => [code, name as Datatype] as const),
);

/** @throws RangeError */
export function datatypeOfCode(code: number): Datatype {
  const datatype = BY_CODE.get(code);
  if (datatype === undefined) throw new RangeError("unknown datatype code");
  return datatype;
}

/**
 * The elements of a BYTES tensor, views of its data.
 * @throws RangeError where one is cut short
 */
export function splitElements(data: Uint8Array): Uint8Array[] {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const elements: Uint8Array[] = [];
  for (let offset = 0; offset < data.length;) {
    const start = offset + 4;
    offset = start + view.getUint32(offset, true);
    if (offset > data.length) throw new RangeError("a BYTES element is cut short");
    elements.push(data.subarray(start, offset));
  }
  return elements;
}

/**
 * Shape and data agree.
 * @throws RangeError
 */
export function checkExtent({ datatype, shape, data }: Tensor): void {
  let count = 1;
  for (const size of shape) {
    if (!Number.isSafeInteger(size) || size < 0) throw new RangeError("bad dimension");
    count *= size;
  }
  const { byteLength } = WIRE_DATATYPES[datatype];
  const agrees = byteLength === 0 ? splitElements(data).length === count : data.length === count * byteLength;
  if (!agrees) throw new RangeError("data and shape do not agree");
}
