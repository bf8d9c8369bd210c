/** Every refusal that dstack evidence alone may meet. */
export type DstackErrorCode =
  | "dstack_malformed"
  | "dstack_platform_unsupported"
  | "dstack_report_data_mismatch"
  | "dstack_event_missing"
  | "dstack_event_duplicate"
  | "dstack_config_mismatch"
  | "dstack_compose_mismatch"
  | "app_id_mismatch"
  | "compose_hash_mismatch"
  | "os_image_hash_mismatch";
