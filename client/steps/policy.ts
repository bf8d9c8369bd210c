/** The policy under which an answer was made: what it promises beyond the TEE, and that the statement says the same. */
import { equal, fromHex, type Json } from "../../codec/index.ts";
import { FIELD_MODULUS, fromBigEndian } from "../../proofs/client.ts";
import { documentDigest, PROMISED_PROOF, PROMISED_REEXECUTION } from "../../receipts/index.ts";
import { StepFailure, type Claim } from "../verification.ts";
import { attestedSource, type Step } from "./context.ts";
import { readDocument } from "./documents.ts";

/** The last millisecond that a Date can show. */
const MAX_DATE_MS = 8_640_000_000_000_000n;

/** What a policy promises beyond the TEE, and how a statement under it must spell that. */
const ASSURANCES = {
  tee: { promised: 0, value: "TEE alone: no proof, no re-execution" },
  "tee+zk": { promised: PROMISED_PROOF, value: "TEE, with a ZK proof promised" },
  "tee+reexecution": { promised: PROMISED_REEXECUTION, value: "TEE, with a re-execution promised" },
} as const;

function isAssurance(name: unknown): name is keyof typeof ASSURANCES {
  return typeof name === "string" && Object.hasOwn(ASSURANCES, name);
}

export const policy: Step = {
  name: "policy",
  run(context) {
    const { bundle, claims } = context;
    const { policyDigest, promised, promiseDeadlineMs, circuitInput, issuedAtMs } = bundle.statement;
    if (!equal(documentDigest(bundle.policy), policyDigest)) {
      throw new StepFailure("policy_digest_mismatch", "the policy is not the one that was signed");
    }
    const document = readDocument(bundle.policy, "policy_invalid");
    const assurance = document["assurance"];
    if (document["formatVersion"] !== 1 || !isAssurance(assurance)) {
      throw new StepFailure("policy_invalid", "this verifier does not know the policy's assurance");
    }
    const wanted = ASSURANCES[assurance];
    const binding = assurance === "tee+zk" ? readBinding(document["circuitBinding"]) : undefined;
    // A field that says otherwise than the policy is another statement than it seems.
    if (promised !== wanted.promised)
      throw new StepFailure("promised_mismatch", "the statement promises other than its policy");
    if (promised === 0 ? promiseDeadlineMs !== 0n : promiseDeadlineMs <= issuedAtMs) {
      throw new StepFailure("promise_deadline_ms_mismatch", "the deadline does not go with what is promised");
    }
    if (binding) {
      checkCommitment(circuitInput);
      context.boundCircuit = binding;
    } else if (circuitInput.some((byte) => byte !== 0)) {
      throw new StepFailure("circuit_input_mismatch", "a circuit input stands without a proof promised");
    }
    claims.push({
      claim: "assurance",
      value: wanted.value,
      status: "verified",
      source: attestedSource(context),
    });
    if (promised !== 0) claims.push(promiseClaim(promiseDeadlineMs));
    return wanted.value;
  },
};

/** @throws StepFailure `policy_invalid` */
function readBinding(binding: Json | undefined): Uint8Array {
  if (typeof binding !== "string" || !/^0x[0-9a-f]{64}$/.test(binding))
    throw new StepFailure("policy_invalid", "a policy of tee+zk names its circuit binding");
  return fromHex(binding);
}

/** @throws StepFailure `circuit_input_mismatch` */
function checkCommitment(circuitInput: Uint8Array): void {
  const element = fromBigEndian(circuitInput);
  if (element === 0n || element >= FIELD_MODULUS)
    throw new StepFailure("circuit_input_mismatch", "the circuit input is no commitment");
}

/** A promise is not what it promises: that is a statement of its own. */
function promiseClaim(deadlineMs: bigint): Claim {
  const deadline = new Date(Number(deadlineMs > MAX_DATE_MS ? MAX_DATE_MS : deadlineMs)).toISOString();
  const value = `by ${deadline}; whether it was kept, this receipt does not say`;
  return { claim: "promise", value, status: "unchecked", source: "operator_asserted" };
}
