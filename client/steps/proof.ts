/** The proof that belongs to a receipt: bound by the model's owner, about the statement's own input, with the answer's own output. */
import { equal } from "../../codec/index.ts";
import { parseInferRequest, parseInferResponse } from "../../models/client.ts";
import {
  bindingDigest,
  checkProof,
  circuitSalt,
  commitInput,
  instancesDigest,
  outputDifference,
  verifyCircuitBinding,
  type Circuit,
  type CircuitBinding,
  type Instances,
  type ProofBundle,
  type ProofVerifier,
} from "../../proofs/client.ts";
import {
  NOT_COMPARED,
  OUTCOMES,
  parseReceiptHeader,
  recoverSigner,
  statementDigest,
  type StatementOf,
} from "../../receipts/index.ts";
import type { CircuitPolicy } from "../policy.ts";
import { StepFailure, type Claim } from "../verification.ts";
import { attestedSource, short, type Context, type Step } from "./context.ts";

export interface ProofContext extends Context {
  readonly proof: ProofBundle;
  readonly verifier: ProofVerifier;
  readonly circuitPolicy: CircuitPolicy;
  /** Verifies the keyset of the later statements at that time, and gives its receipt address: 20 bytes. */
  readonly laterSigner: (atMs: bigint) => Uint8Array;
  /** Filled by earlier steps. */
  binding?: CircuitBinding;
  circuitInput?: Uint8Array;
  instances?: Instances;
  /** Of float and circuit output, in units of 10^-9; undefined where this verifier could not compare. */
  difference?: bigint;
}

type ProofStep = Step<ProofContext>;

/** A statement of one type in header form, signed by the receipt's keyset or the later one. */
function readSigned<T extends "CircuitCommitment" | "Proof">(
  context: ProofContext,
  text: string,
  type: T,
): StatementOf<T> {
  const { statement, signature } = parseReceiptHeader(text) as {
    statement: StatementOf<T>;
    signature: Uint8Array;
  };
  const { issuedAtMs, subject } = statement as unknown as Pick<
    StatementOf<"Proof">,
    "issuedAtMs" | "subject"
  >;
  const signer = recoverSigner(statementDigest(type, statement), signature);
  const wanted =
    context.proof.keyset === null ? context.keyset!.receiptAddress : context.laterSigner(issuedAtMs);
  if (!equal(signer, wanted))
    throw new StepFailure(
      "later_signer_mismatch",
      `the ${type} statement has another signer than its keyset`,
    );
  const { bundle } = context;
  if (!equal(subject, statementDigest(bundle.type, bundle.statement as never)))
    throw new StepFailure("proof_subject_mismatch", `the ${type} statement is about another receipt`);
  return statement;
}

export const circuitBinding: ProofStep = {
  name: "circuit binding",
  run(context) {
    const { proof, bundle, boundCircuit, circuitPolicy, claims } = context;
    const binding = verifyCircuitBinding(proof.binding);
    const { circuit, owner } = binding;
    if (bundle.type === "Aborted")
      throw new StepFailure("type_mismatch", "an answer that broke off has no output to prove");
    if (!equal(circuit.modelId, bundle.statement.modelId))
      throw new StepFailure("binding_mismatch", "the circuit is bound to another model");
    if (boundCircuit && !equal(boundCircuit, bindingDigest(proof.binding)))
      throw new StepFailure("binding_mismatch", "the receipt's policy names another circuit binding");
    const { owners } = circuitPolicy;
    if (owners && !owners.some((key) => equal(key, owner)))
      throw new StepFailure(
        "circuit_owner_unexpected",
        "the circuit is bound by another key than the owner's",
      );
    context.binding = binding;
    const value = `${short(circuit.circuitId)}, bound by ${short(owner)}`;
    claims.push(
      owners
        ? { claim: "circuit", value, status: "verified", source: "verifier_derived" }
        : {
            claim: "circuit",
            value: `${value}, whoever that is`,
            status: "asserted",
            source: "operator_asserted",
          },
    );
    return value;
  },
};

export const srs: ProofStep = {
  name: "SRS",
  run({ binding, circuitPolicy, claims }) {
    const { srs: kind, srsDigest } = binding!.circuit;
    const claim = srsClaim(binding!.circuit, circuitPolicy);
    if (kind === "development" && !circuitPolicy.allowDevelopmentSrs)
      throw new StepFailure(
        "srs_development_refused",
        "the SRS is a development one: whoever made it can forge proofs",
      );
    if (circuitPolicy.srsDigests && claim.status !== "verified" && kind !== "development")
      throw new StepFailure("srs_untrusted", "the SRS is not one of those that are trusted");
    claims.push(claim);
    return `${kind} ${short(srsDigest)}`;
  },
};

function srsClaim({ srs: kind, srsDigest }: Circuit, { srsDigests }: CircuitPolicy): Claim {
  const claim = "SRS";
  if (kind === "development")
    return {
      claim,
      value: "DEVELOPMENT: its maker can forge proofs",
      status: "unchecked",
      source: "operator_asserted",
    };
  if (srsDigests?.some((digest) => equal(digest, srsDigest)))
    return { claim, value: short(srsDigest), status: "verified", source: "verifier_derived" };
  const value = `${short(srsDigest)}, of a ceremony by the owner's word`;
  return { claim, value, status: "asserted", source: "operator_asserted" };
}

/** Which commitment the proof must be about: the statement's own, or one that the enclave signed later for its input. */
export const circuitInput: ProofStep = {
  name: "circuit input",
  run(context) {
    const { bundle, proof, binding } = context;
    const own = bundle.statement.circuitInput;
    if (own.some((byte) => byte !== 0)) {
      context.circuitInput = own;
      return "the receipt's own";
    }
    if (proof.circuitCommitment === null)
      throw new StepFailure(
        "circuit_commitment_missing",
        "neither the receipt nor a later statement commits to the circuit's input",
      );
    const commitment = readSigned(context, proof.circuitCommitment, "CircuitCommitment");
    if (!equal(commitment.circuitId, binding!.circuit.circuitId))
      throw new StepFailure("binding_mismatch", "the later commitment is about another circuit");
    context.circuitInput = commitment.circuitInput;
    return "signed later for the receipt's input";
  },
};

/** Decides by proof and instances alone. */
export const proofItself: ProofStep = {
  name: "proof",
  run(context) {
    const { proof, verifier, binding, claims } = context;
    const { circuit } = binding!;
    const instances = checkProof(circuit, proof, verifier);
    if (!equal(instances.circuitInput, context.circuitInput!))
      throw new StepFailure("circuit_input_mismatch", "the proof is about another input than the receipt");
    context.instances = instances;
    const value = `the circuit gives these ${instances.outputs.length} outputs for the committed input`;
    claims.push(
      circuit.srs === "development"
        ? {
            claim: "proof",
            value: `${value}, unless forged`,
            status: "unchecked",
            source: "verifier_derived",
          }
        : { claim: "proof", value, status: "verified", source: "verifier_derived" },
    );
    return `${circuit.system}, ${proof.proof.length} bytes, 2^${circuit.logrows} rows`;
  },
};

/** What only a holder of salt and bodies can say: that both commitments open to one input, and how far the outputs differ. */
export const opening: ProofStep = {
  name: "opening",
  run(context) {
    const { privatePart, binding, claims } = context;
    if (!privatePart) {
      const source = attestedSource(context);
      const value = "rests on the TEE: no salt and bodies at hand";
      claims.push({ claim: "one input for both commitments", value, status: "asserted", source });
      return { skipped: "no salt and bodies at hand" };
    }
    const { circuit } = binding!;
    const { request, response, salt } = privatePart;
    // The receipt's own steps parsed both and compared their digests.
    const { inputs } = parseInferRequest(request.bytes, request.headerLength ?? undefined);
    const { outputs } = parseInferResponse(response.bytes, response.headerLength ?? undefined);
    if (!equal(commitInput(circuit, inputs, circuitSalt(salt)), context.circuitInput!))
      throw new StepFailure("circuit_input_mismatch", "the circuit's input is not the request's");
    const difference = outputDifference(circuit, context.instances!.outputs, outputs);
    if (difference > circuit.bound)
      throw new StepFailure(
        "output_bound_exceeded",
        `the answer differs from the proved output by ${real(difference)}`,
      );
    context.difference = difference;
    const source = "verifier_derived";
    const value = `at most ${real(difference)}, of ${real(circuit.bound)} allowed`;
    claims.push(
      { claim: "one input for both commitments", value: "matches yours", status: "verified", source },
      { claim: "answer against proved output", value, status: "verified", source },
    );
    return `one input for both commitments; the answer differs from the proved output by ${value}`;
  },
};

function real(units: bigint): string {
  return String(Number(units) / 1e9);
}

/** The enclave's own word on the proof: that it was delivered, when, and how far the outputs differ. */
export const proofStatement: ProofStep = {
  name: "proof statement",
  run(context) {
    const { proof, binding, difference, bundle, claims } = context;
    if (proof.proofStatement === null) return { skipped: "no statement says when the proof was delivered" };
    const stated = readSigned(context, proof.proofStatement, "Proof");
    const { circuit } = binding!;
    const agrees =
      equal(stated.circuitId, circuit.circuitId) &&
      equal(stated.srsDigest, circuit.srsDigest) &&
      equal(stated.instancesDigest, instancesDigest(proof.instances)) &&
      stated.outcome === OUTCOMES.delivered &&
      (difference === undefined || [difference, NOT_COMPARED].includes(stated.difference));
    if (!agrees)
      throw new StepFailure("proof_statement_mismatch", "the Proof statement is about another proof");
    if (stated.difference !== NOT_COMPARED && stated.difference > circuit.bound)
      throw new StepFailure("output_bound_exceeded", "the Proof statement's difference is above the bound");
    const source = attestedSource(context);
    if (difference === undefined && stated.difference !== NOT_COMPARED) {
      const value = `at most ${real(stated.difference)}, of ${real(circuit.bound)} allowed`;
      claims.push({ claim: "answer against proved output", value, status: "asserted", source });
    }
    const { promiseDeadlineMs } = bundle.statement;
    const late = promiseDeadlineMs !== 0n && stated.issuedAtMs > promiseDeadlineMs;
    const value = late ? "after the promised time" : promiseDeadlineMs === 0n ? "asked for later" : "in time";
    claims.push({ claim: "proof delivered", value, status: "asserted", source: "operator_asserted" });
    return value;
  },
};

export const PROOF_STEPS: readonly ProofStep[] = [
  circuitBinding,
  srs,
  circuitInput,
  proofItself,
  opening,
  proofStatement,
];
