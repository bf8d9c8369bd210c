/** What can be wrong with an Open Inference message, in either direction. */

export type OipErrorCode =
  | "oip_not_json"
  | "oip_too_large"
  | "oip_member_missing"
  | "oip_member_unknown"
  | "oip_member_invalid"
  | "oip_parameter_unsupported"
  | "oip_tensor_duplicate"
  | "oip_datatype_unknown"
  | "oip_datatype_unsupported"
  | "oip_shape_invalid"
  | "oip_data_length_mismatch"
  | "oip_data_type_mismatch"
  | "oip_number_out_of_range"
  | "oip_text_invalid"
  | "oip_header_length_invalid"
  | "oip_binary_size_mismatch"
  | "oip_binary_invalid"
  | "oip_output_unknown"
  | "oip_not_finite"
  | "oip_not_text";

/** Messages name members and positions, never values: they may be logged and shown. */
export class OipError extends Error {
  override readonly name = "OipError";
  readonly code: OipErrorCode;
  constructor(code: OipErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
