/** A host's refusal, as it crosses to the pool: one byte of code, then a message in UTF-8. */
import { fromUtf8, utf8 } from "../../codec/index.ts";
import { ModelError } from "../errors.ts";

/** What a host may blame; the position is the code on the wire. */
const CODES = [
  "engine_failed",
  "input_invalid",
  "output_invalid",
  "output_too_large",
  "graph_invalid",
  "engine_provider_unavailable",
  "model_unavailable",
  "output_not_finite",
  "engine_provider_missing",
  "engine_library_missing",
  "engine_adapter_missing",
  "engine_operation_unsupported",
  "engine_provider_failed",
  "engine_device_lost",
] as const;
export type HostErrorCode = (typeof CODES)[number];

const MAX_MESSAGE_BYTES = 4096;

export class HostError extends Error {
  override readonly name = "HostError";
  readonly code: HostErrorCode;
  constructor(code: HostErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

export function encodeFailure(error: unknown): Uint8Array {
  const code = error instanceof HostError ? error.code : "engine_failed";
  const message = error instanceof Error ? error.message : "unknown failure";
  return Buffer.concat([Buffer.from([CODES.indexOf(code)]), utf8(message.slice(0, MAX_MESSAGE_BYTES / 4))]);
}

export function decodeFailure(payload: Buffer): ModelError {
  const code = CODES[payload[0] ?? 0] ?? "engine_failed";
  let message = "the engine gave no readable reason";
  try {
    message = fromUtf8(payload.subarray(1, 1 + MAX_MESSAGE_BYTES)) || message;
  } catch {
    // The code is what callers act on.
  }
  return new ModelError(code, message);
}
