/** Infer requests: `POST /v2/models/{name}/infer` of the Open Inference Protocol v2 with the binary tensor data extension. */
import { utf8 } from "../../codec/index.ts";
import type { Tensor } from "../../receipts/index.ts";
import { OipError } from "./errors.ts";
import {
  OIP_LIMITS,
  joinMessage,
  MessageReader,
  parametersText,
  readFlag,
  readList,
  readMembers,
  readParameters,
  readTensors,
  readText,
  tensorText,
} from "./message.ts";
import type { EncodedMessage, OipLimits, Parameters } from "./message.ts";

/** One output that a caller asked for; `binary` undefined: as the whole request says. */
export interface RequestedOutput {
  name: string;
  binary: boolean | undefined;
}

export interface InferRequest {
  id: string | undefined;
  /** The request's own parameters, without those that this codec reads. */
  parameters: Parameters;
  inputs: Tensor[];
  /** Undefined: all outputs of the model. */
  outputs: RequestedOutput[] | undefined;
  /** Whether outputs that do not say otherwise are wanted as binary data. */
  binaryOutput: boolean;
}

/**
 * Bytes of an infer request to tensors. Nothing is compared with a model here: names, datatypes and shapes are what
 * the caller says, and floating-point data in binary form may hold NaN. Binary inputs are views of `body`.
 * @param headerLength bytes of the JSON part, from the header `Inference-Header-Content-Length`; undefined without it
 * @throws OipError
 */
export function parseInferRequest(
  body: Uint8Array,
  headerLength?: number,
  limits: OipLimits = OIP_LIMITS,
): InferRequest {
  const reader = new MessageReader(body, headerLength, limits);
  const root = readMembers("request", reader.root, ["id", "parameters", "inputs", "outputs"]);
  const id = root.id === undefined ? undefined : readText("id", root.id);
  const parameters = new Map(readParameters("parameters", root.parameters));
  const binaryOutput = readFlag("parameters", parameters, "binary_data_output") ?? false;
  parameters.delete("binary_data_output");
  const outputs = root.outputs === undefined ? undefined : readOutputs(root.outputs, limits);
  const inputs = readTensors(reader, "inputs", readList("inputs", root.inputs, limits.maxTensors));
  reader.finish();
  return { id, parameters, inputs, outputs, binaryOutput };
}

function readOutputs(value: unknown, limits: OipLimits): RequestedOutput[] | undefined {
  const names = new Set<string>();
  const outputs = readList("outputs", value, limits.maxTensors).map((entry, index) => {
    const where = `outputs[${index}]`;
    const members = readMembers(where, entry, ["name", "parameters"]);
    const name = readText(`${where}.name`, members.name);
    if (names.has(name)) {
      throw new OipError("oip_tensor_duplicate", `${where}: an earlier entry has the same name`);
    }
    names.add(name);
    const parameters = readParameters(`${where}.parameters`, members.parameters);
    return { name, binary: readFlag(`${where}.parameters`, parameters, "binary_data") };
  });
  // The protocol reads an empty list as no list.
  return outputs.length === 0 ? undefined : outputs;
}

/**
 * Tensors to the bytes of an infer request.
 * @param options.binary send inputs as binary data (smaller and faster, and the only form that carries NaN or BYTES
 *   that are not text), and ask for binary outputs where the request does not say otherwise
 * @throws OipError `oip_not_finite`, `oip_not_text` where JSON cannot carry an input
 */
export function encodeInferRequest(
  request: Pick<InferRequest, "inputs"> & Partial<InferRequest>,
  options: { binary?: boolean } = {},
): EncodedMessage {
  const binary = options.binary ?? false;
  const parameters = new Map(request.parameters);
  if (request.binaryOutput ?? binary) parameters.set("binary_data_output", true);
  const members = [`"inputs":[${request.inputs.map((tensor) => tensorText(tensor, binary)).join(",")}]`];
  if (request.id !== undefined) members.unshift(`"id":${JSON.stringify(request.id)}`);
  if (parameters.size > 0) members.push(`"parameters":${parametersText(parameters)}`);
  if (request.outputs !== undefined) {
    members.push(`"outputs":[${request.outputs.map(requestedOutputText).join(",")}]`);
  }
  const json = utf8(`{${members.join(",")}}`);
  return joinMessage(json, binary ? request.inputs.map(({ data }) => data) : undefined);
}

function requestedOutputText({ name, binary }: RequestedOutput): string {
  const parameters = binary === undefined ? "" : `,"parameters":{"binary_data":${binary}}`;
  return `{"name":${JSON.stringify(name)}${parameters}}`;
}
