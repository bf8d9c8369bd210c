/** Open Inference Protocol v2 (KServe): infer requests and responses, in JSON and with binary tensor data. Browser-safe. */
export { frameBytes, splitBytes } from "./binary.ts";
export { OipError } from "./errors.ts";
export type { OipErrorCode } from "./errors.ts";
export { OIP_LIMITS } from "./message.ts";
export type { EncodedMessage, OipLimits, Parameters, ParameterValue } from "./message.ts";
export { encodeInferRequest, parseInferRequest } from "./request.ts";
export type { InferRequest, RequestedOutput } from "./request.ts";
export { encodeInferResponse, parseInferResponse, selectOutputs } from "./response.ts";
export type { InferResponse } from "./response.ts";
