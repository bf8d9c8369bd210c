export type ProcessingErrorCode =
  | "processing_absent"
  | "raw_invalid"
  | "raw_too_large"
  | "raw_kind_mismatch"
  | "feature_missing"
  | "feature_unknown"
  | "feature_invalid"
  | "image_invalid"
  | "image_too_large"
  | "image_too_wide"
  | "audio_invalid"
  | "audio_too_long"
  | "audio_rate_mismatch"
  | "audio_not_mono"
  | "frame_out_of_range"
  | "carry_invalid"
  | "step_invalid"
  | "shape_mismatch"
  | "value_not_finite"
  | "value_out_of_range"
  | "output_missing"
  | "output_invalid"
  | "asset_missing"
  | "asset_digest_mismatch"
  | "asset_invalid";

/** What went wrong between a raw file and a model's tensors, or between its tensors and a readable line. */
export class ProcessingError extends Error {
  readonly code: ProcessingErrorCode;

  constructor(code: ProcessingErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "ProcessingError";
    this.code = code;
  }
}
