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

/** @throws StepFailure `cosignatures_missing`; ReceiptError `note_signature_invalid` */
export function requireCosigned(
  checkpoint: string,
  { keys, require }: RequiredWitnesses,
  what: string,
): string {
  const found = verifyCosignatures(parseNote(checkpoint), keys).length;
  if (found >= require) return `${found} of ${keys.length} log witnesses`;
  throw new StepFailure(
    "cosignatures_missing",
    `${found} of the ${require} log witnesses that you require cosigned the log head ${what}`,
  );
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
    const found = requireCosigned(record.keysetLog.checkpoint, witnesses, "of the keyset");
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
  run({ witnesses, bundle }) {
    if (!witnesses) return { skipped: "no log witnesses are required" };
    // Whether a receipt may lack its inclusion was decided before.
    if (!bundle.inclusion) return { skipped: "this receipt has no inclusion proof" };
    return `${requireCosigned(bundle.inclusion.checkpoint, witnesses, "of the statement")} cosigned the log head`;
  },
};
