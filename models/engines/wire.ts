/**
 * What pool and host say to each other, inside the frames of `ipc`. Integers are little-endian. The pool takes a
 * host's bytes as hostile: a host runs native code on inputs that anyone may send.
 */
import { fromUtf8, utf8 } from "../../codec/index.ts";
import type { Datatype, Tensor } from "../../receipts/index.ts";
import type { Adapter, Precision } from "../execution.ts";
import type { ExecutionProvider, Reduction } from "../manifest.ts";
import { checkExtent, datatypeOfCode, WIRE_DATATYPES } from "./datatypes.ts";

/** Kinds of request, pool to host. */
export const REQUEST = {
  /** JSON `LoadRequest`: announces a model; its weights follow in pieces. */
  loadBegin: 1,
  /** u32 model ‖ bytes. */
  loadPiece: 2,
  /** u32 model: makes the session; answered with JSON `LoadReply`. */
  loadEnd: 3,
  /** u32 model. */
  unload: 4,
  /** u32 model ‖ u32 0 ‖ f64 run number ‖ tensors; answered with f64 milliseconds ‖ tensors. Numbers rise. */
  run: 5,
  /** f64 run number: skip it if it has not begun. */
  skip: 6,
  /** Answered with u8: whether the host confined itself. */
  hello: 7,
  /** Answered with JSON: what Vulkan and the CUDA driver list, or why they do not. */
  devices: 8,
} as const;

/** Kinds of reply. */
export const REPLY = { done: 0, failed: 1, skipped: 2 } as const;

export const WEIGHT_PIECE_BYTES = 8 * 1024 * 1024;
/** The most data that the tensors of one frame hold. */
export const MAX_TENSORS_BYTES = 128 * 1024 * 1024;
/** With room for names, shapes and numbers. */
export const MAX_FRAME_BYTES = MAX_TENSORS_BYTES + 1024 * 1024;
export const RUN_PREFIX_BYTES = 16;
/** Of a tensor's data, counted from the start of the tensors: what the largest element needs to be used where it lies. */
const ALIGNMENT = 8;
const MAX_WIRE_TENSORS = 64;
const MAX_WIRE_RANK = 16;

export interface LoadRequest {
  model: number;
  bytes: number;
  executionProviders: ExecutionProvider[];
  threads: number;
  /** Bound of what is left after the reductions. */
  maxOutputBytes: number;
  /** The manifest's; each output at most once. */
  reductions: readonly Reduction[];
}

export interface GraphTensor {
  name: string;
  /** Null where the graph holds a type that no manifest can name. */
  datatype: Datatype | null;
  /** Null in the place of a symbolic dimension. */
  shape: (number | null)[];
}

export interface LoadReply {
  /** The provider that the session was made with. */
  provider: ExecutionProvider;
  /** Whether operations of the graph run on the CPU though the provider is another. */
  cpuOperations: boolean;
  /** How many of them, where some do and the engine tells. */
  operations: { provider: number; cpu: number } | null;
  /** Null on the CPU. */
  adapter: Adapter | null;
  precision: Precision;
  /** A text for each provider before the one used: its name and why it was not. */
  skipped: string[];
  inputs: GraphTensor[];
  outputs: GraphTensor[];
}

/** u32 model ‖ u32 0 ‖ f64 run number: a multiple of the alignment, so that the tensors behind it keep theirs. */
export function runPrefix(model: number, run: number): Buffer {
  const prefix = Buffer.alloc(RUN_PREFIX_BYTES);
  prefix.writeUInt32LE(model, 0);
  prefix.writeDoubleLE(run, 8);
  return prefix;
}

/**
 * u16 count, then each tensor: u16 name length ‖ name ‖ u8 datatype ‖ u8 rank ‖ rank × f64 dimension ‖ u32 data length ‖
 * zeros up to the next multiple of 8 from the start ‖ data. The data are passed on as they are, not copied.
 */
export function encodeTensors(tensors: readonly Tensor[]): Uint8Array[] {
  const parts: Uint8Array[] = [];
  let header = Buffer.allocUnsafe(2);
  header.writeUInt16LE(tensors.length, 0);
  parts.push(header);
  let start = header.length;
  for (const { name, datatype, shape, data } of tensors) {
    const nameBytes = utf8(name);
    const unpadded = 8 + nameBytes.length + 8 * shape.length;
    header = Buffer.alloc(aligned(start + unpadded) - start);
    header.writeUInt16LE(nameBytes.length, 0);
    header.set(nameBytes, 2);
    let offset = 2 + nameBytes.length;
    header[offset++] = WIRE_DATATYPES[datatype].code;
    header[offset++] = shape.length;
    for (const size of shape) offset = header.writeDoubleLE(size, offset);
    header.writeUInt32LE(data.length, offset);
    parts.push(header, data);
    start += header.length + data.length;
  }
  return parts;
}

function aligned(offset: number): number {
  return Math.ceil(offset / ALIGNMENT) * ALIGNMENT;
}

/**
 * The tensors of a frame, their data views of it; each tensor's data have the length its shape says.
 * @throws RangeError or CodecError where the bytes are not what `encodeTensors` writes
 */
export function decodeTensors(bytes: Buffer): Tensor[] {
  const count = bytes.readUInt16LE(0);
  if (count > MAX_WIRE_TENSORS) throw new RangeError("too many tensors");
  const tensors: Tensor[] = [];
  let offset = 2;
  for (let i = 0; i < count; i++) {
    const nameEnd = offset + 2 + bytes.readUInt16LE(offset);
    const name = fromUtf8(bytes.subarray(offset + 2, nameEnd));
    const datatype = datatypeOfCode(bytes.readUInt8(nameEnd));
    const rank = bytes.readUInt8(nameEnd + 1);
    if (rank > MAX_WIRE_RANK) throw new RangeError("too many dimensions");
    const shape: number[] = [];
    offset = nameEnd + 2;
    for (let axis = 0; axis < rank; axis++, offset += 8) shape.push(bytes.readDoubleLE(offset));
    const dataStart = aligned(offset + 4);
    const dataEnd = dataStart + bytes.readUInt32LE(offset);
    if (dataEnd > bytes.length) throw new RangeError("tensor is cut short");
    // Not a Buffer, whose `slice` does not copy: these bytes go to callers.
    const data = new Uint8Array(bytes.buffer, bytes.byteOffset + dataStart, dataEnd - dataStart);
    const tensor = { name, datatype, shape, data };
    checkExtent(tensor);
    tensors.push(tensor);
    offset = dataEnd;
  }
  if (offset !== bytes.length) throw new RangeError("bytes after the last tensor");
  return tensors;
}
