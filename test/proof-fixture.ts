/** A receipt that promises a proof, with the recorded proof that belongs to it. */
import { readFileSync } from "node:fs";
import { jcs, toHex0x } from "../codec/index.ts";
import {
  encodeInferRequest,
  encodeInferResponse,
  manifestText,
  modelId,
  parseManifest,
} from "../models/client.ts";
import {
  bindingDigest,
  circuitSalt,
  commitInput,
  instancesDigest,
  outputDifference,
  readInstances,
  signCircuitBinding,
  type Circuit,
  type ProofBundle,
} from "../proofs/client.ts";
import { zooModel } from "../proofs/testing/models.ts";
import { recorded, VECTOR_SALT } from "../proofs/testing/recorded.ts";
import {
  encodeReceiptHeader,
  encodeStatement,
  OUTCOMES,
  PROMISED_PROOF,
  statementDigest,
  type LoggedType,
  type PrivatePart,
  type StatementOf,
} from "../receipts/index.ts";
import { NOW_MS, type Call, type Issuer, type Receipt } from "./receipt-fixture.ts";

export const OWNER_SECRET = new Uint8Array(32).fill(0x0e);
const MANIFEST_TEXT = manifestText(
  parseManifest(readFileSync(new URL("../models/zoo/breast-cancer/manifest.json", import.meta.url), "utf8")),
);
/** The recorded circuit, as an owner binds it to the model as its manifest is now: a proof says nothing of a manifest. */
export const CIRCUIT: Circuit = { ...recorded("breast-cancer").circuit, modelId: modelId(MANIFEST_TEXT) };
const BINDING_MS = BigInt(NOW_MS - 1000);

export interface Proved {
  bundle: ProofBundle;
  privatePart: PrivatePart;
}

function headerOf<T extends LoggedType>(issuer: Issuer, type: T, statement: StatementOf<T>): string {
  return encodeReceiptHeader({
    type,
    words: encodeStatement(type, statement),
    signature: issuer.sign(type, statement),
  });
}

/** What was asked and answered. */
function call(): Call {
  const [sample] = zooModel("breast-cancer").samples;
  const request = encodeInferRequest({ inputs: sample!.inputs }, { binary: false });
  const response = encodeInferResponse(
    { modelName: "breast-cancer", modelVersion: "1.0.0", outputs: sample!.outputs },
    { outputs: undefined, binaryOutput: false },
  );
  const bodyOf = ({ body, contentType, headerLength }: typeof request) => ({
    bytes: body,
    contentType,
    headerLength: headerLength ?? null,
  });
  return {
    salt: VECTOR_SALT,
    manifest: MANIFEST_TEXT,
    request: bodyOf(request),
    response: bodyOf(response),
    included: true,
  };
}

export interface Changes {
  /** What the owner signed instead. */
  circuit?: Partial<Circuit>;
  /** The receipt promised nothing; the enclave signed a commitment later. */
  late?: Partial<StatementOf<"CircuitCommitment">> | true;
  proofStatement?: Partial<StatementOf<"Proof">>;
  /** Who signs what came later, where it is not the receipt's keyset. */
  later?: Issuer;
}

export function prove(issuer: Issuer, changes: Changes = {}): Proved {
  const { parts } = recorded("breast-cancer");
  const circuit = { ...CIRCUIT, ...changes.circuit };
  const binding = signCircuitBinding(circuit, BINDING_MS, OWNER_SECRET);
  const [sample] = zooModel("breast-cancer").samples;
  const circuitInput = commitInput(CIRCUIT, sample!.inputs, circuitSalt(VECTOR_SALT));
  const receipt: Receipt = changes.late
    ? issuer.issue({}, call())
    : issuer.issue(
        { circuitInput, promised: PROMISED_PROOF, promiseDeadlineMs: BigInt(NOW_MS + 60_000) },
        {
          ...call(),
          policy: jcs({
            formatVersion: 1,
            assurance: "tee+zk",
            circuitBinding: toHex0x(bindingDigest(binding)),
          }),
        },
      );
  const later = changes.later ?? issuer;
  const common = {
    subject: statementDigest("InferenceStatement", receipt.bundle.statement),
    circuitId: circuit.circuitId,
    issuedAtMs: BigInt(NOW_MS),
  };
  const proofStatement = {
    ...common,
    instancesDigest: instancesDigest(parts.instances),
    srsDigest: circuit.srsDigest,
    difference: outputDifference(circuit, readInstances(CIRCUIT, parts.instances).outputs, sample!.outputs),
    outcome: OUTCOMES.delivered,
    ...changes.proofStatement,
  };
  const commitment = { ...common, circuitInput, ...(changes.late === true ? {} : changes.late) };
  const bundle: ProofBundle = {
    receipt: receipt.bundle,
    binding,
    ...parts,
    circuitCommitment: changes.late ? headerOf(later, "CircuitCommitment", commitment) : null,
    proofStatement: headerOf(later, "Proof", proofStatement),
    keyset: changes.later ? later.record : null,
  };
  return { bundle, privatePart: receipt.privatePart };
}
