/** Every refusal that a measured-boot event log may meet. */
export type EventLogErrorCode =
  | "event_log_malformed"
  | "event_log_replay_mismatch"
  | "event_log_payload_mismatch"
  | "event_log_unsupported";
