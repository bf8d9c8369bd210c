/** Whether something that the receipt rests on was revoked, by a list that the verifier was given. */
import { equal } from "../../codec/index.ts";
import {
  ReceiptError,
  REVOCATION_KINDS,
  verifyRevocation,
  type RevocationKind,
} from "../../receipts/index.ts";
import { StepFailure, type Claim } from "../verification.ts";
import type { Context, KeysetContext, Step } from "./context.ts";

type Subjects = Partial<Record<RevocationKind, Uint8Array>>;

/**
 * @param leafIndex where the statement is in the log; undefined where that is not shown: then every revocation holds
 * @throws StepFailure `revoked`, `revocation_invalid`
 */
function check(
  context: KeysetContext,
  subjects: Subjects,
  leafIndex: bigint | undefined,
): string | { skipped: string } {
  const { revocations, keyset, claims } = context;
  if (!revocations) {
    const value = "no list of revocations at hand";
    claims.push({ claim: "not revoked", value, status: "unchecked", source: "operator_asserted" });
    return { skipped: value };
  }
  const log = { name: keyset!.log.origin, publicKey: keyset!.log.publicKey };
  for (const [kind, subject] of Object.entries(subjects) as [RevocationKind, Uint8Array][]) {
    for (const revocation of revocations) {
      const { statement } = revocation;
      if (statement.kind !== REVOCATION_KINDS[kind] || !equal(statement.subject, subject)) continue;
      try {
        verifyRevocation(revocation, log);
      } catch (error) {
        if (error instanceof ReceiptError) throw new StepFailure("revocation_invalid", error.message);
        throw error;
      }
      if (leafIndex === undefined || leafIndex >= statement.fromIndex)
        throw new StepFailure("revoked", `the ${kind} is revoked from leaf ${statement.fromIndex} on`);
    }
  }
  const value = `by none of the ${revocations.length} revocations at hand`;
  claims.push({ claim: "not revoked", value, status: "asserted", source: "operator_asserted" });
  claims.push(...claimsOfList(context.revocationsAskedAt));
  return `${value[0]!.toUpperCase()}${value.slice(1)}`;
}

/** A list shows neither that it is the newest nor that it is whole: both are the word of whoever gave it. */
function claimsOfList(askedAt: Date | undefined): Claim[] {
  const source = "operator_asserted";
  const current: Claim = askedAt
    ? {
        claim: "revocations current",
        value: `as listed when asked at ${askedAt.toISOString()}`,
        status: "asserted",
        source,
      }
    : {
        claim: "revocations current",
        value: "when they were listed is not known",
        status: "unchecked",
        source,
      };
  const value = "not compared with the log's leaves, as a monitor does";
  return [current, { claim: "revocations complete", value, status: "asserted", source }];
}

/** The keyset, before anything is sent to whoever holds it. */
export const keysetRevocation: Step<KeysetContext> = {
  name: "revocation",
  run: (context) => check(context, { keyset: context.keysetDigest }, undefined),
};

/** Keyset, model and policy, as of the statement's place in the log. */
export const revocation: Step<Context> = {
  name: "revocation",
  run(context) {
    const { modelId, policyDigest } = context.bundle.statement;
    const subjects = { keyset: context.keysetDigest, model: modelId, policy: policyDigest };
    return check(context, subjects, context.bundle.inclusion?.leafIndex);
  },
};
