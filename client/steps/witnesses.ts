/** Whether everyone is shown one log: only log witnesses can say so, and only those that the verifier chose count. */
import { AttestationError } from "../../attestation/index.ts";
import { toHex } from "../../codec/index.ts";
import {
  NOTE_TYPE_COSIGNATURE,
  parseNote,
  parseVerifierKey,
  ReceiptError,
  verifyCosignatures,
  type NoteKey,
} from "../../receipts/index.ts";
import type { WitnessPolicy } from "../policy.ts";
import { StepFailure } from "../verification.ts";
import type { Context, KeysetContext, Step } from "./context.ts";
import { CLOCK_SKEW_MS } from "./statement.ts";

/** The end of year 9999. */
const LATEST_DATE_SECONDS = 253_402_300_800n;

export interface RequiredWitnesses {
  keys: NoteKey[];
  require: number;
}

/** @throws AttestationError `policy_malformed` */
export function requiredWitnesses(policy: WitnessPolicy | undefined): RequiredWitnesses | undefined {
  if (!policy) return undefined;
  const { verifierKeys, require } = policy;
  const keys = verifierKeys.map(readKey);
  // One key under two names would count for two witnesses.
  const distinct = new Set(keys.map(({ publicKey }) => toHex(publicKey))).size;
  if (distinct !== keys.length || !Number.isInteger(require) || require < 1 || require > keys.length) {
    throw new AttestationError(
      "policy_malformed",
      "witnesses: different keys, of which 1 to all are required",
    );
  }
  return { keys, require };
}

function readKey(text: string): NoteKey {
  try {
    return parseVerifierKey(text, NOTE_TYPE_COSIGNATURE);
  } catch (cause) {
    if (!(cause instanceof ReceiptError)) throw cause;
    throw new AttestationError("policy_malformed", `witnesses: ${cause.message}`, { cause });
  }
}

/**
 * Enough witnesses cosigned the log head, and none of these before what is under it says that it came to be: a
 * host's clock may run behind unseen, but not ahead of theirs.
 * @param stated Unix time in milliseconds
 * @returns when, in Unix seconds, enough of them had seen it
 * @throws StepFailure `cosignatures_missing`, `issued_after_log`; ReceiptError `note_signature_invalid`
 */
export function requireCosigned(
  checkpoint: string,
  { keys, require }: RequiredWitnesses,
  what: string,
  statedMs: bigint,
): { found: string; seenSeconds: bigint } {
  const cosignatures = verifyCosignatures(parseNote(checkpoint), keys);
  if (cosignatures.length < require) {
    throw new StepFailure(
      "cosignatures_missing",
      `${cosignatures.length} of the ${require} log witnesses that you require cosigned the log head ${what}`,
    );
  }
  const leastSeconds = (statedMs - BigInt(CLOCK_SKEW_MS)) / 1000n;
  const after = cosignatures.map((each) => each.timestampSeconds).filter((time) => time >= leastSeconds);
  if (after.length < require) {
    throw new StepFailure("issued_after_log", `log witnesses saw the log head ${what} before its own time`);
  }
  const seenSeconds = after.toSorted((a, b) => (a < b ? -1 : 1))[require - 1]!;
  return { found: `${after.length} of ${keys.length} log witnesses`, seenSeconds };
}

/** A witness may write any time. */
function asDate(seconds: bigint): string {
  return seconds < LATEST_DATE_SECONDS ? new Date(Number(seconds) * 1000).toISOString() : `${seconds} s`;
}

/** The log head under which the keyset is. */
export const keysetWitnesses: Step<KeysetContext> = {
  name: "keyset witnesses",
  run({ witnesses, record, claims }) {
    if (!witnesses) {
      const value = "no log witnesses were asked for: that everyone sees the same log is the operator's word";
      claims.push({ claim: "one log", value, status: "asserted", source: "operator_asserted" });
      return { skipped: "no log witnesses are required" };
    }
    const { notBeforeMs } = record.keysetStatement.statement;
    const { found } = requireCosigned(record.keysetLog.checkpoint, witnesses, "of the keyset", notBeforeMs);
    claims.push({
      claim: "one log",
      value: `${found} cosigned`,
      status: "verified",
      source: "verifier_derived",
    });
    return `${found} cosigned the log head of the keyset`;
  },
};

/** The log head under which the statement is. */
export const inclusionWitnesses: Step<Context> = {
  name: "inclusion witnesses",
  run({ witnesses, bundle, claims }) {
    if (!witnesses) return { skipped: "no log witnesses are required" };
    // Whether a receipt may lack its inclusion was decided before.
    if (!bundle.inclusion) return { skipped: "this receipt has no inclusion proof" };
    const { issuedAtMs } = bundle.statement;
    const { checkpoint } = bundle.inclusion;
    const { found, seenSeconds } = requireCosigned(checkpoint, witnesses, "of the statement", issuedAtMs);
    const value = `no later than ${asDate(seenSeconds)}`;
    claims.push({ claim: "issued", value, status: "verified", source: "verifier_derived" });
    return `${found} cosigned the log head`;
  },
};
