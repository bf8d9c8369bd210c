/** Everything that can go wrong between a manifest and a model's answer. Browser-safe. */

export type ModelErrorCode =
  | "manifest_invalid"
  | "manifest_not_canonical"
  | "model_exists"
  | "model_not_found"
  | "model_unavailable"
  | "model_unsigned"
  | "model_signature_malformed"
  | "model_signature_invalid"
  | "model_signer_unknown"
  | "model_files_mismatch"
  | "model_folder_unsignable"
  | "model_key_invalid"
  | "sealed_weights_malformed"
  | "sealed_weights_unreadable"
  | "sealed_folder_invalid"
  | "broker_message_malformed"
  | "model_key_refused"
  | "model_key_unavailable"
  | "weights_missing"
  | "weights_digest_mismatch"
  | "graph_invalid"
  | "graph_mismatch"
  | "input_invalid"
  | "input_name_unknown"
  | "input_missing"
  | "input_duplicate"
  | "input_datatype_mismatch"
  | "input_shape_mismatch"
  | "input_not_finite"
  | "input_too_large"
  | "output_invalid"
  | "output_not_finite"
  | "output_overflow"
  | "output_too_large"
  | "engine_overloaded"
  | "engine_timeout"
  | "engine_crashed"
  | "engine_failed"
  | "engine_provider_unavailable"
  | "engine_provider_missing"
  | "engine_library_missing"
  | "engine_adapter_missing"
  | "engine_operation_unsupported"
  | "engine_provider_failed"
  | "engine_device_lost"
  | "cancelled";

export class ModelError extends Error {
  override readonly name = "ModelError";
  readonly code: ModelErrorCode;
  /** Milliseconds after which the same call may succeed; only with `engine_overloaded` and `model_unavailable`. */
  readonly retryAfterMs: number | undefined;

  constructor(
    code: ModelErrorCode,
    message: string,
    options: { retryAfterMs?: number; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryAfterMs = options.retryAfterMs;
  }
}
