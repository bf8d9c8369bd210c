/** A chain that verifies the proofs of the recorded circuit: contracts, a keyset by a development quote, a generated verifier. */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { bytesToHex, encodeFunctionData, hexToBytes, zeroAddress, type Address, type Hex } from "viem";
import { concat, sha256, toHex, utf8 } from "../codec/index.ts";
import {
  ChainError,
  CONTRACT_ERRORS,
  contractReceipt,
  deployContracts,
  deployVerifier,
  encodeZkProof,
  inferenceCoordinatorAbi,
  onChain,
  quoteRegisters,
  referenceValueId,
  registerCircuit,
  registerKeyset,
  zkInferenceVerifierAbi,
  type Deployment,
  type Registrable,
  type VerifierPlace,
} from "../client/chain/index.ts";
import {
  bindingStatement,
  CIRCUIT_FILES,
  makeVerifier,
  signCircuitBinding,
  type StoredCircuit,
  type VerifierCode,
} from "../proofs/index.ts";
import { zooModel } from "../proofs/testing/models.ts";
import { openProver, proverCache } from "../proofs/testing/prover.ts";
import { recorded, VECTOR_SALT } from "../proofs/testing/recorded.ts";
import {
  attestationToJson,
  audienceDigest,
  chainSettlement,
  encodeOutput,
  SaltedDigests,
} from "../receipts/index.ts";
import type { Chain } from "./anvil.ts";
import { OWNER_SECRET } from "./circuit-fixture.ts";
import { createIssuer, NOW_MS, type Issuer } from "./receipt-fixture.ts";

/** Of the zoo's breast-cancer. */
export const DECIMALS = 6;
const { circuit: CIRCUIT, parts: PARTS } = recorded("breast-cancer");
export { CIRCUIT };

export interface ZkChain {
  chain: Chain;
  deployment: Deployment;
  issuer: Issuer;
}

/** A recorded circuit as a folder, as far as its verifier is made of it. */
export function storedIn(name: "breast-cancer" | "linear", directory: string): StoredCircuit {
  const { circuit, parts } = recorded(name);
  const { settings, verifyingKey, srs } = parts;
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, CIRCUIT_FILES.vk), verifyingKey);
  writeFileSync(join(directory, CIRCUIT_FILES.settings), settings);
  // Of the SRS the verifier holds what is in its verifying part.
  writeFileSync(join(directory, CIRCUIT_FILES.srs), srs);
  return { circuit, directory, settings, verifyingKey, srs, binding: undefined };
}

interface Verifiers {
  whole: VerifierCode;
  reusable: VerifierCode;
}

/**
 * The code of both forms, by the prover's environment. Compiling them takes some seconds, so it is done once for all runs on this
 * machine.
 */
export async function recordedVerifiers(directory: string): Promise<Verifiers> {
  const kept = join(proverCache, "test-verifiers", `${toHex(sourcesDigest())}.json`);
  if (existsSync(kept)) return JSON.parse(readFileSync(kept, "utf8"), revive) as Verifiers;
  const system = openProver();
  try {
    const stored = storedIn("breast-cancer", directory);
    const whole = await makeVerifier(system, stored);
    const verifiers = { whole, reusable: await makeVerifier(system, stored, "reusable") };
    mkdirSync(dirname(kept), { recursive: true });
    writeFileSync(`${kept}.${process.pid}`, JSON.stringify(verifiers, replace));
    renameSync(`${kept}.${process.pid}`, kept);
    return verifiers;
  } finally {
    await system.close();
  }
}

/** Of everything that the code is made by and of. */
function sourcesDigest(): Uint8Array {
  const makers = ["../proofs/on-chain.ts", "../proofs/ezkl/worker.py", "../package-lock.json"];
  const texts = makers.map((file) => new Uint8Array(readFileSync(new URL(file, import.meta.url))));
  return sha256(concat(...texts, PARTS.verifyingKey, utf8(PARTS.settings), PARTS.srs));
}

const replace = (_: string, value: unknown) => (value instanceof Uint8Array ? bytesToHex(value) : value);
const revive = (_: string, value: unknown) =>
  typeof value === "string" && value.startsWith("0x") ? hexToBytes(value as Hex) : value;

/** Contracts whose only SRS is the recorded one, with the issuer's keyset registered. */
export async function deployZk(chain: Chain, srsDigest = CIRCUIT.srsDigest): Promise<ZkChain> {
  const issuer = await createIssuer();
  const { deployment } = await deployContracts(chain.writer, {
    owner: chain.writer.wallet.account.address,
    delaySeconds: 0n,
    referenceValues: [referenceValueId("development", quoteRegisters(issuer.record.evidence.quote))],
    tcbStatuses: 1,
    tcbFloor: 0,
    quoteVerifiers: {},
    development: true,
    coordinator: true,
    srs: { ceremony: [], development: [bytesToHex(srsDigest)] },
  });
  await registerKeyset(chain.writer, deployment, async (nonce) =>
    JSON.stringify(attestationToJson(await issuer.attestation(Buffer.from(nonce, "hex")))),
  );
  return { chain, deployment, issuer };
}

export function registrableOf(issuer: Issuer, circuit = CIRCUIT): Registrable {
  const text = signCircuitBinding(circuit, BigInt(NOW_MS), OWNER_SECRET);
  const statement = bindingStatement(text, BigInt(NOW_MS));
  const signature = issuer.sign("CircuitBinding", statement);
  return { circuit, decimals: DECIMALS, binding: { statement, keysetDigest: issuer.digest, signature } };
}

/** Deploys the verifier, and registers the circuit with it. */
export async function admit({ chain, deployment, issuer }: ZkChain, code: VerifierCode, circuit = CIRCUIT) {
  const { place, steps } = await deployVerifier(chain.writer, code);
  const registered = await admitAt({ chain, deployment, issuer }, place, circuit);
  return { place, steps, ...registered };
}

export async function admitAt(
  { chain, deployment, issuer }: ZkChain,
  place: VerifierPlace,
  circuit = CIRCUIT,
) {
  return await registerCircuit(chain.writer, deployment, registrableOf(issuer, circuit), place);
}

/** Arguments of `requireProof` for the recorded proof. */
export function provedCall(): {
  modelId: Hex;
  circuitInput: Hex;
  encodedOutput: Hex;
  proof: Uint8Array;
  instances: Uint8Array[];
} {
  const [sample] = zooModel("breast-cancer").samples;
  const encoded = encodeOutput({ kind: "fixedPoint", scale: DECIMALS }, sample!.outputs);
  return {
    modelId: bytesToHex(CIRCUIT.modelId),
    circuitInput: bytesToHex(PARTS.instances[0]!.toReversed()),
    encodedOutput: bytesToHex(encoded),
    proof: PARTS.proof,
    instances: PARTS.instances,
  };
}

export function argumentsOf(call: ReturnType<typeof provedCall>, circuitId = CIRCUIT.circuitId) {
  const { modelId, circuitInput, encodedOutput } = call;
  return [modelId, circuitInput, encodedOutput, encodeZkProof(circuitId, call)] as const;
}

/** What the contract says of the arguments: accepted, or why not. */
export async function verdict({ chain, deployment }: ZkChain, args: readonly Hex[]): Promise<string> {
  const contract = {
    address: deployment.zkInferenceVerifier!,
    abi: [...zkInferenceVerifierAbi, ...CONTRACT_ERRORS],
  };
  try {
    const call = { ...contract, functionName: "requireProof", args, gas: 15_000_000n };
    await onChain(() => chain.reader.readContract(call as never));
    return "accepted";
  } catch (error) {
    if (error instanceof ChainError) return error.detail ?? error.code;
    throw error;
  }
}

/** A request that wants a ZK proof, without payment and callback, and what delivers the recorded proof for it. */
export interface ZkRequest {
  /** Calls of the coordinator. */
  request: Hex;
  /** @param zkProof instead of the recorded one */
  deliver(zkProof?: Hex): Hex;
  requestId: Hex;
}

/** @param nonce how many requests the requester made before */
export async function zkRequest(
  { chain, deployment, issuer }: ZkChain,
  requester: Address,
  nonce: bigint,
): Promise<ZkRequest> {
  const call = provedCall();
  const { bundle } = issuer.issue();
  const { policyDigest, inputCommitment } = bundle.statement;
  const { timestamp } = await chain.reader.getBlock();
  const terms = {
    modelId: call.modelId,
    policyDigest: bytesToHex(policyDigest),
    circuitInput: call.circuitInput,
    assurance: 4,
    pinned: false,
    callbackGas: 0,
    operator: requester,
    token: zeroAddress,
    payment: 0n,
    deadlineSeconds: Number(timestamp) + 3600,
  } as const;
  const commitment = bytesToHex(inputCommitment);
  const abi = inferenceCoordinatorAbi;
  const requestId = await chain.reader.readContract({
    address: deployment.inferenceCoordinator!,
    abi,
    functionName: "requestIdOf",
    args: [requester, nonce, terms.modelId, commitment, terms.circuitInput, terms.policyDigest],
  });
  const digests = new SaltedDigests(VECTOR_SALT);
  const encodedOutput = hexToBytes(call.encodedOutput);
  const none = new Uint8Array(32);
  const answer = issuer.issue({
    requestId: hexToBytes(requestId),
    modelId: CIRCUIT.modelId,
    requestDigest: none,
    responseDigest: none,
    outputDigest: digests.outputDigest(encodedOutput),
    settlement: chainSettlement(hexToBytes(requestId), hexToBytes(requester)),
    circuitInput: hexToBytes(call.circuitInput),
    audience: audienceDigest(BigInt(deployment.chainId), hexToBytes(requester)),
    promised: 1,
    promiseDeadlineMs: BigInt(NOW_MS + 60_000),
  });
  const receipt = contractReceipt(answer.bundle, { outputSalt: digests.salt("output"), encodedOutput });
  return {
    requestId,
    request: encodeFunctionData({
      abi,
      functionName: "request",
      args: [terms, { publicInput: "0x", commitment }],
    }),
    deliver: (zkProof = argumentsOf(call)[3]) =>
      encodeFunctionData({ abi, functionName: "deliver", args: [receipt, zkProof] }),
  };
}
