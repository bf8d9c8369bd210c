/** Lets a chain verify the proofs of a circuit: its verifier's code, and its registration. */
import {
  bytesToBigInt,
  bytesToHex,
  encodeAbiParameters,
  parseAbiParameters,
  zeroAddress,
  type Address,
  type Hex,
} from "viem";
import { elements, type Circuit } from "../../proofs/client.ts";
import { zkInferenceVerifierAbi } from "./contracts/zk-inference-verifier.ts";
import type { Step } from "./deploy.ts";
import type { Deployment } from "./deployment.ts";
import { ChainError } from "./error.ts";
import type { SignedBinding } from "./offered-circuit.ts";
import { contractSignature, contractStatement } from "./receipt.ts";
import { CONTRACT_ERRORS, onChain } from "./reverts.ts";
import { deploy, send, type ChainWriter, type Sent } from "./send.ts";

/** As `makeVerifier` gives it. */
interface Code {
  /** Creation code. */
  verifier: Uint8Array;
  key: Uint8Array | null;
}

/** Where a circuit's verifier is. */
export interface VerifierPlace {
  verifier: Address;
  /** The contract that is the verifying key, beside a verifier for all circuits. */
  key?: Address;
}

/**
 * @param reused a verifier for all circuits that is on the chain already: its key alone is deployed
 * @throws ChainError as `deploy` of send.ts
 */
export async function deployVerifier(
  writer: ChainWriter,
  { verifier: code, key }: Code,
  reused?: Address,
): Promise<{ place: VerifierPlace; steps: Step[] }> {
  const steps: Step[] = [];
  const made = async (name: string, bytecode: Uint8Array): Promise<Address> => {
    const sent = await deploy(writer, { abi: [], bytecode: bytesToHex(bytecode), args: [] });
    steps.push({ name, ...sent });
    return sent.address;
  };
  const verifier = reused ?? (await made(key ? "Halo2VerifierReusable" : "Halo2Verifier", code));
  if (key === null) return { place: { verifier }, steps };
  return { place: { verifier, key: await made("Halo2VerifyingArtifact", key) }, steps };
}

/** What the deployment is told of a circuit. */
export interface Registrable {
  circuit: Circuit;
  /** Of the model's output, `fixedPoint(decimals)` of its manifest. */
  decimals: number;
  binding: SignedBinding;
}

/**
 * Asks whether the writer could register the circuit now, before its verifier is paid for.
 * @throws ChainError as `registerCircuit`
 */
export async function requireRegistrable(
  writer: ChainWriter,
  deployment: Deployment,
  registrable: Registrable,
): Promise<void> {
  // The contract itself stands where the verifier will: it has code, which is all that is asked of one here.
  const call = registrationCall(deployment, registrable, { verifier: verifierOf(deployment) });
  const { account } = writer.wallet;
  const abi = [...call.abi, ...CONTRACT_ERRORS];
  await onChain(() => writer.reader.simulateContract({ ...call, abi, account } as never));
}

/**
 * Registers a circuit, as the owner of the deployment: its proofs count once the delay has passed.
 * @returns `countsFromSeconds`: Unix time from which they do
 * @throws ChainError `contract_reverted` with the contract's error as `detail`, such as `srs_not_listed`; `deployment_invalid`
 */
export async function registerCircuit(
  writer: ChainWriter,
  deployment: Deployment,
  registrable: Registrable,
  place: VerifierPlace,
): Promise<{ countsFromSeconds: bigint; sent: Sent }> {
  const contract = { address: verifierOf(deployment), abi: zkInferenceVerifierAbi } as const;
  const sent = await send(writer, registrationCall(deployment, registrable, place));
  const delay = await onChain(() =>
    writer.reader.readContract({ ...contract, functionName: "delaySeconds" }),
  );
  const { timestamp } = await onChain(() => writer.reader.getBlock({ blockNumber: sent.block }));
  return { countsFromSeconds: timestamp + delay, sent };
}

function verifierOf({ zkInferenceVerifier }: Deployment): Address {
  if (zkInferenceVerifier !== undefined) return zkInferenceVerifier;
  throw new ChainError("deployment_invalid", "the deployment names no verifier of ZK proofs");
}

function registrationCall(
  deployment: Deployment,
  { circuit, decimals, binding }: Registrable,
  { verifier, key }: VerifierPlace,
) {
  const verification = {
    decimals,
    proofLength: circuit.proofBytes,
    outputs: elements(circuit.outputs),
    // Little-endian, as all instances are.
    parametersHash: circuit.parametersHash ? bytesToBigInt(circuit.parametersHash.toReversed()) : 0n,
    halo2: verifier,
    key: key ?? zeroAddress,
  };
  const args = [
    contractStatement("CircuitBinding", binding.statement),
    bytesToHex(binding.keysetDigest),
    contractSignature(binding.signature),
    verification,
  ] as const;
  const address = verifierOf(deployment);
  return { address, abi: zkInferenceVerifierAbi, functionName: "registerCircuit", args } as const;
}

const ZK_PROOF = parseAbiParameters("bytes32 circuitId, bytes proof, uint256[] instances");

/**
 * What `ZkInferenceVerifier` reads of a proof: instances as numbers, in the circuit's order.
 * @param circuitId 32 bytes
 * @param made instances of 32 bytes each, little-endian
 */
export function encodeZkProof(
  circuitId: Uint8Array,
  made: { proof: Uint8Array; instances: readonly Uint8Array[] },
): Hex {
  const numbers = made.instances.map((bytes) => bytesToBigInt(bytes.toReversed()));
  return encodeAbiParameters(ZK_PROOF, [bytesToHex(circuitId), bytesToHex(made.proof), numbers]);
}
