/** The `data` member of a tensor in JSON: from JSON values to raw little-endian bytes, and back to JSON text. */
import { CodecError, fromUtf8 } from "../../codec/index.ts";
import type { Datatype, Tensor } from "../../receipts/index.ts";
import { splitBytes } from "./binary.ts";
import { BIG_INTEGERS, SMALL_INTEGERS, viewAs } from "./datatypes.ts";
import { OipError } from "./errors.ts";
import { fromHalfBits, toHalfBits } from "./half.ts";
import { exactInteger } from "./integers.ts";

/**
 * Raw data of a tensor from its JSON `data`, flat or nested by `shape`.
 * @param exact the same `data` with long integers as strings, asked for only where INT64 or UINT64 need it
 * @throws OipError `oip_data_length_mismatch`, `oip_data_type_mismatch`, `oip_number_out_of_range`, `oip_text_invalid`
 */
export function decodeJsonData(
  where: string,
  datatype: Datatype,
  shape: readonly number[],
  data: readonly unknown[],
  exact: () => readonly unknown[],
): Uint8Array {
  const elements = flatten(where, shape, data);
  switch (datatype) {
    case "FP32":
      return decodeFp32(where, elements);
    case "FP64":
      return decodeFp64(where, elements);
    case "FP16":
      return decodeFp16(where, elements);
    case "BOOL":
      return decodeBool(where, elements);
    case "BYTES":
      return decodeText(where, elements);
    case "INT64":
    case "UINT64":
      return decodeBigIntegers(where, datatype, elements, () => flatten(where, shape, exact()));
    default:
      return decodeIntegers(where, datatype, elements);
  }
}

function flatten(where: string, shape: readonly number[], data: readonly unknown[]): readonly unknown[] {
  const count = shape.reduce((product, size) => product * size, 1);
  if (!Array.isArray(data[0])) {
    if (data.length === count) return data;
    throw lengthMismatch(where, data.length, count);
  }
  const flat: unknown[] = [];
  collect(where, shape, 0, data, flat);
  return flat;
}

/** Recursion is bounded by the rank, which the message reader bounds. */
function collect(
  where: string,
  shape: readonly number[],
  axis: number,
  node: unknown,
  flat: unknown[],
): void {
  if (!Array.isArray(node)) throw typeMismatch(where, "an array in each dimension but the last");
  if (node.length !== shape[axis]) throw lengthMismatch(where, node.length, shape[axis] ?? 0);
  if (axis === shape.length - 1) {
    for (const element of node) flat.push(element);
  } else {
    for (const child of node) collect(where, shape, axis + 1, child, flat);
  }
}

function decodeFp32(where: string, elements: readonly unknown[]): Uint8Array {
  const out = new Float32Array(elements.length);
  for (let i = 0; i < out.length; i++) {
    const value = elements[i];
    if (typeof value !== "number") throw typeMismatch(`${where}[${i}]`, "a number");
    out[i] = value;
    if (!Number.isFinite(out[i])) throw outOfRange(`${where}[${i}]`, "FP32");
  }
  return new Uint8Array(out.buffer);
}

function decodeFp64(where: string, elements: readonly unknown[]): Uint8Array {
  const out = new Float64Array(elements.length);
  for (let i = 0; i < out.length; i++) {
    const value = elements[i];
    if (typeof value !== "number") throw typeMismatch(`${where}[${i}]`, "a number");
    // JSON.parse reads 1e999 as infinity.
    if (!Number.isFinite(value)) throw outOfRange(`${where}[${i}]`, "FP64");
    out[i] = value;
  }
  return new Uint8Array(out.buffer);
}

function decodeFp16(where: string, elements: readonly unknown[]): Uint8Array {
  const out = new Uint16Array(elements.length);
  for (let i = 0; i < out.length; i++) {
    const value = elements[i];
    if (typeof value !== "number") throw typeMismatch(`${where}[${i}]`, "a number");
    if (!(Math.abs(value) < 65520)) throw outOfRange(`${where}[${i}]`, "FP16");
    out[i] = toHalfBits(value);
  }
  return new Uint8Array(out.buffer);
}

function decodeBool(where: string, elements: readonly unknown[]): Uint8Array {
  const out = new Uint8Array(elements.length);
  for (let i = 0; i < out.length; i++) {
    const value = elements[i];
    if (typeof value !== "boolean") throw typeMismatch(`${where}[${i}]`, "true or false");
    out[i] = value ? 1 : 0;
  }
  return out;
}

/** One buffer for all: there may be millions of elements, most of them short. */
function decodeText(where: string, elements: readonly unknown[]): Uint8Array {
  let most = 0;
  for (let i = 0; i < elements.length; i++) {
    const value = elements[i];
    if (typeof value !== "string") throw typeMismatch(`${where}[${i}]`, "a string");
    // A lone surrogate has no UTF-8: encoding it would change it.
    if (!value.isWellFormed()) throw new OipError("oip_text_invalid", `${where}[${i}] is not Unicode text`);
    most += 4 + 3 * value.length;
  }
  const framed = new Uint8Array(most);
  const view = new DataView(framed.buffer);
  const encoder = new TextEncoder();
  let offset = 0;
  for (const value of elements as readonly string[]) {
    const byteLength = value === "" ? 0 : encoder.encodeInto(value, framed.subarray(offset + 4)).written;
    view.setUint32(offset, byteLength, true);
    offset += 4 + byteLength;
  }
  return framed.slice(0, offset);
}

function decodeIntegers(
  where: string,
  datatype: keyof typeof SMALL_INTEGERS,
  elements: readonly unknown[],
): Uint8Array {
  const { low, high, array } = SMALL_INTEGERS[datatype];
  const out = new array(elements.length);
  for (let i = 0; i < out.length; i++) {
    const value = elements[i];
    if (typeof value !== "number") throw typeMismatch(`${where}[${i}]`, "a number");
    if (!Number.isInteger(value) || value < low || value > high) throw outOfRange(`${where}[${i}]`, datatype);
    out[i] = value;
  }
  return new Uint8Array(out.buffer);
}

function decodeBigIntegers(
  where: string,
  datatype: keyof typeof BIG_INTEGERS,
  elements: readonly unknown[],
  exact: () => readonly unknown[],
): Uint8Array {
  const { low, high, array } = BIG_INTEGERS[datatype];
  const out = new array(elements.length);
  let source = elements;
  for (let i = 0; i < out.length; i++) {
    if (typeof elements[i] !== "number") throw typeMismatch(`${where}[${i}]`, "a number");
    // Only a long integer can have been rounded; then all are read again from the text.
    if (source === elements && !Number.isSafeInteger(elements[i])) source = exact();
    const value = exactInteger(source[i], `${where}[${i}]`);
    if (value < low || value > high) throw outOfRange(`${where}[${i}]`, datatype);
    out[i] = value;
  }
  return new Uint8Array(out.buffer);
}

/**
 * JSON text of a tensor's flat `data` array: reading it back gives the same bytes.
 * @throws OipError `oip_not_finite` (JSON spells neither NaN nor infinity), `oip_not_text` (BYTES that are not UTF-8)
 */
export function encodeJsonData({ name, datatype, data }: Tensor): string {
  switch (datatype) {
    case "FP32":
      return floatText(name, viewAs(Float32Array, data));
    case "FP64":
      return floatText(name, viewAs(Float64Array, data));
    case "FP16":
      return floatText(name, Float64Array.from(viewAs(Uint16Array, data), fromHalfBits));
    case "BOOL":
      return `[${Array.from(data, (byte) => byte !== 0).join(",")}]`;
    case "BYTES":
      return JSON.stringify(splitBytes(name, data).map((element) => elementText(name, element)));
    case "INT64":
    case "UINT64": {
      const elements: { join(separator: string): string } =
        datatype === "INT64" ? viewAs(BigInt64Array, data) : viewAs(BigUint64Array, data);
      return `[${elements.join(",")}]`;
    }
    default:
      return `[${viewAs<{ join(separator: string): string }>(SMALL_INTEGERS[datatype].array, data).join(",")}]`;
  }
}

function floatText(name: string, elements: Float32Array | Float64Array): string {
  let negativeZero = false;
  for (let i = 0; i < elements.length; i++) {
    const value = elements[i]!;
    if (value === 0) negativeZero ||= Object.is(value, -0);
    else if (!Number.isFinite(value)) {
      throw new OipError(
        "oip_not_finite",
        `${name}[${i}] is not finite, which JSON cannot say; ask for binary data`,
      );
    }
  }
  if (!negativeZero) return JSON.stringify(Array.from(elements));
  // JSON.stringify drops the sign of zero, and the receipt's digest of the tensor would no longer fit; some parsers
  // read -0 as an integer and drop it too.
  return `[${Array.from(elements, (value) => (Object.is(value, -0) ? "-0.0" : String(value))).join(",")}]`;
}

function elementText(name: string, element: Uint8Array): string {
  try {
    return fromUtf8(element);
  } catch (error) {
    if (!(error instanceof CodecError)) throw error;
    throw new OipError("oip_not_text", `${name} holds bytes that are not UTF-8; ask for binary data`);
  }
}

function typeMismatch(where: string, wanted: string): OipError {
  return new OipError("oip_data_type_mismatch", `${where} must be ${wanted}`);
}

function lengthMismatch(where: string, found: number, wanted: number): OipError {
  return new OipError("oip_data_length_mismatch", `${where} has ${found} elements, the shape says ${wanted}`);
}

function outOfRange(where: string, datatype: Datatype): OipError {
  return new OipError("oip_number_out_of_range", `${where} is not a value of ${datatype}`);
}
