import { beforeAll, describe, expect, it } from "vitest";
import { concat, sha256, toHex, utf8 } from "../codec/index.ts";
import type { Circuit } from "./circuit.ts";
import { circuitSalt, commitInput } from "./commit.ts";
import { ProofError } from "./error.ts";
import { toLittleEndian, FIELD_MODULUS, fromLittleEndian } from "./field.ts";
import { outputDifference } from "./instances.ts";
import { linearModel, zooModel } from "./testing/models.ts";
import { recorded, VECTOR_SALT } from "./testing/recorded.ts";
import { checkProof, type ProofParts, type ProofVerifier } from "./verifier.ts";
import { loadProofVerifier } from "#ezkl";

let verifier: ProofVerifier;
beforeAll(async () => {
  verifier = await loadProofVerifier();
});

const fixed = recorded("breast-cancer");
const hashed = recorded("linear");
const MODELS = { "breast-cancer": zooModel("breast-cancer"), linear: linearModel() };

function verdict(circuit: Circuit, parts: ProofParts): string {
  try {
    checkProof(circuit, parts, verifier);
    return "ok";
  } catch (error) {
    if (!(error instanceof ProofError)) throw error;
    return error.code;
  }
}

function flipped(bytes: Uint8Array, at = bytes.length >> 1): Uint8Array {
  const changed = bytes.slice();
  changed[at]! ^= 1;
  return changed;
}

describe("a proof", () => {
  it.each(["breast-cancer", "linear"] as const)(
    "of %s holds for its input, its weights and its output",
    (name) => {
      const { circuit, parts } = recorded(name);
      const { circuitInput, outputs } = checkProof(circuit, parts, verifier);
      const [sample] = MODELS[name].samples;
      expect(toHex(circuitInput)).toBe(toHex(commitInput(circuit, sample!.inputs, circuitSalt(VECTOR_SALT))));
      expect(outputDifference(circuit, outputs, sample!.outputs)).toBeLessThan(circuit.bound);
    },
  );

  const { circuit, parts } = fixed;
  const [input, output] = parts.instances;
  const same = toLittleEndian(1n);
  const cases: [string, Partial<ProofParts>, string][] = [
    ["other settings", { settings: `${parts.settings} ` }, "settings_mismatch"],
    ["another model's verifying key", { verifyingKey: hashed.parts.verifyingKey }, "verifying_key_mismatch"],
    ["another SRS", { srs: hashed.parts.srs }, "srs_mismatch"],
    ["32 bytes of junk appended", { proof: concat(parts.proof, same) }, "proof_length_mismatch"],
    ["a byte less", { proof: parts.proof.slice(0, -1) }, "proof_length_mismatch"],
    ["an instance more", { instances: [input!, output!, same] }, "instances_invalid"],
    ["an instance less", { instances: [input!] }, "instances_invalid"],
    ["another input's commitment", { instances: [flipped(input!, 0), output!] }, "proof_invalid"],
    ["another output", { instances: [input!, flipped(output!, 0)] }, "proof_invalid"],
    ["instances the other way round", { instances: [output!, input!] }, "proof_invalid"],
    ["another circuit's proof", { proof: hashed.parts.proof }, "proof_invalid"],
    ["a proof of zeroes", { proof: new Uint8Array(parts.proof.length) }, "proof_invalid"],
  ];
  it.each(cases)("with %s is refused", (_, change, code) => {
    expect(verdict(circuit, { ...parts, ...change })).toBe(code);
  });

  it("whose instance is spelt with the modulus added is refused: one element has one spelling", () => {
    const aliased = toLittleEndian(fromLittleEndian(output!) + FIELD_MODULUS);
    expect(verdict(circuit, { ...parts, instances: [input!, aliased] })).toBe("instances_invalid");
  });

  it("is refused wherever a byte of it is changed", () => {
    const step = Math.floor(parts.proof.length / 8);
    for (let at = 0; at < parts.proof.length; at += step)
      expect(verdict(circuit, { ...parts, proof: flipped(parts.proof, at) }), `byte ${at}`).toBe(
        "proof_invalid",
      );
  });

  it("about other hashed weights than the bound ones is refused", () => {
    const other = { ...hashed.circuit, parametersHash: toLittleEndian(7n) };
    expect(verdict(other, hashed.parts)).toBe("parameters_mismatch");
  });

  it.each([
    ["param_visibility", "Private"],
    ["input_visibility", "Public"],
    ["output_visibility", "Fixed"],
  ])("under settings whose %s is %s is refused, though its owner bound them", (name, mode) => {
    const changed = JSON.parse(parts.settings) as { run_args: Record<string, unknown> };
    changed.run_args[name] = mode;
    const settings = JSON.stringify(changed);
    const settingsDigest = sha256(utf8(settings));
    expect(verdict({ ...circuit, settingsDigest }, { ...parts, settings })).toBe("settings_mismatch");
  });

  it("is still verified after all of these: no refusal leaves the verifier broken", () => {
    expect(verdict(circuit, parts)).toBe("ok");
  });
});
