import { ed25519 } from "@noble/curves/ed25519.js";
import { beforeAll, describe, expect, it } from "vitest";
import { sha256, toHex, utf8 } from "../codec/index.ts";
import { circuitSalt, commitInput, type Circuit } from "../proofs/client.ts";
import {
  canonicalTensors,
  decodeStatement,
  EMPTY_ROOT,
  inputCommitment,
  leafData,
  leafHash,
  nodeHash,
  NOT_COMPARED,
  OUTCOMES,
  recoverSigner,
  wordsDigest,
  type Tensor,
} from "../receipts/index.ts";
import { bindingOf, fixtureCircuit, OWNER } from "../test/circuit-fixture.ts";
import type { OpenedInput, Vault } from "./index.ts";
import { draw, inference, install, start } from "./vault.test-support.ts";

const refusal = (code: string) => expect.objectContaining({ name: "VaultError", code });
const digest = (byte: number) => new Uint8Array(32).fill(byte);
const zero = digest(0);

const manifest = '{"name":"paper"}';
const circuit = fixtureCircuit(sha256(utf8(manifest)), [1, 3]);
const document = bindingOf(circuit);
const values = (data: number[], shape = [1, data.length]): Tensor[] => [
  { name: "x", datatype: "FP32", shape, data: new Uint8Array(Float32Array.from(data).buffer) },
];
const salt = digest(77);
const tensors = values([0.5, -1, 2]);
const input = canonicalTensors(tensors);

let vault: Vault;
beforeAll(async () => {
  vault = await start(undefined, [], { owner: OWNER });
  await install(vault);
});

describe("a circuit binding", () => {
  it("is signed where its owner signed it", async () => {
    const signed = await vault.signCircuitBinding({ document, manifest });
    expect(recoverSigner(signed.digest, signed.signature)).toEqual(vault.info.receiptAddress);
    expect(decodeStatement("CircuitBinding", signed.words)).toMatchObject({
      modelId: circuit.modelId,
      circuitId: circuit.circuitId,
      bound: circuit.bound,
      documentDigest: sha256(utf8(document)),
    });
  });

  it("is signed by the owner that the manifest names, and by no other then", async () => {
    const secret = digest(5);
    const named = `{"name":"paper","owner":"${toHex(ed25519.getPublicKey(secret))}"}`;
    const theirs = fixtureCircuit(sha256(utf8(named)), [1, 3]);
    await vault.signCircuitBinding({ document: bindingOf(theirs, secret), manifest: named });
    await expect(vault.signCircuitBinding({ document: bindingOf(theirs), manifest: named })).rejects.toThrow(
      refusal("owner_unknown"),
    );
  });

  it("is nobody's where no owner was told", async () => {
    const other = await start();
    await install(other);
    await expect(other.signCircuitBinding({ document, manifest })).rejects.toThrow(refusal("owner_unknown"));
  });

  it.each([
    ["another key's", { document: bindingOf(circuit, digest(6)) }, "owner_unknown"],
    ["another manifest's", { manifest: '{"name":"other"}' }, "document_invalid"],
    ["changed", { document: document.replace('"bound":"1', '"bound":"2') }, "document_invalid"],
    ["no document", { document: "{}" }, "document_invalid"],
  ])("that is %s is refused", async (_, change, code) => {
    await expect(vault.signCircuitBinding({ document, manifest, ...change })).rejects.toThrow(refusal(code));
  });
});

type Opening = Pick<OpenedInput, "words" | "leaf" | "leafIndex" | "note" | "inclusionProof">;

/** A log of two statements: over the input, and over the same input of another model. */
async function logTwo(): Promise<Opening[]> {
  const committed = { modelId: circuit.modelId, inputCommitment: inputCommitment(salt, input) };
  const tickets = await draw(vault, 2);
  const signed = [
    await vault.signInference({ ...inference(tickets[0]!), ...committed }),
    await vault.signInference({ ...inference(tickets[1]!), ...committed, modelId: digest(1) }),
  ];
  const leaves = signed.map(({ digest: subject, keysetDigest, signature }) =>
    leafData("InferenceStatement", subject, keysetDigest, signature),
  );
  const [first, second] = leaves.map((leaf) => leafHash(leaf));
  const root = nodeHash(first!, second!);
  await vault.signCheckpoint({ size: 0n, root: EMPTY_ROOT, consistencyProof: [] });
  const { note } = await vault.signCheckpoint({ size: 2n, root, previousSize: 0n, consistencyProof: [] });
  return signed.map(({ words }, i) => ({
    words,
    leaf: leaves[i]!,
    leafIndex: BigInt(i),
    note,
    inclusionProof: [i === 0 ? second! : first!],
  }));
}

/** The owner's word for the same model's circuit, in which something differs. */
const other = (over: Partial<Circuit>) => bindingOf(fixtureCircuit(circuit.modelId, [1, 3], over));

describe("a circuit's commitment to a logged input", () => {
  let request: OpenedInput;
  let ofOtherModel: OpenedInput;
  beforeAll(async () => {
    const [first, second] = await logTwo();
    request = { document, manifest, input, salt, ...first! };
    ofOtherModel = { ...request, ...second! };
  });

  it("is computed by the vault from what opens the statement", async () => {
    const commitment = await vault.signCircuitCommitment(request);
    expect(decodeStatement("CircuitCommitment", commitment.words)).toMatchObject({
      subject: wordsDigest("InferenceStatement", request.words),
      circuitId: circuit.circuitId,
      circuitInput: commitInput(circuit, tensors, circuitSalt(salt)),
    });
  });

  it.each<[string, () => Partial<OpenedInput>, string]>([
    ["another salt", () => ({ salt: digest(78) }), "opening_mismatch"],
    ["another input", () => ({ input: canonicalTensors(values([0.5, -1, 2.5])) }), "opening_mismatch"],
    ["another owner", () => ({ document: bindingOf(circuit, digest(6)) }), "owner_unknown"],
    ["other words", () => ({ words: new Uint8Array(request.words.length) }), "statement_invalid"],
    ["words of another type", () => ({ words: new Uint8Array(32) }), "statement_invalid"],
    ["another model's statement", () => ofOtherModel, "statement_invalid"],
    ["another place in the log", () => ({ leafIndex: 1n }), "leaf_not_included"],
    ["another leaf", () => ({ leaf: request.leaf.with(5, request.leaf[5]! ^ 1) }), "leaf_not_included"],
    ["another log", () => ({ note: request.note.replace("log.example", "log.other") }), "checkpoint_foreign"],
    [
      "an input beyond the circuit's range",
      () => ({ document: other({ inputRange: 10n }) }),
      "circuit_input_invalid",
    ],
    [
      "a circuit that would hold everything up",
      () => ({ document: other({ inputs: [{ name: "x", shape: [1025] }] }) }),
      "circuit_input_invalid",
    ],
  ])("is not signed for %s", async (_, change, code) => {
    await expect(vault.signCircuitCommitment({ ...request, ...change() })).rejects.toThrow(refusal(code));
  });
});

describe("what came of a promise", () => {
  const proof = {
    subject: digest(1),
    circuitId: digest(2),
    instancesDigest: digest(3),
    srsDigest: digest(4),
  };
  const rerun = { subject: digest(1), executionDigest: digest(2), tolerance: 0n };
  const { delivered, disagrees, incomparable, expired } = OUTCOMES;

  it("is signed with the vault's time", async () => {
    const before = BigInt(Date.now());
    const fields = { ...proof, difference: 5n, outcome: delivered };
    const signed = decodeStatement("Proof", (await vault.signProof(fields)).words);
    expect(signed).toMatchObject(fields);
    expect(signed.issuedAtMs).toBeGreaterThanOrEqual(before);
    const missed = { ...proof, instancesDigest: zero, difference: NOT_COMPARED, outcome: expired };
    expect(decodeStatement("Proof", (await vault.signProof(missed)).words)).toMatchObject(missed);
  });

  it.each([
    { ...proof, difference: 5n, outcome: expired },
    { ...proof, instancesDigest: zero, difference: 5n, outcome: expired },
    { ...proof, instancesDigest: zero, difference: 5n, outcome: delivered },
    { ...proof, difference: 5n, outcome: disagrees },
    { ...proof, difference: 5n, outcome: 0 },
    { ...proof, subject: zero, difference: 5n, outcome: delivered },
    { ...proof, circuitId: zero, difference: 5n, outcome: delivered },
    { ...proof, srsDigest: zero, difference: 5n, outcome: delivered },
  ])("a proof that contradicts itself is refused %#", async (fields) => {
    await expect(vault.signProof(fields)).rejects.toThrow(refusal("statement_invalid"));
  });

  it.each([
    { ...rerun, difference: 0n, outcome: delivered },
    { ...rerun, difference: 1n, outcome: disagrees },
    { ...rerun, difference: NOT_COMPARED, outcome: incomparable },
    { ...rerun, executionDigest: zero, difference: NOT_COMPARED, outcome: expired },
  ])("a re-execution is signed %#", async (fields) => {
    const { words } = await vault.signReexecution(fields);
    expect(decodeStatement("Reexecution", words)).toMatchObject(fields);
  });

  it.each([
    { ...rerun, difference: 1n, outcome: delivered },
    { ...rerun, executionDigest: zero, difference: 0n, outcome: delivered },
    { ...rerun, executionDigest: zero, difference: 1n, outcome: disagrees },
    { ...rerun, difference: NOT_COMPARED, outcome: expired },
    { ...rerun, subject: zero, difference: 0n, outcome: delivered },
    { ...rerun, difference: 0n, outcome: 5 },
  ])("a re-execution that contradicts itself is refused %#", async (fields) => {
    await expect(vault.signReexecution(fields)).rejects.toThrow(refusal("statement_invalid"));
  });
});
