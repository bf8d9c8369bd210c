/** The statement: its two spellings agree, and the key of its keyset signed it. */
import { equal } from "../../codec/index.ts";
import { differingMember, recoverSigner, STATEMENT_FIELDS, statementDigest } from "../../receipts/index.ts";
import { fieldCode, StepFailure } from "../verification.ts";
import { attestedSource, short, type Step } from "./context.ts";

/** How far a host's clock and a verifier's may differ. */
export const CLOCK_SKEW_MS = 5 * 60_000;

/** The readable statement repeats the signed one, field by field. */
export const fields: Step = {
  name: "fields",
  run({ bundle }) {
    const member = differingMember(bundle);
    if (member === "type") throw new StepFailure("type_mismatch", "the two spellings are of different types");
    if (member === "signature") {
      throw new StepFailure("signature_mismatch", "the signature is not the one of the answer");
    }
    if (member !== null) throw new StepFailure(fieldCode(member), `${member} is not what was signed`);
    return `${STATEMENT_FIELDS[bundle.type].length} fields agree with the signed words`;
  },
};

export const signature: Step = {
  name: "signature",
  run(context) {
    const { bundle } = context;
    // Refuses with the codes of `recoverSigner`.
    context.signer = recoverSigner(statementDigest(bundle.type, bundle.statement as never), bundle.signature);
    return `signed by ${short(context.signer)}`;
  },
};

export const signer: Step = {
  name: "signer",
  run({ keyset, signer: address }) {
    if (!equal(keyset!.receiptAddress, address!)) {
      throw new StepFailure("signer_not_in_keyset", "the signer is not the keyset's receipt key");
    }
    return "the signer is the keyset's receipt key";
  },
};

/** Whether there is a whole answer. */
export const complete: Step = {
  name: "complete",
  run(context) {
    const aborted = context.bundle.type === "Aborted";
    const value = aborted ? "no: the answer broke off" : "yes";
    context.claims.push({ claim: "complete", value, status: "verified", source: attestedSource(context) });
    return aborted ? "an answer that broke off: no output was signed" : "a whole answer";
  },
};

/** When, on the host's word. */
export const time: Step = {
  name: "time",
  run({ atMs, keyset, now, claims }) {
    if (atMs > now.getTime() + CLOCK_SKEW_MS) {
      throw new StepFailure("issued_in_future", "the statement was issued after the verifier's present");
    }
    if (atMs > keyset!.notAfterSeconds * 1000) {
      throw new StepFailure("keyset_expired", "the statement was issued after its keyset ended");
    }
    const value = new Date(atMs).toISOString();
    claims.push({ claim: "issued at", value, status: "asserted", source: "operator_asserted" });
    return value;
  },
};
