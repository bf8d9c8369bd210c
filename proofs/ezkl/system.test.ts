import { copyFileSync, cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { toHex } from "../../codec/index.ts";
import { buildCircuit, type BuiltCircuit, type BuildRequest } from "../build.ts";
import { checkCircuit } from "../check.ts";
import { circuitElements, commitInput } from "../commit.ts";
import { ProofError } from "../error.ts";
import { CIRCUIT_FILES, CircuitStore, loadCircuit, storeBinding } from "../store.ts";
import { signCircuitBinding } from "../binding.ts";
import { linearModel } from "../testing/models.ts";
import { hasProver, openProver, proverCache, WITHOUT_PROVER } from "../testing/prover.ts";
import { checkProof } from "../verifier.ts";
import { findProofSystem, setUpProofSystem } from "./environment.ts";
import type { EzklSystem } from "./system.ts";
import { loadProofVerifier } from "#ezkl";

const SALT = new Uint8Array(16).fill(9);
const MODEL_ID = new Uint8Array(32).fill(1);

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return "done";
  } catch (error) {
    if (!(error instanceof ProofError)) throw error;
    return error.code;
  }
}

/** The bias is the last float of the file: 0.125 is 00 00 00 3e. */
function withOtherWeights(onnx: Uint8Array): Uint8Array {
  const at = Buffer.from(onnx).lastIndexOf(Buffer.from([0, 0, 0, 0x3e]));
  return onnx.with(at, 1);
}

describe("without an interpreter", () => {
  it("the set-up says what is missing, leaves nothing half made, and the search says how to get it", async () => {
    const cache = mkdtempSync(join(tmpdir(), "affidavit-cache-"));
    try {
      expect(findProofSystem(cache)).toMatchObject({ ready: false, command: "npx affidavit setup proofs" });
      expect(await codeOf(setUpProofSystem(cache, { python: "/nonexistent/python" }))).toBe(
        "proof_system_missing",
      );
      expect(readdirSync(cache)).toEqual([]);
    } finally {
      rmSync(cache, { recursive: true });
    }
  });
});

describe.skipIf(!hasProver)(`EZKL${WITHOUT_PROVER}`, () => {
  let directory: string;
  let system: EzklSystem;
  let built: BuiltCircuit;
  const { graph, samples } = linearModel();
  const request = (): BuildRequest => ({
    model: graph,
    modelId: MODEL_ID,
    parameters: "fixed",
    bound: 20_000_000n,
    inputRange: 8,
    samples,
    cache: proverCache,
    directory,
  });

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "affidavit-circuits-"));
    system = openProver();
    built = await buildCircuit(system, request());
  }, 120_000);

  afterAll(async () => {
    await system?.close();
    rmSync(directory, { recursive: true, force: true });
  });

  const others: EzklSystem[] = [];
  const another = (options: Parameters<typeof openProver>[0]): EzklSystem => {
    const made = openProver(options);
    others.push(made);
    return made;
  };
  afterEach(async () => {
    await Promise.all(others.splice(0).map((one) => one.close()));
  });

  const prove = (by: EzklSystem, options: { signal?: AbortSignal; timeoutMs?: number } = {}) =>
    by.prove({ circuit: built.stored, inputs: samples[0]!.inputs, sCircuit: SALT, ...options });

  it("proves by stages what both verifiers accept, for the commitment that was computed here", async () => {
    const stages: string[] = [];
    const { stored } = built;
    const { inputs } = samples[0]!;
    const onProgress = (stage: string): void => void stages.push(stage);
    const proved = await system.prove({ circuit: stored, inputs, sCircuit: SALT, onProgress });
    expect(stages).toEqual(["queued", "witness", "prove", "verify"]);
    const { circuitInput } = checkProof(stored.circuit, proved, await loadProofVerifier());
    expect(toHex(circuitInput)).toBe(toHex(commitInput(stored.circuit, inputs, SALT)));
    expect(await system.verify(stored, proved)).toBe(true);
    const [first, ...rest] = proved.instances;
    expect(
      await system.verify(stored, { ...proved, instances: [first!.with(0, first![0]! ^ 1), ...rest] }),
    ).toBe(false);
    expect(await system.onChainVerifier(stored, "whole")).toMatchObject({
      verifier: expect.stringContaining("contract Halo2Verifier ") as string,
      key: null,
    });
  });

  it("makes the same circuit again, and the verifying key from weights and settings alone", async () => {
    const again = await buildCircuit(system, request());
    expect(toHex(again.stored.circuit.circuitId)).toBe(toHex(built.stored.circuit.circuitId));
    await checkCircuit(system, built.stored, MODEL_ID, graph);
    const other = { ...graph, onnx: withOtherWeights(graph.onnx) };
    expect(await codeOf(checkCircuit(system, built.stored, new Uint8Array(32), graph))).toBe(
      "binding_mismatch",
    );
    expect(await codeOf(checkCircuit(system, built.stored, MODEL_ID, other))).toBe("binding_mismatch");
  });

  it("is found on disk, with the binding that its owner signed, and refused where a file is another", async () => {
    await storeBinding(built.stored, signCircuitBinding(built.stored.circuit, 5n, MODEL_ID));
    const [found] = (await CircuitStore.load([directory, "/nonexistent"])).ofModel(MODEL_ID);
    expect(found?.binding?.document.issuedAtMs).toBe(5n);
    const copy = join(directory, "copy");
    for (const name of ["settings", "onnx", "vk", "srs"] as const) {
      cpSync(built.stored.directory, copy, { recursive: true });
      const file = join(copy, CIRCUIT_FILES[name]);
      const bytes = readFileSync(file);
      bytes[bytes.length - 3]! ^= 1;
      rmSync(file);
      writeFileSync(file, bytes);
      expect(await codeOf(loadCircuit(copy)), name).toBe("circuit_id_mismatch");
      rmSync(copy, { recursive: true });
    }
  });

  it("ends a proof that is cancelled, killed, too long or too large, each by its code, and proves on", async () => {
    const own = another({ workers: 1 });
    const stop = new AbortController();
    const cancelled = codeOf(prove(own, { signal: stop.signal }));
    setTimeout(() => stop.abort(), 50);
    expect(await cancelled).toBe("cancelled");
    expect(await codeOf(prove(own, { timeoutMs: 50 }))).toBe("prover_timeout");
    expect(await codeOf(prove(another({ memoryBytes: 2 ** 24 })))).toBe("prover_memory");
    expect(await codeOf(prove(own))).toBe("done");
  });

  it("ends ten cancelled proofs at once, those that wait and the one that runs", async () => {
    const own = another({ workers: 1 });
    const stop = new AbortController();
    const ten = Array.from({ length: 10 }, () => codeOf(prove(own, { signal: stop.signal })));
    setTimeout(() => stop.abort(), 100);
    expect(new Set(await Promise.all(ten))).toEqual(new Set(["cancelled"]));
    expect(await codeOf(prove(own))).toBe("done");
  });

  it("says so where the disk is full, and where a proving key is of another circuit", async () => {
    expect(await codeOf(system.generateSrs("/dev/full", 4))).toBe("prover_disk_full");
    const { directory: folder, circuit } = built.stored;
    const copy = join(directory, "other-key");
    cpSync(folder, copy, { recursive: true });
    const bigger = {
      parameters: "fixed",
      scale: 9,
      decompositionBase: 2 ** 7,
      decompositionLegs: 4,
    } as const;
    await system.compile(copy, graph, { ...bigger, logrows: circuit.logrows });
    await system.setup(copy);
    copyFileSync(join(folder, CIRCUIT_FILES.compiled), join(copy, CIRCUIT_FILES.compiled));
    const elements = circuitElements(circuit, samples[0]!.inputs, SALT);
    const options = { timeoutMs: 5000 };
    const code = await codeOf(another({}).proveIn(copy, circuit.inputScale, elements, options));
    // It hangs, or the proof it gives does not hold under its own key: never a proof.
    expect(["prover_timeout", "prover_failed"]).toContain(code);
  });

  it("refuses models that it cannot do, and bounds that no scale reaches", async () => {
    const wrong = { inputs: samples[0]!.inputs, outputs: samples[1]!.outputs };
    expect(await codeOf(buildCircuit(system, { ...request(), samples: [wrong] }))).toBe(
      "circuit_bound_unreachable",
    );
    const unknown = { ...request(), model: { ...graph, onnx: new Uint8Array([1, 2, 3]) } };
    expect(await codeOf(buildCircuit(system, unknown))).toBe("circuit_unsupported");
    expect(readdirSync(directory).filter((name) => name.startsWith("."))).toEqual([]);
  });
});
