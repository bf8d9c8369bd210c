/** Infer responses of the Open Inference Protocol v2 with the binary tensor data extension. */
import { utf8 } from "../../codec/index.ts";
import type { Tensor } from "../../receipts/index.ts";
import { OipError } from "./errors.ts";
import {
  OIP_LIMITS,
  joinMessage,
  MessageReader,
  parametersText,
  readList,
  readMembers,
  readParameters,
  readTensors,
  readText,
  tensorText,
} from "./message.ts";
import type { EncodedMessage, OipLimits, Parameters } from "./message.ts";
import type { InferRequest } from "./request.ts";

export interface InferResponse {
  modelName: string;
  modelVersion: string | undefined;
  id: string | undefined;
  parameters: Parameters;
  outputs: Tensor[];
}

/**
 * A model's outputs to the bytes of the response that `request` asked for: its outputs in its order (all of them, in
 * the model's, where it names none), each as JSON or binary data as it asked.
 * @throws OipError `oip_output_unknown`; `oip_not_finite`, `oip_not_text` where JSON cannot carry an output
 */
export function encodeInferResponse(
  response: Pick<InferResponse, "modelName" | "outputs"> & Partial<InferResponse>,
  request: Pick<InferRequest, "outputs" | "binaryOutput">,
): EncodedMessage {
  const texts: string[] = [];
  const binary: Uint8Array[] = [];
  for (const { tensor, inBinary } of selectOutputs(response.outputs, request)) {
    texts.push(tensorText(tensor, inBinary));
    if (inBinary) binary.push(tensor.data);
  }
  const members = [`"model_name":${JSON.stringify(response.modelName)}`];
  if (response.modelVersion !== undefined) {
    members.push(`"model_version":${JSON.stringify(response.modelVersion)}`);
  }
  if (response.id !== undefined) members.push(`"id":${JSON.stringify(response.id)}`);
  if (response.parameters !== undefined && response.parameters.size > 0) {
    members.push(`"parameters":${parametersText(response.parameters)}`);
  }
  members.push(`"outputs":[${texts.join(",")}]`);
  return joinMessage(utf8(`{${members.join(",")}}`), binary.length > 0 ? binary : undefined);
}

/**
 * Which outputs a request wants and in which form; ask before running a model.
 * @throws OipError `oip_output_unknown`
 */
export function selectOutputs<T extends { name: string }>(
  outputs: readonly T[],
  request: Pick<InferRequest, "outputs" | "binaryOutput">,
): { tensor: T; inBinary: boolean }[] {
  if (request.outputs === undefined) {
    return outputs.map((tensor) => ({ tensor, inBinary: request.binaryOutput }));
  }
  return request.outputs.map(({ name, binary }) => {
    const tensor = outputs.find((output) => output.name === name);
    if (tensor === undefined) {
      const shown = JSON.stringify(name.slice(0, 64));
      throw new OipError("oip_output_unknown", `the model has no output ${shown}`);
    }
    return { tensor, inBinary: binary ?? request.binaryOutput };
  });
}

/**
 * Bytes of an infer response to tensors; nothing it says is trusted or compared with the request. Binary outputs are
 * views of `body`.
 * @param headerLength bytes of the JSON part, from the header `Inference-Header-Content-Length`; undefined without it
 * @throws OipError
 */
export function parseInferResponse(
  body: Uint8Array,
  headerLength?: number,
  limits: OipLimits = OIP_LIMITS,
): InferResponse {
  const reader = new MessageReader(body, headerLength, limits);
  const members = ["model_name", "model_version", "id", "parameters", "outputs"];
  const root = readMembers("response", reader.root, members);
  const modelName = readText("model_name", root.model_name);
  const modelVersion =
    root.model_version === undefined ? undefined : readText("model_version", root.model_version);
  const id = root.id === undefined ? undefined : readText("id", root.id);
  const parameters = readParameters("parameters", root.parameters);
  const outputs = readTensors(reader, "outputs", readList("outputs", root.outputs, limits.maxTensors));
  reader.finish();
  return { modelName, modelVersion, id, parameters, outputs };
}
