/**
 * Canonical tensors: the one byte string of a set of named tensors (docs/spec/encoding.md).
 *
 *   0x01 ‖ u32 count ‖ count × ( u16 name length ‖ name UTF-8 ‖ u8 datatype ‖ u8 rank ‖ rank × u64 dim ‖ u64 data length ‖ data )
 *
 * Integers little-endian; tensors in bytewise order of their names, each name once.
 */
import { fromUtf8, utf8 } from "../codec/index.ts";
import { ReceiptError } from "./error.ts";

/** The datatypes of the Open Inference Protocol that an engine carries, with their code and bytes an element. */
export const DATATYPES = {
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
  /** Elements of their own length: u32 little-endian ‖ bytes. */
  BYTES: { code: 13, byteLength: 0 },
} as const;

export type Datatype = keyof typeof DATATYPES;

/** `data`: little-endian, row-major; `BYTES`: each element u32 little-endian length ‖ bytes. */
export interface Tensor {
  name: string;
  datatype: Datatype;
  shape: number[];
  data: Uint8Array;
}

export const MAX_TENSORS = 1024;
export const MAX_NAME_BYTES = 512;
export const MAX_RANK = 16;
export const MAX_TENSOR_BYTES = 256 * 1024 * 1024;

const VERSION = 1;
const BY_CODE = new Map<number, Datatype>(
  Object.entries(DATATYPES).map(([name, { code }]) => [code, name as Datatype]),
);

function invalid(message: string): ReceiptError {
  return new ReceiptError("tensor_invalid", message);
}

/**
 * The number of elements of a shape; an empty shape is a scalar.
 * @throws ReceiptError `tensor_invalid`, `tensor_limit` beyond 2^53 - 1 elements
 */
export function elementCount(shape: readonly number[]): number {
  if (shape.length > MAX_RANK) throw new ReceiptError("tensor_limit", `rank above ${MAX_RANK}`);
  let count = 1;
  for (const dim of shape) {
    if (!Number.isSafeInteger(dim) || dim < 0)
      throw invalid("a dimension is not an integer from 0 to 2^53 - 1");
    count *= dim;
    if (!Number.isSafeInteger(count)) throw new ReceiptError("tensor_limit", "more than 2^53 - 1 elements");
  }
  return count;
}

/**
 * Each element of a `BYTES` tensor, as views of its data.
 * @throws ReceiptError `tensor_invalid` where lengths do not add up to the data
 */
export function* bytesElements(data: Uint8Array): Generator<Uint8Array> {
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  let offset = 0;
  while (offset < data.length) {
    if (data.length - offset < 4) throw invalid("a BYTES element's length is cut off");
    const end = offset + 4 + view.getUint32(offset, true);
    if (end > data.length) throw invalid("a BYTES element is cut off");
    yield data.subarray(offset + 4, end);
    offset = end;
  }
}

function countBytesElements(data: Uint8Array): number {
  let count = 0;
  for (const _ of bytesElements(data)) count++;
  return count;
}

/**
 * Shape, datatype and data of one tensor agree.
 * @throws ReceiptError `tensor_invalid`, `tensor_limit`
 */
export function checkTensor(tensor: Tensor): void {
  if (!Object.hasOwn(DATATYPES, tensor.datatype)) throw invalid("unknown datatype");
  const count = elementCount(tensor.shape);
  if (tensor.data.length > MAX_TENSOR_BYTES)
    throw new ReceiptError("tensor_limit", "a tensor's data is too long");
  if (tensor.datatype === "BYTES") {
    if (countBytesElements(tensor.data) !== count) throw invalid("BYTES elements do not match the shape");
    return;
  }
  if (tensor.data.length !== count * DATATYPES[tensor.datatype].byteLength) {
    throw invalid("the data's length does not match shape and datatype");
  }
  if (tensor.datatype === "BOOL" && tensor.data.some((byte) => byte > 1))
    throw invalid("a BOOL is neither 0 nor 1");
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    if (a[i] !== b[i]) return a[i]! - b[i]!;
  }
  return a.length - b.length;
}

function nameBytes(name: string): Uint8Array {
  // A lone surrogate would become U+FFFD, and two different names one encoding.
  if (!name.isWellFormed()) throw invalid("a tensor's name is not well-formed text");
  const bytes = utf8(name);
  if (bytes.length === 0 || bytes.length > MAX_NAME_BYTES)
    throw invalid(`a name takes 1 to ${MAX_NAME_BYTES} bytes`);
  return bytes;
}

/**
 * The canonical bytes of a set of tensors, whatever order they come in.
 * @throws ReceiptError `tensor_invalid`, `tensor_name_duplicate`, `tensor_limit`
 */
export function canonicalTensors(tensors: readonly Tensor[]): Uint8Array {
  if (tensors.length > MAX_TENSORS)
    throw new ReceiptError("tensor_limit", `more than ${MAX_TENSORS} tensors`);
  const named = tensors.map((tensor) => ({ tensor, name: nameBytes(tensor.name) }));
  named.sort((a, b) => compareBytes(a.name, b.name));
  let byteLength = 5;
  for (const [i, { tensor, name }] of named.entries()) {
    if (i > 0 && compareBytes(named[i - 1]!.name, name) === 0) {
      throw new ReceiptError("tensor_name_duplicate", "two tensors have one name");
    }
    checkTensor(tensor);
    byteLength += 12 + name.length + 8 * tensor.shape.length + tensor.data.length;
  }
  if (byteLength > MAX_TENSOR_BYTES)
    throw new ReceiptError("tensor_limit", "the tensors are too long together");
  const bytes = new Uint8Array(byteLength);
  const view = new DataView(bytes.buffer);
  bytes[0] = VERSION;
  view.setUint32(1, named.length, true);
  let offset = 5;
  for (const { tensor, name } of named) {
    view.setUint16(offset, name.length, true);
    bytes.set(name, offset + 2);
    offset += 2 + name.length;
    bytes[offset] = DATATYPES[tensor.datatype].code;
    bytes[offset + 1] = tensor.shape.length;
    offset += 2;
    for (const dim of tensor.shape) {
      view.setBigUint64(offset, BigInt(dim), true);
      offset += 8;
    }
    view.setBigUint64(offset, BigInt(tensor.data.length), true);
    bytes.set(tensor.data, offset + 8);
    offset += 8 + tensor.data.length;
  }
  return bytes;
}

class Reader {
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  private offset = 0;
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }
  private advance(byteLength: number): number {
    const start = this.offset;
    if (byteLength > this.bytes.length - start) {
      throw new ReceiptError("tensor_encoding_invalid", "the encoding is cut off");
    }
    this.offset = start + byteLength;
    return start;
  }
  u8(): number {
    return this.bytes[this.advance(1)]!;
  }
  u16(): number {
    return this.view.getUint16(this.advance(2), true);
  }
  u32(): number {
    return this.view.getUint32(this.advance(4), true);
  }
  u64(): number {
    const value = this.view.getBigUint64(this.advance(8), true);
    if (value > BigInt(Number.MAX_SAFE_INTEGER))
      throw new ReceiptError("tensor_limit", "a number above 2^53 - 1");
    return Number(value);
  }
  take(byteLength: number): Uint8Array {
    const start = this.advance(byteLength);
    return this.bytes.subarray(start, start + byteLength);
  }
  get done(): boolean {
    return this.offset === this.bytes.length;
  }
}

function readTensor(reader: Reader): { tensor: Tensor; name: Uint8Array } {
  const name = reader.take(reader.u16());
  if (name.length === 0 || name.length > MAX_NAME_BYTES)
    throw invalid(`a name takes 1 to ${MAX_NAME_BYTES} bytes`);
  const datatype = BY_CODE.get(reader.u8());
  if (datatype === undefined) throw new ReceiptError("tensor_encoding_invalid", "unknown datatype code");
  const rank = reader.u8();
  if (rank > MAX_RANK) throw new ReceiptError("tensor_limit", `rank above ${MAX_RANK}`);
  const shape = Array.from({ length: rank }, () => reader.u64());
  const data = reader.take(reader.u64());
  let text: string;
  try {
    text = fromUtf8(name);
  } catch (cause) {
    throw new ReceiptError("tensor_encoding_invalid", "a name is not UTF-8", { cause });
  }
  const tensor = { name: text, datatype, shape, data };
  checkTensor(tensor);
  return { tensor, name };
}

/**
 * Canonical bytes to tensors in name order; `data` are views into `bytes`. Accepts nothing that `canonicalTensors`
 * would not have made.
 * @throws ReceiptError `tensor_encoding_invalid`, `tensor_invalid`, `tensor_name_duplicate`, `tensor_limit`
 */
export function parseCanonicalTensors(bytes: Uint8Array): Tensor[] {
  if (bytes.length > MAX_TENSOR_BYTES)
    throw new ReceiptError("tensor_limit", "the tensors are too long together");
  const reader = new Reader(bytes);
  if (reader.u8() !== VERSION) throw new ReceiptError("tensor_encoding_invalid", "unknown version");
  const count = reader.u32();
  if (count > MAX_TENSORS) throw new ReceiptError("tensor_limit", `more than ${MAX_TENSORS} tensors`);
  const tensors: Tensor[] = [];
  let previous: Uint8Array | undefined;
  for (let i = 0; i < count; i++) {
    const { tensor, name } = readTensor(reader);
    const order = previous === undefined ? -1 : compareBytes(previous, name);
    if (order === 0) throw new ReceiptError("tensor_name_duplicate", "two tensors have one name");
    if (order > 0) throw new ReceiptError("tensor_encoding_invalid", "names are out of order");
    previous = name;
    tensors.push(tensor);
  }
  if (!reader.done) throw new ReceiptError("tensor_encoding_invalid", "bytes after the last tensor");
  return tensors;
}
