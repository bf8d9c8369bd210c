/** Where the keyset comes from: stated with its evidence, logged before use, attested. */
import { equal } from "../../codec/index.ts";
import {
  checkpointNonce,
  endorsementsDigest,
  evidenceDigest,
  keysetDigest,
  leafData,
  leafHash,
  parseKeyset,
  recoverSigner,
  ReceiptError,
  statementDigest,
  verifyCheckpoint,
  verifyInclusion,
  type LoggedType,
  type LogProof,
} from "../../receipts/index.ts";
import { StepFailure, type VerificationCode } from "../verification.ts";
import { appraiseFor, gpuClaimValue, gpuIdsOf } from "./appraisal.ts";
import { attestedSource, short, type KeysetContext, type Step } from "./context.ts";

/** Turns a refusal of the receipts' functions into this step's code. */
function refusing<T>(code: VerificationCode, check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (error instanceof ReceiptError) throw new StepFailure(code, error.message);
    throw error;
  }
}

export const keyset: Step<KeysetContext> = {
  name: "keyset",
  run(context) {
    if (!equal(keysetDigest(context.record.keyset), context.keysetDigest)) {
      throw new StepFailure("keyset_digest_mismatch", "the statement names another keyset");
    }
    context.keyset = refusing("keyset_invalid", () => parseKeyset(context.record.keyset));
    return `keyset ${short(context.keysetDigest)}`;
  },
};

/** The `Keyset` statement is about this keyset, this evidence and these endorsements, and its own key signed it. */
export const keysetStatement: Step<KeysetContext> = {
  name: "keyset statement",
  run({ record, keysetDigest: wanted, keyset: document, atMs, clockSkewMs }) {
    const { statement, signature } = record.keysetStatement;
    if (!equal(statement.keysetDigest, wanted)) {
      throw new StepFailure("keyset_statement_mismatch", "the Keyset statement is about another keyset");
    }
    const signer = refusing("keyset_statement_signature_invalid", () =>
      recoverSigner(statementDigest("Keyset", statement), signature),
    );
    if (!equal(signer, document!.receiptAddress)) {
      throw new StepFailure("keyset_statement_signature_invalid", "the Keyset statement has another signer");
    }
    if (!equal(evidenceDigest(record.evidence), statement.evidenceDigest)) {
      throw new StepFailure("evidence_digest_mismatch", "the evidence is not the one that was stated");
    }
    if (!equal(endorsementsDigest(record.endorsements), statement.endorsementsDigest)) {
      throw new StepFailure(
        "endorsements_digest_mismatch",
        "the endorsements are not those that were stated",
      );
    }
    if (BigInt(atMs + clockSkewMs) < statement.notBeforeMs || BigInt(atMs) > statement.notAfterMs) {
      throw new StepFailure(
        "issued_outside_keyset",
        "this is outside the time that was stated for the keyset",
      );
    }
    if (atMs > document!.notAfterSeconds * 1000) {
      throw new StepFailure("keyset_expired", "the keyset has ended");
    }
    return "evidence and endorsements are those stated for the keyset";
  },
};

/** The leaf of a signed statement is where a log proof says. */
function checkProof(
  context: KeysetContext,
  log: LogProof,
  leaf: { type: LoggedType; digest: Uint8Array; signature: Uint8Array },
  code: VerificationCode,
): bigint {
  const { origin, publicKey } = context.keyset!.log;
  if (log.origin !== origin) throw new StepFailure(code, "the proof is of another log than the keyset's");
  const checkpoint = refusing("log_checkpoint_invalid", () =>
    verifyCheckpoint(log.checkpoint, { name: origin, publicKey }),
  );
  const data = leafData(leaf.type, leaf.digest, context.keysetDigest, leaf.signature);
  refusing(code, () =>
    verifyInclusion(leafHash(data), log.leafIndex, checkpoint.size, log.proof, checkpoint.root),
  );
  return checkpoint.size;
}

/** The keyset was in the log, with evidence made over a log head from before it. */
export const keysetLog: Step<KeysetContext> = {
  name: "keyset log",
  run(context) {
    const { keysetLog: log, keysetStatement: stated, evidence: logged } = context.record;
    const digest = statementDigest("Keyset", stated.statement);
    const leaf = { type: "Keyset", digest, signature: stated.signature } as const;
    const size = checkProof(context, log, leaf, "keyset_not_logged");
    const { origin, publicKey } = context.keyset!.log;
    const attested = refusing("attested_checkpoint_invalid", () =>
      verifyCheckpoint(log.attestedCheckpoint, { name: origin, publicKey }),
    );
    if (!equal(checkpointNonce(attested.note.text), logged.nonce)) {
      throw new StepFailure("attested_checkpoint_mismatch", "the evidence was made over another log head");
    }
    if (attested.size > log.leafIndex) {
      throw new StepFailure("attested_checkpoint_mismatch", "the evidence is younger than the keyset's leaf");
    }
    context.claims.push({
      claim: "keyset logged",
      value: `leaf ${log.leafIndex} of ${size}`,
      status: "verified",
      source: "verifier_derived",
    });
    return `leaf ${log.leafIndex} of a log of ${size}, attested over its head of size ${attested.size}`;
  },
};

/** The evidence is genuine, held when the statement was issued, and is for this keyset. */
export const evidence: Step<KeysetContext> = {
  name: "evidence",
  run(context) {
    const { cpu, gpus } = appraiseFor(context, context.record.evidence, new Date(context.atMs));
    context.gpuIds = gpuIdsOf(gpus);
    const source = attestedSource(context);
    const { tcbStatus, codeIdentity, simulated } = cpu;
    context.claims.push(
      {
        claim: "TEE",
        value: simulated ? "SIMULATED" : context.record.evidence.type,
        status: "verified",
        source,
      },
      {
        claim: "TCB status",
        value: tcbStatus ?? "not stated",
        status: tcbStatus ? "verified" : "unchecked",
        source,
      },
      {
        claim: "code identity",
        value: codeIdentity,
        status: codeIdentity === "matched" ? "verified" : "unchecked",
        source,
      },
    );
    if (gpus) context.claims.push({ claim: "GPU", value: gpuClaimValue(gpus), status: "verified", source });
    const isAnySimulated = simulated || gpus?.simulated === true;
    const checks = cpu.transcript.length + (gpus?.transcript.length ?? 0);
    const types = [context.record.evidence.type, ...(gpus ? ["GPU"] : [])].join(" and ");
    return `${types} evidence for the keyset${isAnySimulated ? " (SIMULATED)" : ""}, ${checks} checks`;
  },
};

/** Evidence over the verifier's own nonce, made now: only this shows that the TEE is still there. */
export const freshness: Step<KeysetContext> = {
  name: "freshness",
  run(context) {
    const { fresh, claims } = context;
    if (!fresh) {
      claims.push({
        claim: "fresh",
        value: "no nonce of the verifier's own",
        status: "unchecked",
        source: "verifier_derived",
      });
      return { skipped: "no nonce of the verifier's own" };
    }
    if (!equal(fresh.evidence.nonce, fresh.nonce)) {
      throw new StepFailure("fresh_nonce_mismatch", "the evidence is over another nonce");
    }
    const { gpus } = appraiseFor(context, fresh.evidence, context.now);
    // No statement is about fresh evidence: on its way a GPU could be left out of it, or be another's.
    if (gpuIdsOf(gpus).join() !== context.gpuIds!.join()) {
      throw new StepFailure("gpu_evidence_mismatch", "the fresh evidence is of other GPUs than the keyset's");
    }
    claims.push({
      claim: "fresh",
      value: `over the verifier's nonce${gpus ? `; GPU evidence ${gpus.simulated ? "SIMULATED" : "fresh and genuine"}` : ""}`,
      status: "verified",
      source: attestedSource(context),
    });
    return "evidence over the verifier's nonce";
  },
};

/** The statement's own place in the log, once it has one. */
export const inclusion: Step = {
  name: "inclusion",
  run(context) {
    const { bundle, claims } = context;
    const log = bundle.inclusion;
    if (!log) {
      if (context.requireInclusion)
        throw new StepFailure("inclusion_missing", "the receipt has no inclusion proof yet");
      claims.push({
        claim: "logged",
        value: "no inclusion proof in this receipt",
        status: "unchecked",
        source: "verifier_derived",
      });
      return { skipped: "this receipt has no inclusion proof" };
    }
    const digest = statementDigest(bundle.type, bundle.statement as never);
    const leaf = { type: bundle.type, digest, signature: bundle.signature };
    const size = checkProof(context, log, leaf, "inclusion_invalid");
    if (log.leafIndex <= bundle.keysetLog.leafIndex) {
      throw new StepFailure("keyset_not_logged", "the keyset was logged after this statement");
    }
    claims.push({
      claim: "logged",
      value: `leaf ${log.leafIndex} of ${size}`,
      status: "verified",
      source: "verifier_derived",
    });
    return `leaf ${log.leafIndex} of a log of ${size}`;
  },
};
