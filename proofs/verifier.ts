/** What checks a proof, and the check. Browser-safe. */
import { equal, sha256, utf8 } from "../codec/index.ts";
import type { Circuit, ProofSystemName } from "./circuit.ts";
import { ProofError } from "./error.ts";
import { readInstances, type Instances } from "./instances.ts";

/** A proof with everything that its verification reads. */
export interface ProofParts {
  /** The circuit's settings, exact text. */
  settings: string;
  verifyingKey: Uint8Array;
  /** The verifying part of the SRS: 388 bytes. */
  srs: Uint8Array;
  proof: Uint8Array;
  /** 32 bytes each, little-endian. */
  instances: readonly Uint8Array[];
}

export interface ProofVerifier {
  readonly system: ProofSystemName;
  /** The cryptography alone: whether the proof is one for these instances under this key. Digests and lengths are not looked at. */
  verify(parts: ProofParts): boolean;
}

const HASHED = { Hashed: { hash_is_public: true, outlets: [] } };

/**
 * That the settings are of the mode that the record claims. Under private parameters a key made of the right weights proves any
 * others too, so that neither the key's digest nor making it again shows anything.
 * @throws ProofError `settings_mismatch`
 */
export function checkModes({ parameters }: Circuit, settings: string): void {
  const wanted = [HASHED, parameters === "fixed" ? "Fixed" : HASHED, "Public"];
  if (JSON.stringify(modesOf(settings)) !== JSON.stringify(wanted))
    throw new ProofError(
      "settings_mismatch",
      "the settings are not hashed input, bound weights, public output",
    );
}

function modesOf(settings: string): unknown[] {
  try {
    const { run_args } = JSON.parse(settings) as { run_args: Record<string, unknown> };
    return [run_args["input_visibility"], run_args["param_visibility"], run_args["output_visibility"]];
  } catch {
    return [];
  }
}

/**
 * That somebody knew an input with instance 0's commitment, on which the circuit gives these outputs. Decides by `proof` and
 * `instances` alone. What the instances are worth, that is whose input this is, is for the caller to compare.
 * @param circuit of a verified binding
 * @throws ProofError `settings_mismatch`, `verifying_key_mismatch`, `srs_mismatch`, `proof_length_mismatch`,
 *   `instances_invalid`, `parameters_mismatch`, `proof_invalid`
 */
export function checkProof(circuit: Circuit, parts: ProofParts, verifier: ProofVerifier): Instances {
  if (!equal(sha256(utf8(parts.settings)), circuit.settingsDigest))
    throw new ProofError("settings_mismatch", "the settings are not the bound circuit's");
  checkModes(circuit, parts.settings);
  if (!equal(sha256(parts.verifyingKey), circuit.vkDigest))
    throw new ProofError("verifying_key_mismatch", "the verifying key is not the bound circuit's");
  if (!equal(sha256(parts.srs), circuit.srsDigest))
    throw new ProofError("srs_mismatch", "the SRS is not the bound circuit's");
  // Halo2 reads as much as it needs: what is appended would go unnoticed.
  if (parts.proof.length !== circuit.proofBytes)
    throw new ProofError("proof_length_mismatch", `a proof of this circuit has ${circuit.proofBytes} bytes`);
  const instances = readInstances(circuit, parts.instances);
  const { parametersHash } = instances;
  if (parametersHash && !equal(parametersHash, circuit.parametersHash!))
    throw new ProofError("parameters_mismatch", "the proof is about other weights than the bound circuit's");
  if (!verifier.verify(parts)) throw new ProofError("proof_invalid", "the proof does not hold");
  return instances;
}
