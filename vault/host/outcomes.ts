/** Signs what came of a promise: the word of this image, in which nothing may contradict itself. */
import { NOT_COMPARED, OUTCOMES } from "../../receipts/index.ts";
import { VaultError } from "../error.ts";
import type { ProofFields, ReexecutionFields } from "../wire/assurance.ts";
import type { SignedWords } from "../wire/operations.ts";
import type { Statements } from "./statements.ts";

/** @throws VaultError `statement_invalid`, `keyset_missing`, `keyset_expired` */
export function signProof(statements: Statements, fields: ProofFields): SignedWords {
  const { subject, circuitId, srsDigest, instancesDigest, difference, outcome } = fields;
  const came = outcome === OUTCOMES.delivered;
  const fits = came
    ? !isZero(instancesDigest)
    : outcome === OUTCOMES.expired && isZero(instancesDigest) && difference === NOT_COMPARED;
  if (!fits || [subject, circuitId, srsDigest].some(isZero)) throw new VaultError("statement_invalid");
  return statements.signNow("Proof", (issuedAtMs) => ({ ...fields, issuedAtMs }));
}

/** @throws VaultError `statement_invalid`, `keyset_missing`, `keyset_expired` */
export function signReexecution(statements: Statements, fields: ReexecutionFields): SignedWords {
  const { subject, executionDigest, difference, outcome } = fields;
  const ran = !isZero(executionDigest);
  const fits: Record<number, boolean> = {
    [OUTCOMES.delivered]: ran && difference === 0n,
    [OUTCOMES.disagrees]: ran,
    [OUTCOMES.incomparable]: ran,
    [OUTCOMES.expired]: !ran && difference === NOT_COMPARED,
  };
  if (fits[outcome] !== true || isZero(subject)) throw new VaultError("statement_invalid");
  return statements.signNow("Reexecution", (issuedAtMs) => ({ ...fields, issuedAtMs }));
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}
