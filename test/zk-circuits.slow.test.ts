/** Other circuits than the small one, on chain: weights behind a hash, and an attention block. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bytesToHex } from "viem";
import { encodeZkProof } from "../client/chain/index.ts";
import { fromHex } from "../codec/index.ts";
import { loadCircuit, makeVerifier, readInstances, type Circuit, type RawProof } from "../proofs/index.ts";
import { suiteModel } from "../proofs/suite/measure.ts";
import { linearModel } from "../proofs/testing/models.ts";
import { hasProver, openProver, WITHOUT_PROVER } from "../proofs/testing/prover.ts";
import { recorded } from "../proofs/testing/recorded.ts";
import { encodeOutput, type Tensor } from "../receipts/index.ts";
import { startAnvil, type Chain } from "./anvil.ts";
import { temporaryDirectory } from "./folder.ts";
import { circuitOf, writeAttention } from "./prover-fixture.ts";
import { NOW_MS } from "./receipt-fixture.ts";
import { admit, DECIMALS, deployZk, storedIn, verdict } from "./zk-chain.ts";

let chain: Chain;
let folder: ReturnType<typeof temporaryDirectory>;
beforeAll(async () => {
  if (!hasProver) return;
  folder = temporaryDirectory();
  chain = await startAnvil({ nowSeconds: NOW_MS / 1000 });
}, 60_000);
afterAll(async () => {
  await chain?.stop();
  folder?.remove();
});

function callOf(circuit: Circuit, made: Pick<RawProof, "proof" | "instances">, outputs: readonly Tensor[]) {
  const { circuitInput } = readInstances(circuit, made.instances);
  const encoded = encodeOutput({ kind: "fixedPoint", scale: DECIMALS }, outputs);
  const proof = encodeZkProof(circuit.circuitId, made);
  return [bytesToHex(circuit.modelId), bytesToHex(circuitInput), bytesToHex(encoded), proof] as const;
}

describe.skipIf(!hasProver)(`a circuit on chain${WITHOUT_PROVER}`, () => {
  it("whose weights are hidden is held to their hash", { timeout: 300_000 }, async () => {
    const { circuit, parts } = recorded("linear");
    expect(circuit.parameters).toBe("hashed");
    const system = openProver();
    const stored = storedIn("linear", join(folder.path, "linear"));
    const code = await makeVerifier(system, stored).finally(() => system.close());
    const zk = await deployZk(chain, circuit.srsDigest);
    await admit(zk, code, circuit);
    const [sample] = linearModel().samples;
    expect(await verdict(zk, callOf(circuit, parts, sample!.outputs))).toBe("accepted");
    const [input, weights, ...rest] = parts.instances as [Uint8Array, Uint8Array];
    const others = { ...parts, instances: [input, weights.with(0, weights[0]! ^ 1), ...rest] };
    expect(await verdict(zk, callOf(circuit, others, sample!.outputs))).toBe("parameters_mismatch");
  });

  it("of an attention block is verified in both forms", { timeout: 900_000 }, async () => {
    const circuits = join(folder.path, "circuits");
    mkdirSync(circuits);
    const id = await circuitOf(writeAttention(folder.path), circuits, ["--bound", "0.1"]);
    const stored = await loadCircuit(join(circuits, id));
    const { circuit } = stored;
    const [sample] = suiteModel("attention").samples;
    const { inputs, outputs } = sample!;
    const system = openProver();
    try {
      const made = await system.prove({ circuit: stored, inputs, sCircuit: fromHex("5a".repeat(16)) });
      for (const form of ["whole", "reusable"] as const) {
        const zk = await deployZk(chain, circuit.srsDigest);
        const code = await makeVerifier(system, stored, form);
        const { steps } = await admit(zk, code, circuit);
        expect(steps.length, form).toBe(form === "whole" ? 1 : 2);
        expect(await verdict(zk, callOf(circuit, made, outputs)), form).toBe("accepted");
        for (const at of [0, 1000, made.proof.length - 1]) {
          const changed = { ...made, proof: made.proof.with(at, made.proof[at]! ^ 1) };
          const args = callOf(circuit, changed, outputs);
          expect(await verdict(zk, args), `${form}, byte ${at}`).toBe("proof_invalid");
        }
      }
    } finally {
      await system.close();
    }
  });
});
