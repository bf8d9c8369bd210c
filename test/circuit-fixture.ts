/** A circuit's record on paper, with a binding that its owner signed: what needs no prover. */
import { ed25519 } from "@noble/curves/ed25519.js";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { sha256, toHex, utf8 } from "../codec/index.ts";
import { circuitId, circuitToJson, signCircuitBinding, type Circuit } from "../proofs/client.ts";

export const OWNER_SECRET = new Uint8Array(32).fill(41);
export const OWNER = ed25519.getPublicKey(OWNER_SECRET);

/** Takes `x`, FP32 of the shape, and gives `y`. */
export function fixtureCircuit(modelId: Uint8Array, shape: number[], over: Partial<Circuit> = {}): Circuit {
  const parts = {
    onnxDigest: sha256(utf8("onnx")),
    settingsDigest: sha256(utf8("settings")),
    vkDigest: sha256(utf8("vk")),
    srsDigest: sha256(utf8("srs")),
    ...over,
  };
  return {
    system: "ezkl/21.0.0",
    modelId,
    srs: "development",
    parameters: "fixed",
    parametersHash: null,
    inputs: [{ name: "x", shape }],
    outputs: [{ name: "y", shape: [1] }],
    inputScale: 7,
    outputScale: 14,
    bound: 1_000_000n,
    inputRange: 65_536n,
    logrows: 12,
    rows: 4000,
    proofBytes: 4416,
    ...over,
    ...parts,
    circuitId: circuitId(parts),
  };
}

export function bindingOf(circuit: Circuit, secret: Uint8Array = OWNER_SECRET): string {
  return signCircuitBinding(circuit, 1_700_000_000_000n, secret);
}

/**
 * A folder that loads as a circuit of the model, bound by the fixture's owner, and proves nothing: what a service can do with a
 * circuit before anything is proved.
 */
export function writePaperCircuit(directory: string, modelId: Uint8Array, shape: number[]): void {
  // An SRS of one row, all zero: its verifying part is the same bytes.
  const srs = new Uint8Array(4 + 2 * 64 + 256);
  const circuit = fixtureCircuit(modelId, shape, { srsDigest: sha256(srs) });
  const folder = join(directory, toHex(circuit.circuitId));
  mkdirSync(folder, { recursive: true });
  const files = { "model.onnx": "onnx", "settings.json": "settings", vk: "vk", "kzg.srs": srs };
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  writeFileSync(join(folder, "circuit.json"), JSON.stringify(circuitToJson(circuit)));
  writeFileSync(join(folder, "binding.json"), bindingOf(circuit));
}
