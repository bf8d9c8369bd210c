/** Real proofs, verified by contracts that were generated from a verifying key: accepted whole, refused wherever they are changed. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bytesToHex, encodeAbiParameters, hexToBytes, keccak256, parseAbiParameters, type Hex } from "viem";
import {
  deployAdapters,
  deployVerifier,
  requestStatus,
  requireRegistrable,
  zkmlRegistryAbi,
  zkmlVerifierAbi,
  zkProofVerifierAbi,
  type VerifierPlace,
} from "../client/chain/index.ts";
import { send } from "../client/chain/send.ts";
import type { VerifierCode } from "../proofs/index.ts";
import { hasProver, WITHOUT_PROVER } from "../proofs/testing/prover.ts";
import { startAnvil, type Chain } from "./anvil.ts";
import { temporaryDirectory } from "./folder.ts";
import { NOW_MS } from "./receipt-fixture.ts";
import {
  admit,
  admitAt,
  argumentsOf,
  CIRCUIT,
  deployZk,
  provedCall,
  recordedVerifiers,
  registrableOf,
  verdict,
  zkRequest,
  type ZkChain,
} from "./zk-chain.ts";

let chain: Chain;
let codes: { whole: VerifierCode; reusable: VerifierCode };
let folder: ReturnType<typeof temporaryDirectory>;

beforeAll(async () => {
  if (!hasProver) return;
  folder = temporaryDirectory();
  [chain, codes] = await Promise.all([
    startAnvil({ nowSeconds: NOW_MS / 1000 }),
    recordedVerifiers(folder.path),
  ]);
}, 120_000);
afterAll(async () => {
  await chain?.stop();
  folder?.remove();
});

/** Before its verifier is paid for, and when it is registered. */
async function refuses(zk: ZkChain, place: VerifierPlace, detail: string): Promise<void> {
  const asked = requireRegistrable(chain.writer, zk.deployment, registrableOf(zk.issuer));
  await expect(asked).rejects.toMatchObject({ detail });
  await expect(admitAt(zk, place)).rejects.toMatchObject({ detail });
}

/** An instance, by one. */
const off = (bytes: Uint8Array) => bytes.with(0, bytes[0]! ^ 1);

/** The last bit, of a number's smallest. */
function flipped(hex: Hex): Hex {
  const bytes = hexToBytes(hex);
  bytes[bytes.length - 1]! ^= 1;
  return bytesToHex(bytes);
}

describe.skipIf(!hasProver)(`a generated verifier on chain${WITHOUT_PROVER}`, () => {
  it.each(["whole", "reusable"] as const)(
    "accepts the real proof, and nothing that was changed: %s",
    { timeout: 120_000 },
    async (form) => {
      const zk = await deployZk(chain);
      await admit(zk, codes[form]);
      const call = provedCall();
      expect(await verdict(zk, argumentsOf(call))).toBe("accepted");

      const proofOf = (proof: Uint8Array) => verdict(zk, argumentsOf({ ...call, proof }));
      // Each word of the proof: a point's coordinate or an evaluation.
      for (let at = 31; at < call.proof.length; at += 32) {
        const changed = call.proof.slice();
        changed[at]! ^= 1;
        expect(await proofOf(changed), `word ${(at - 31) / 32}`).toBe("proof_invalid");
      }
      const longer = new Uint8Array(call.proof.length + 32);
      longer.set(call.proof);
      expect(await proofOf(longer)).toBe("proof_length_mismatch");
      expect(await proofOf(call.proof.subarray(32))).toBe("proof_length_mismatch");

      const [input, output] = call.instances as [Uint8Array, Uint8Array];
      const instancesOf = (instances: Uint8Array[]) => verdict(zk, argumentsOf({ ...call, instances }));
      expect(await instancesOf([off(input), output])).toBe("circuit_input_mismatch");
      // Within the bound, and not what was proved.
      expect(await instancesOf([input, off(output)])).toBe("proof_invalid");
      expect(await instancesOf([input])).toBe("instances_invalid");
      expect(await instancesOf([input, output, output])).toBe("instances_invalid");

      const { modelId, circuitInput } = call;
      expect(await verdict(zk, argumentsOf({ ...call, modelId: flipped(modelId) }))).toBe("model_mismatch");
      const otherInput = { ...call, circuitInput: flipped(circuitInput) };
      expect(await verdict(zk, argumentsOf(otherInput))).toBe("circuit_input_mismatch");
      // Instance and request agree with each other, and the proof with neither.
      const moved = { ...otherInput, instances: [hexToBytes(otherInput.circuitInput).toReversed(), output] };
      expect(await verdict(zk, argumentsOf(moved))).toBe("proof_invalid");
      const none: Hex = `0x${"00".repeat(32)}`;
      expect(await verdict(zk, argumentsOf({ ...call, circuitInput: none }))).toBe("circuit_input_mismatch");
      expect(await verdict(zk, argumentsOf(call, CIRCUIT.circuitId.with(0, 0)))).toBe("circuit_unknown");

      const far = hexToBytes(call.encodedOutput);
      far[far.length - 3]! ^= 0x7f;
      const beyond = { ...call, encodedOutput: bytesToHex(far) };
      expect(await verdict(zk, argumentsOf(beyond))).toBe("output_beyond_bound");
    },
  );

  it(
    "counts with the SRS and the binding that the owner and an enclave vouch for alone",
    { timeout: 60_000 },
    async () => {
      const { place } = await deployVerifier(chain.writer, codes.whole);
      const other = await deployZk(chain, CIRCUIT.srsDigest.with(0, 1));
      await refuses(other, place, "srs_not_listed");
      const zk = await deployZk(chain);
      const revoked = { ...zk, issuer: { ...zk.issuer, digest: zk.issuer.digest.with(0, 1) } };
      await refuses(revoked, place, "binding_key_not_accepted");
      await admitAt(zk, place);
      await refuses(zk, place, "circuit_registered");
    },
  );

  it("is what a coordinator pays for, once", { timeout: 60_000 }, async () => {
    const zk = await deployZk(chain);
    await admit(zk, codes.whole);
    const coordinator = zk.deployment.inferenceCoordinator!;
    const requester = chain.writer.wallet.account.address;
    const { request, deliver, requestId } = await zkRequest(zk, requester, 0n);
    const status = () => requestStatus(chain.reader, coordinator, requestId);
    await chain.send(request, coordinator);
    const refused = async (data: Hex) => {
      await expect(chain.send(data, coordinator)).rejects.toThrow(/revert/);
      expect(await status()).toBe("open");
    };
    await refused(deliver("0x"));
    const call = provedCall();
    const changed = { ...call, proof: call.proof.with(1000, call.proof[1000]! ^ 1) };
    await refused(deliver(argumentsOf(changed)[3]));
    await chain.send(deliver(), coordinator);
    expect(await status()).toBe("delivered");
    await expect(chain.send(deliver(), coordinator)).rejects.toThrow(/revert/);
  });

  it("stands behind the contracts of ERC-7992 and ERC-8274", { timeout: 60_000 }, async () => {
    const zk = await deployZk(chain);
    await admit(zk, codes.whole);
    const { adapters } = await deployAdapters(chain.writer, zk.deployment);
    const call = provedCall();
    const zkProof = argumentsOf(call)[3];

    const models = { address: adapters.zkmlRegistry, abi: zkmlRegistryAbi } as const;
    const verifier = { address: adapters.zkmlVerifier, abi: zkmlVerifierAbi } as const;
    const proofSystemId = await chain.reader.readContract({ ...verifier, functionName: "PROOF_SYSTEM_ID" });
    const commitment = {
      modelHash: call.modelId,
      circuitHash: bytesToHex(CIRCUIT.circuitId),
      vkHash: bytesToHex(CIRCUIT.vkDigest),
      proofSystemId,
      uri: "",
    };
    await send(chain.writer, { ...models, functionName: "registerModel", args: [commitment] });
    const committed = await chain.reader.readContract({
      ...verifier,
      functionName: "inputCommitmentOf",
      args: [commitment.circuitHash, call.circuitInput],
    });
    const infer = (input: Hex, output: Hex) =>
      send(chain.writer, {
        ...verifier,
        functionName: "verifyInference",
        args: [1n, input, output, zkProof],
      });
    await infer(committed, call.encodedOutput);
    await expect(infer(flipped(committed), call.encodedOutput)).rejects.toMatchObject({
      detail: "input_commitment_mismatch",
    });
    const far: Hex = `${call.encodedOutput.slice(0, -6) as Hex}7fffff`;
    await expect(infer(committed, far)).rejects.toMatchObject({ detail: "output_mismatch" });

    const bytesPair = parseAbiParameters("bytes, bytes");
    const shown = (output: Hex) => encodeAbiParameters(bytesPair, [output, zkProof]);
    const metadata = encodeAbiParameters(parseAbiParameters("bytes32, bytes32"), [
      call.modelId,
      commitment.circuitHash,
    ]);
    const holds = (inputHash: Hex, output: Hex) =>
      chain.reader.readContract({
        address: adapters.zkProofVerifier,
        abi: zkProofVerifierAbi,
        functionName: "verify",
        args: [inputHash, keccak256(output), metadata, shown(output)],
      });
    expect(await holds(call.circuitInput, call.encodedOutput)).toBe(true);
    expect(await holds(flipped(call.circuitInput), call.encodedOutput)).toBe(false);
    expect(await holds(call.circuitInput, far)).toBe(false);
  });

  it("is told of a key of another circuit by nothing but a refusal", { timeout: 60_000 }, async () => {
    const zk = await deployZk(chain);
    const { place } = await deployVerifier(chain.writer, codes.reusable);
    const { place: whole } = await deployVerifier(chain.writer, codes.whole);
    // Code that is a contract and no key.
    await admitAt(zk, { ...place, key: whole.verifier });
    expect(await verdict(zk, argumentsOf(provedCall()))).toBe("proof_invalid");
  });
});
