/** The tamper matrix of a proof bundle: what is changed, and the code of its refusal. */
import { ed25519 } from "@noble/curves/ed25519.js";
import type { ClientPolicy } from "../client/index.ts";
import { concat, toBase64, toHex, toHex0x, type Json } from "../codec/index.ts";
import { serializeProofBundle, signCircuitBinding } from "../proofs/client.ts";
import { recorded } from "../proofs/testing/recorded.ts";
import { NOT_COMPARED, OUTCOMES, serializePrivatePart } from "../receipts/index.ts";
import { CIRCUIT, OWNER_SECRET, prove, type Changes } from "./proof-fixture.ts";
import { NOW_MS, type Issuer } from "./receipt-fixture.ts";
import type { ProofCase } from "./proof-verdict.ts";
import { replaced } from "./tamper-cases.ts";

const ACCEPTING: ClientPolicy = { allowSimulated: true, circuits: { allowDevelopmentSrs: true } };
const OWNER = toHex(ed25519.getPublicKey(OWNER_SECRET));
const DIGEST = new Uint8Array(32).fill(7);

/** A bundle made whole, in which an issuer or an owner said something else. */
function madeCases(stranger: Issuer): [string, Changes, string][] {
  const vk = recorded("linear").circuit.vkDigest;
  return [
    ["as it was made", {}, "ok"],
    ["a proof asked for later", { late: true }, "ok"],
    ["a late commitment under a later keyset", { late: true, later: stranger }, "ok"],
    [
      "a late commitment to another input",
      { late: { circuitInput: DIGEST.with(0, 0) } },
      "circuit_input_mismatch",
    ],
    ["a late commitment about another receipt", { late: { subject: DIGEST } }, "proof_subject_mismatch"],
    ["a late commitment about another circuit", { late: { circuitId: DIGEST } }, "binding_mismatch"],
    ["a bound that the answer exceeds", { circuit: { bound: 5n } }, "output_bound_exceeded"],
    ["another input scale", { circuit: { inputScale: 7 } }, "circuit_input_mismatch"],
    ["another output scale", { circuit: { outputScale: 7 } }, "output_bound_exceeded"],
    ["a range that the input exceeds", { circuit: { inputRange: 5n } }, "circuit_input_out_of_range"],
    [
      "a shape that the input has not",
      { circuit: { inputs: [{ name: "x", shape: [30] }] } },
      "circuit_shape_mismatch",
    ],
    ["a circuit bound to another model", { circuit: { modelId: DIGEST } }, "binding_mismatch"],
    ["a key that its id does not have", { circuit: { vkDigest: vk } }, "binding_invalid"],
    [
      "a Proof statement about another receipt",
      { proofStatement: { subject: DIGEST } },
      "proof_subject_mismatch",
    ],
    ["… another circuit", { proofStatement: { circuitId: DIGEST } }, "proof_statement_mismatch"],
    ["… other instances", { proofStatement: { instancesDigest: DIGEST } }, "proof_statement_mismatch"],
    ["… another SRS", { proofStatement: { srsDigest: DIGEST } }, "proof_statement_mismatch"],
    ["… another difference", { proofStatement: { difference: 1n } }, "proof_statement_mismatch"],
    [
      "… no difference, which the enclave did not compare",
      { proofStatement: { difference: NOT_COMPARED } },
      "ok",
    ],
    ["… another outcome", { proofStatement: { outcome: OUTCOMES.expired } }, "proof_statement_mismatch"],
  ];
}

function jsonCases(text: string, issuer: Issuer, other: string): [string, string, string][] {
  const { parts } = recorded("breast-cancer");
  const linear = recorded("linear");
  const stranger = signCircuitBinding(CIRCUIT, BigInt(NOW_MS), DIGEST);
  const set = (path: (string | number)[], value: Json) => replaced(text, path, value);
  const document = JSON.parse(text) as { binding: string; instances: string[]; receipt: Json };
  const own = (name: string) => (JSON.parse(other) as Record<string, Json>)[name]!;
  return [
    [
      "32 bytes of junk appended",
      set(["proof"], toBase64(concat(parts.proof, DIGEST))),
      "proof_length_mismatch",
    ],
    [
      "a byte of the proof",
      set(["proof"], toBase64(parts.proof.with(99, parts.proof[99]! ^ 1))),
      "proof_invalid",
    ],
    ["another circuit's proof", set(["proof"], toBase64(linear.parts.proof)), "proof_invalid"],
    [
      "another model's verifying key",
      set(["verifyingKey"], toBase64(linear.parts.verifyingKey)),
      "verifying_key_mismatch",
    ],
    ["other settings", set(["settings"], linear.parts.settings), "settings_mismatch"],
    ["another SRS", set(["srs"], toBase64(linear.parts.srs)), "srs_mismatch"],
    ["another input's commitment", set(["instances", 0], document.instances[1]!), "proof_invalid"],
    ["another output", set(["instances", 1], document.instances[0]!), "proof_invalid"],
    ["an instance above the modulus", set(["instances", 1], `0x${"ff".repeat(32)}`), "instances_invalid"],
    ["pretty public inputs added", set(["prettyPublicInputs"], []), "proof_bundle_invalid"],
    ["another owner's binding", set(["binding"], stranger), "binding_mismatch"],
    [
      "a binding that its owner did not sign",
      set(["binding"], document.binding.replace(OWNER, toHex(issuer.digest))),
      "binding_signature_invalid",
    ],
    ["a binding in other words", set(["binding"], `${document.binding} `), "binding_invalid"],
    ["another receipt", set(["receipt"], own("receipt")), "binding_mismatch"],
    [
      "a receipt with a changed field",
      replaced(text, ["receipt", "statement", "circuitInput"], toHex0x(DIGEST)),
      "circuit_input_mismatch",
    ],
    [
      "the wrong statement as the later commitment",
      set(["circuitCommitment"], own("proofStatement")),
      "proof_bundle_invalid",
    ],
    ["another's Proof statement", set(["proofStatement"], own("proofStatement")), "later_signer_mismatch"],
    ["another format", set(["formatVersion"], 2), "format_version_unknown"],
    ["half of it", text.slice(0, text.length / 2), "proof_bundle_invalid"],
  ];
}

const POLICIES: [string, ClientPolicy, string][] = [
  ["the default policy", {}, "simulated_refused"],
  ["a development SRS that nobody allowed", { allowSimulated: true }, "srs_development_refused"],
  [
    "the owner that is expected",
    { ...ACCEPTING, circuits: { allowDevelopmentSrs: true, owners: [OWNER] } },
    "ok",
  ],
  [
    "another owner than is expected",
    { ...ACCEPTING, circuits: { allowDevelopmentSrs: true, owners: [toHex(DIGEST)] } },
    "circuit_owner_unexpected",
  ],
];

/** @param stranger has other keys */
export function proofCases(issuer: Issuer, stranger: Issuer): ProofCase[] {
  const common = { policy: ACCEPTING, nowMs: NOW_MS };
  const honest = prove(issuer);
  const text = serializeProofBundle(honest.bundle);
  const privatePart = serializePrivatePart(honest.privatePart);
  const other = serializeProofBundle(prove(stranger, { circuit: { bound: 1_000_000_000n } }).bundle);
  const ceremony = { circuits: { srsDigests: [toHex(DIGEST)] }, allowSimulated: true };
  return [
    ...madeCases(stranger).map(([name, changes, code]) => {
      const made = prove(issuer, changes);
      const bundle = serializeProofBundle(made.bundle);
      return { ...common, name, bundle, privatePart: serializePrivatePart(made.privatePart), code };
    }),
    ...jsonCases(text, issuer, other).map(([name, bundle, code]) => ({
      ...common,
      name,
      bundle,
      privatePart,
      code,
    })),
    ...POLICIES.map(([name, policy, code]) => ({ ...common, name, bundle: text, privatePart, policy, code })),
    {
      ...common,
      name: "an SRS that is not trusted",
      bundle: serializeProofBundle(prove(issuer, { circuit: { srs: "ceremony" } }).bundle),
      policy: ceremony,
      code: "srs_untrusted",
    },
    { ...common, name: "without salt and bodies", bundle: text, code: "ok" },
    {
      ...common,
      name: "without a Proof statement",
      bundle: replaced(text, ["proofStatement"], null),
      privatePart,
      code: "ok",
    },
    {
      ...common,
      name: "a late proof without its commitment",
      bundle: replaced(
        serializeProofBundle(prove(issuer, { late: true }).bundle),
        ["circuitCommitment"],
        null,
      ),
      code: "circuit_commitment_missing",
    },
  ];
}
