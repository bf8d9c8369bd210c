/** Whose fault an error of ONNX Runtime is, by the only thing that it gives: its text. */
import type { HostErrorCode } from "./failure.ts";

const NO_FALLBACK = "fallback to CPU EP has been explicitly disabled";

/** Whether the graph has operations that the provider lacks, and none of them may run on the CPU. */
export function leavesOperations(message: string): boolean {
  return message.includes(NO_FALLBACK);
}

/** CUDA errors after which a context is of no use: ECC, NVLink, illegal access, launch failure, lost device. */
const CUDA_LOST = /(CUDA|CUDNN|CUBLAS)\D{0,40}\b(214|220|226|700|702|709|71[0-9]|721|999)\b/;
const LOST = /device (is |was )?lost|VK_ERROR_DEVICE_LOST|DXGI_ERROR_DEVICE_(REMOVED|HUNG|RESET)/i;
const UNSUPPORTED =
  /not (yet )?supported|unsupported|\bonly\b.{1,80}\bsupported|not (yet )?implemented|NOT_IMPLEMENTED/i;
const PROVIDER =
  /WebGPU (validation|device|internal)|VK_ERROR_|(CUDA|CUDNN|CUBLAS|CUFFT|CURAND)( failure|_STATUS| error)|webgpu_context\.cc|buffer_manager\.cc|bfc_arena\.cc|out of memory|cudnn.{0,20}(not|fail)/i;

/** Where a run's error is the provider's or its device's, which of the two; undefined for the model's or the input's. */
export function runFault(message: string): "engine_provider_failed" | "engine_device_lost" | undefined {
  if (LOST.test(message) || CUDA_LOST.test(message)) return "engine_device_lost";
  return PROVIDER.test(message) || UNSUPPORTED.test(message) ? "engine_provider_failed" : undefined;
}

const CREATION: readonly (readonly [RegExp, HostErrorCode])[] = [
  [/backend not found|not supported in this build|is not supported on this/i, "engine_provider_missing"],
  [/No supported adapters|Failed to get a WebGPU adapter|no CUDA-capable device/i, "engine_adapter_missing"],
  [/load shared library|cannot open shared object|Failed to load library/i, "engine_library_missing"],
  [
    /protobuf|INVALID_GRAPH|Invalid Graph|invalid model|not a registered function|Opset|ir_version/i,
    "graph_invalid",
  ],
];

/** What was wrong where a session on a provider other than the CPU could not be made. */
export function creationFault(message: string): HostErrorCode {
  const known = CREATION.find(([pattern]) => pattern.test(message));
  return known?.[1] ?? runFault(message) ?? "engine_provider_failed";
}
