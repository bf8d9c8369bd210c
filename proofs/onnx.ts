/**
 * The circuit's graph: a model's own, fed from one tensor `[x, salt]` by Slice and Reshape (docs/spec/proofs.md). The same
 * model gives the same bytes. Field numbers are those of onnx.proto.
 */
import { CodecError, concat, protobuf } from "../codec/index.ts";
import { byName, type CircuitTensor } from "./circuit.ts";
import { CIRCUIT_SALT_ELEMENTS } from "./commit.ts";
import { ProofError } from "./error.ts";

const { bytes, fields, integer, text } = protobuf;
type Field = protobuf.Field;

const MODEL = { graph: 7, opset: 8 } as const;
const GRAPH = { node: 1, initialiser: 5, input: 11, output: 12 } as const;
const NODE = { input: 1, output: 2, opType: 4, attribute: 5 } as const;
const FLOAT = 1;
const INT64 = 7;
const INTS = 7;
/** Slice takes its bounds as tensors from this opset on. */
const MIN_OPSET = 10n;
const INPUT = "affidavit.input";
/** Their strides default to 1 in ONNX, and EZKL wants them said. */
const STRIDED = new Set(["Conv", "ConvTranspose", "AveragePool", "MaxPool"]);

function int64s(name: string, values: readonly number[]): Uint8Array {
  const data = new BigInt64Array(values.map(BigInt));
  return concat(
    integer(1, values.length),
    integer(2, INT64),
    bytes(8, name),
    bytes(9, new Uint8Array(data.buffer)),
  );
}

function node(opType: string, inputs: readonly string[], output: string): Uint8Array {
  return concat(
    ...inputs.map((name) => bytes(NODE.input, name)),
    bytes(NODE.output, output),
    bytes(NODE.opType, opType),
  );
}

function floatTensor(name: string, shape: readonly number[]): Uint8Array {
  const dimensions = shape.map((size) => bytes(1, integer(1, size)));
  const type = bytes(1, concat(integer(1, FLOAT), bytes(2, concat(...dimensions))));
  return concat(bytes(1, name), bytes(2, type));
}

/** Slices `x` out of the circuit's input and gives each of the model's inputs its shape. */
function feed(inputs: readonly CircuitTensor[]): {
  nodes: Uint8Array[];
  constants: Uint8Array[];
  width: number;
} {
  const nodes: Uint8Array[] = [];
  const constants = [int64s("affidavit.axis", [1])];
  let offset = 0;
  for (const [i, { name, shape }] of inputs.entries()) {
    const count = shape.reduce((product, size) => product * size, 1);
    const [start, end, target, flat] = ["start", "end", "shape", "flat"].map(
      (what) => `affidavit.${what}.${i}`,
    );
    constants.push(int64s(start!, [offset]), int64s(end!, [offset + count]), int64s(target!, shape));
    nodes.push(node("Slice", [INPUT, start!, end!, "affidavit.axis"], flat!));
    nodes.push(node("Reshape", [flat!, target!], name));
    offset += count;
  }
  return { nodes, constants, width: offset + CIRCUIT_SALT_ELEMENTS };
}

function withStrides(message: Uint8Array): Uint8Array {
  if (!STRIDED.has(text(message, NODE.opType))) return message;
  let rank = 0;
  for (const field of fields(message)) {
    if (field.number !== NODE.attribute) continue;
    const name = text(field.content, 1);
    if (name === "strides") return message;
    if (name === "kernel_shape") rank = countInts(field.content);
  }
  if (rank === 0) return message;
  const ones = Array.from({ length: rank }, () => integer(8, 1));
  return concat(message, bytes(NODE.attribute, concat(bytes(1, "strides"), ...ones, integer(20, INTS))));
}

/** Packed or not. */
function countInts(attribute: Uint8Array): number {
  let count = 0;
  for (const { number, content } of fields(attribute)) {
    if (number !== 8) continue;
    count += content.length === 0 ? 1 : content.filter((byte) => byte < 0x80).length;
  }
  return count;
}

function circuitGraph(graph: Uint8Array, inputs: readonly CircuitTensor[]): Uint8Array {
  const { nodes, constants, width } = feed(inputs);
  const parts = [...fields(graph)];
  const wanted = new Set(inputs.map(({ name }) => name));
  const initialised = new Set(
    parts.filter(({ number }) => number === GRAPH.initialiser).map(({ content }) => text(content, 8)),
  );
  const graphInputs = parts
    .filter(({ number }) => number === GRAPH.input)
    .map(({ content }) => text(content, 1))
    .filter((name) => !initialised.has(name));
  if (graphInputs.length !== wanted.size || !graphInputs.every((name) => wanted.has(name)))
    throw new ProofError("circuit_unsupported", "the graph's inputs are not the manifest's");
  const kept = parts.filter(
    ({ number, content }) =>
      number !== GRAPH.node && !(number === GRAPH.input && wanted.has(text(content, 1))),
  );
  const own = parts.filter(({ number }) => number === GRAPH.node);
  return concat(
    ...[...nodes, ...own.map(({ content }) => withStrides(content))].map((one) => bytes(GRAPH.node, one)),
    ...constants.map((constant) => bytes(GRAPH.initialiser, constant)),
    bytes(GRAPH.input, floatTensor(INPUT, [1, width])),
    ...kept.map(({ raw }) => raw),
  );
}

function opset(parts: readonly Field[]): bigint {
  for (const { number, content } of parts) {
    if (number !== MODEL.opset || text(content, 1) !== "") continue;
    for (const field of fields(content)) if (field.number === 2) return field.value;
  }
  return 0n;
}

/** Names of a graph's outputs, in its order. @throws ProofError `circuit_unsupported` */
export function outputNames(onnx: Uint8Array): string[] {
  return reading(() => {
    const graph = [...fields(onnx)].find(({ number }) => number === MODEL.graph);
    if (!graph) throw new ProofError("circuit_unsupported", "the model has no graph");
    return [...fields(graph.content)]
      .filter(({ number }) => number === GRAPH.output)
      .map(({ content }) => text(content, 1));
  });
}

/**
 * The circuit's ONNX model: one FP32 input of shape [1, elements of x + 8].
 * @param inputs the model's, of whole shapes, in any order
 * @throws ProofError `circuit_unsupported` where it is no ONNX model, its opset is below 10, or its inputs are others
 */
export function circuitModel(onnx: Uint8Array, inputs: readonly CircuitTensor[]): Uint8Array {
  return reading(() => {
    const parts = [...fields(onnx)];
    if (opset(parts) < MIN_OPSET)
      throw new ProofError("circuit_unsupported", `a circuit wants a model of opset ${MIN_OPSET} or later`);
    const ordered = inputs.toSorted(byName);
    return concat(
      ...parts.map(({ number, raw, content }) =>
        number === MODEL.graph ? bytes(MODEL.graph, circuitGraph(content, ordered)) : raw,
      ),
    );
  });
}

function reading<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof protobuf.ProtobufError || cause instanceof CodecError)
      throw new ProofError("circuit_unsupported", "the weights are no ONNX model", { cause });
    throw cause;
  }
}
