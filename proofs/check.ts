/** Makes a circuit's verifying key again from weights and settings: whoever does so needs to believe nobody about the circuit. */
import { copyFile, link, mkdtemp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { equal, sha256 } from "../codec/index.ts";
import { ProofError } from "./error.ts";
import { circuitModel } from "./onnx.ts";
import { CIRCUIT_FILES, type StoredCircuit } from "./store.ts";
import type { ModelGraph, OperationOptions, ProofSystem } from "./system.ts";
import { checkModes } from "./verifier.ts";

/**
 * @param modelId of the model, 32 bytes
 * @throws ProofError `binding_mismatch` where the circuit names another model or is made of other weights,
 *   `settings_mismatch` (of a mode that binds no weights), `verifying_key_mismatch`, `prover_*`, `cancelled`
 */
export async function checkCircuit(
  system: ProofSystem,
  stored: StoredCircuit,
  modelId: Uint8Array,
  model: ModelGraph,
  options: OperationOptions = {},
): Promise<void> {
  const { circuit, directory } = stored;
  if (!equal(circuit.modelId, modelId))
    throw new ProofError("binding_mismatch", "the circuit names another model");
  if (!equal(sha256(circuitModel(model.onnx, model.inputs)), circuit.onnxDigest))
    throw new ProofError("binding_mismatch", "the circuit is made of other weights than the model's");
  checkModes(circuit, stored.settings);
  const folder = await mkdtemp(join(directory, ".checking-"));
  try {
    for (const name of [CIRCUIT_FILES.onnx, CIRCUIT_FILES.settings, CIRCUIT_FILES.srs]) {
      const [from, to] = [join(directory, name), join(folder, name)];
      await link(from, to).catch(() => copyFile(from, to));
    }
    await system.recompile(folder, options);
    await system.setup(folder, options);
    if (!equal(sha256(await readFile(join(folder, CIRCUIT_FILES.vk))), circuit.vkDigest))
      throw new ProofError("verifying_key_mismatch", "weights and settings give another verifying key");
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
