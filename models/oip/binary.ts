/** Binary tensor data: element framing of BYTES, and checks of raw data against datatype and shape. */
import type { Datatype } from "../../receipts/index.ts";
import { elementBytes } from "./datatypes.ts";
import { OipError } from "./errors.ts";

/** BYTES elements to their binary form: each u32 little-endian length, then that many bytes. */
export function frameBytes(elements: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const element of elements) length += 4 + element.length;
  const framed = new Uint8Array(length);
  const view = new DataView(framed.buffer);
  let offset = 0;
  for (const element of elements) {
    view.setUint32(offset, element.length, true);
    framed.set(element, offset + 4);
    offset += 4 + element.length;
  }
  return framed;
}

/**
 * The elements of BYTES data, as views.
 * @throws OipError `oip_binary_invalid` where an element is cut short
 */
export function splitBytes(where: string, data: Uint8Array): Uint8Array[] {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const elements: Uint8Array[] = [];
  for (let offset = 0; offset < data.length;) {
    const start = offset + 4;
    const end = start <= data.length ? start + view.getUint32(offset, true) : Infinity;
    if (end > data.length) throw cutShort(where);
    elements.push(data.subarray(start, end));
    offset = end;
  }
  return elements;
}

/** How many elements BYTES data holds, without a view of each: there may be millions. */
function countBytes(where: string, data: Uint8Array): number {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  let count = 0;
  for (let offset = 0; offset < data.length; count++) {
    offset = offset + 4 <= data.length ? offset + 4 + view.getUint32(offset, true) : Infinity;
    if (offset > data.length) throw cutShort(where);
  }
  return count;
}

/**
 * Requires raw data to be exactly `count` elements of a datatype.
 * @throws OipError `oip_data_length_mismatch`, `oip_binary_invalid`
 */
export function checkBinaryData(where: string, datatype: Datatype, count: number, data: Uint8Array): void {
  if (datatype === "BYTES") {
    const found = countBytes(where, data);
    if (found !== count) throw mismatch(where, `${found} elements`, `${count}`);
    return;
  }
  const wanted = count * elementBytes(datatype);
  if (data.length !== wanted) throw mismatch(where, `${data.length} bytes`, `${wanted}`);
  // One byte pattern a value: receipts hash these bytes.
  if (datatype === "BOOL" && data.some((byte) => byte > 1)) {
    throw new OipError("oip_binary_invalid", `${where}: a BOOL is neither 0 nor 1`);
  }
}

function cutShort(where: string): OipError {
  return new OipError("oip_binary_invalid", `${where}: a BYTES element is cut short`);
}

function mismatch(where: string, found: string, wanted: string): OipError {
  return new OipError("oip_data_length_mismatch", `${where} has ${found}, the shape says ${wanted}`);
}
