/** What a monitor raises an alarm for: each is a fact about the log, with what shows it. */
export type AlarmCode =
  | "checkpoint_invalid"
  | "rollback"
  | "fork"
  | "tile_mismatch"
  | "leaf_invalid"
  | "leaf_signature_invalid"
  | "keyset_not_logged"
  | "keyset_invalid"
  | "cosignatures_missing"
  | "revocations_invalid"
  | "revocation_not_logged"
  | "revocation_unlisted";

/** The log did what it must not do, or does not show what it must. */
export class LogAlarm extends Error {
  override readonly name = "LogAlarm";
  readonly code: AlarmCode;
  /** The leaf that it is about. */
  readonly leafIndex: bigint | undefined;
  /** Signed notes that show it, for others to check. */
  readonly evidence: string[];
  constructor(
    code: AlarmCode,
    message: string,
    details: { leafIndex?: bigint; evidence?: string[]; cause?: unknown } = {},
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.leafIndex = details.leafIndex;
    this.evidence = details.evidence ?? [];
  }
}
