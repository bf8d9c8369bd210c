/** Writes small ONNX models (onnx.proto, IR version 8, opset 17): graphs that tests need and nobody ships. */
import { concat, protobuf } from "../../codec/index.ts";
import type { Datatype } from "../../receipts/index.ts";

const { bytes, float32, integer } = protobuf;

const IR_VERSION = 8;
const OPSET = 17;

/** `TensorProto.DataType`. */
const ELEMENT_TYPE: Record<Datatype, number> = {
  FP32: 1,
  UINT8: 2,
  INT8: 3,
  UINT16: 4,
  INT16: 5,
  INT32: 6,
  INT64: 7,
  BYTES: 8,
  BOOL: 9,
  FP16: 10,
  FP64: 11,
  UINT32: 12,
  UINT64: 13,
};

/** A number is fixed, a name symbolic. */
export type Dimension = number | string;

export interface Value {
  name: string;
  datatype: Datatype;
  shape: readonly Dimension[];
}

export type Attribute =
  | { int: number | bigint }
  | { ints: readonly number[] }
  | { float: number }
  | { tensor: Uint8Array }
  | { graph: Uint8Array };

export interface Node {
  op: string;
  inputs: readonly string[];
  outputs: readonly string[];
  attributes?: Readonly<Record<string, Attribute>>;
}

export interface Graph {
  nodes: readonly Node[];
  inputs: readonly Value[];
  outputs: readonly Value[];
  /** Made by `tensor`. */
  initialisers?: readonly Uint8Array[];
}

/** A constant: `data` raw, little-endian, row-major; not for BYTES. */
export function tensor(
  name: string,
  datatype: Datatype,
  shape: readonly number[],
  data: Uint8Array,
): Uint8Array {
  return concat(
    ...shape.map((size) => integer(1, size)),
    integer(2, ELEMENT_TYPE[datatype]),
    bytes(8, name),
    bytes(9, data),
  );
}

export function floats(name: string, shape: readonly number[], values: readonly number[]): Uint8Array {
  return tensor(name, "FP32", shape, new Uint8Array(Float32Array.from(values).buffer));
}

export function graph({ nodes, inputs, outputs, initialisers = [] }: Graph): Uint8Array {
  return concat(
    ...nodes.map((node) => bytes(1, encodeNode(node))),
    bytes(2, "graph"),
    ...initialisers.map((initialiser) => bytes(5, initialiser)),
    ...inputs.map((value) => bytes(11, encodeValue(value))),
    ...outputs.map((value) => bytes(12, encodeValue(value))),
  );
}

/** A whole model file. */
export function model(content: Graph): Uint8Array {
  return concat(
    integer(1, IR_VERSION),
    bytes(2, "affidavit"),
    bytes(7, graph(content)),
    bytes(8, integer(2, OPSET)),
  );
}

function encodeNode({ op, inputs, outputs, attributes = {} }: Node): Uint8Array {
  return concat(
    ...inputs.map((name) => bytes(1, name)),
    ...outputs.map((name) => bytes(2, name)),
    bytes(4, op),
    ...Object.entries(attributes).map(([name, attribute]) => bytes(5, encodeAttribute(name, attribute))),
  );
}

function encodeAttribute(name: string, attribute: Attribute): Uint8Array {
  const TYPE = 20;
  if ("float" in attribute) return concat(bytes(1, name), float32(2, attribute.float), integer(TYPE, 1));
  if ("int" in attribute) return concat(bytes(1, name), integer(3, attribute.int), integer(TYPE, 2));
  if ("tensor" in attribute) return concat(bytes(1, name), bytes(5, attribute.tensor), integer(TYPE, 4));
  if ("graph" in attribute) return concat(bytes(1, name), bytes(6, attribute.graph), integer(TYPE, 5));
  return concat(bytes(1, name), ...attribute.ints.map((value) => integer(8, value)), integer(TYPE, 7));
}

function encodeValue({ name, datatype, shape }: Value): Uint8Array {
  const dimensions = shape.map((size) =>
    bytes(1, typeof size === "number" ? integer(1, size) : bytes(2, size)),
  );
  const tensorType = concat(integer(1, ELEMENT_TYPE[datatype]), bytes(2, concat(...dimensions)));
  return concat(bytes(1, name), bytes(2, bytes(1, tensorType)));
}
