/** Between the service's tensors and ONNX Runtime's, bit for bit. Runs in the host. */
import * as ort from "onnxruntime-node";
import { fromUtf8, utf8 } from "../../codec/index.ts";
import type { Datatype, Tensor } from "../../receipts/index.ts";
import { splitElements } from "./datatypes.ts";
import { HostError } from "./failure.ts";

// ONNX Runtime's tensors turn FP16 into a Float16Array where there is one, and its native part cannot read that. The
// check comes with the first tensor, and this process has no other use for the class.
Reflect.deleteProperty(globalThis, "Float16Array");

type NumericDatatype = Exclude<Datatype, "BYTES">;
interface View {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): ArrayBufferView;
}

const NUMERIC: Record<NumericDatatype, readonly [type: ort.Tensor.Type, view: View]> = {
  BOOL: ["bool", Uint8Array],
  UINT8: ["uint8", Uint8Array],
  UINT16: ["uint16", Uint16Array],
  UINT32: ["uint32", Uint32Array],
  UINT64: ["uint64", BigUint64Array],
  INT8: ["int8", Int8Array],
  INT16: ["int16", Int16Array],
  INT32: ["int32", Int32Array],
  INT64: ["int64", BigInt64Array],
  FP16: ["float16", Uint16Array],
  FP32: ["float32", Float32Array],
  FP64: ["float64", Float64Array],
};

const DATATYPE_BY_TYPE = new Map<string, Datatype>([
  ...Object.entries(NUMERIC).map(([datatype, [type]]) => [type, datatype as Datatype] as const),
  ["string", "BYTES"],
]);

/** The datatype of an ONNX Runtime type; undefined where the Open Inference Protocol has none. */
export function datatypeOf(type: string): Datatype | undefined {
  return DATATYPE_BY_TYPE.get(type);
}

/** @throws HostError `input_invalid` where a BYTES element is not UTF-8 without NUL, which is all that the engine's strings carry */
export function toOrt(tensor: Tensor): ort.Tensor {
  const { datatype, shape, data } = tensor;
  if (datatype === "BYTES") return new ort.Tensor("string", strings(tensor.name, data), shape);
  const [type, View] = NUMERIC[datatype];
  const width = View.BYTES_PER_ELEMENT;
  // Typed arrays want aligned data: a large frame has a buffer of its own, where they are, a small one lies anywhere.
  const { buffer, byteOffset, length } = data.byteOffset % width === 0 ? data : data.slice();
  return new ort.Tensor(
    type as "float32",
    new View(buffer, byteOffset, length / width) as Float32Array,
    shape,
  );
}

function strings(name: string, data: Uint8Array): string[] {
  const texts: string[] = [];
  const label = `input ${JSON.stringify(name)}: a BYTES element`;
  for (const element of splitElements(data)) {
    // The native part reads strings up to their first NUL, and would cut the rest off without a word.
    if (element.includes(0))
      throw new HostError("input_invalid", `${label} holds NUL, which the engine cannot carry`);
    try {
      texts.push(fromUtf8(element));
    } catch {
      throw new HostError("input_invalid", `${label} is not UTF-8`);
    }
  }
  return texts;
}

/** @throws HostError `output_invalid` where the graph gave something that is no tensor, or of a type with no name here */
export function fromOrt(name: string, value: ort.Tensor | undefined): Tensor {
  const datatype = value === undefined ? undefined : datatypeOf(value.type);
  if (value === undefined || datatype === undefined) {
    throw new HostError("output_invalid", `output ${JSON.stringify(name)} is not a tensor that can be sent`);
  }
  const shape = [...value.dims];
  if (datatype === "BYTES") return { name, datatype, shape, data: joinStrings(value.data as string[]) };
  const view = value.data as ArrayBufferView;
  return { name, datatype, shape, data: new Uint8Array(view.buffer, view.byteOffset, view.byteLength) };
}

function joinStrings(texts: readonly string[]): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const text of texts) {
    const bytes = utf8(text);
    const length = Buffer.allocUnsafe(4);
    length.writeUInt32LE(bytes.length, 0);
    parts.push(length, bytes);
  }
  return Buffer.concat(parts);
}
