/**
 * What receipts cost on chain: transactions on anvil, under a keyset that a development quote registered. EIP-7623's floor for
 * calldata hides what a transaction's own frame took, so each call has a frame of its own, behind a forwarder.
 */
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { bytesToHex, encodeFunctionData, parseAbi, type Address, type Hex } from "viem";
import { sha256, utf8 } from "../codec/index.ts";
import {
  checkpointAnchorAbi,
  contractSignature,
  deployContracts,
  inferenceCoordinatorAbi,
  logId,
  NO_REQUIREMENTS,
  quoteRegisters,
  receiptFromBundle,
  receiptVerifierAbi,
  referenceValueId,
  registerKeyset,
  type Deployment,
} from "../client/chain/index.ts";
import {
  attestationToJson,
  audienceDigest,
  chainSettlement,
  nodeHash,
  packSignature,
  parseKeyset,
  statementDigest,
} from "../receipts/index.ts";
import { startAnvil, type Chain } from "../test/anvil.ts";
import { createIssuer, NOW_MS, ORIGIN, receiptSecret, type Issuer } from "../test/receipt-fixture.ts";
import { calldataGas, TRANSACTION_GAS } from "./gas-quote.ts";
import { figure, type Figure } from "./report.ts";

const RUNS = 5;
/** An inclusion proof in a tree of 2^20 leaves. */
const LEVELS = 20;
export const GAS = { unit: "gas", better: "lower" } as const;
const HOUR_SECONDS = 3600;
const FORWARDER_ABI = parseAbi(["function forward(address target, bytes data)"]);

interface Frame {
  to?: string;
  gasUsed: Hex;
  calls?: Frame[];
}

interface Cost {
  /** What the call took, without the transaction's own gas and its data's. */
  execution: number;
  /** What a transaction that is this call alone pays. */
  transaction: number;
  /** What EIP-7623 makes it pay at least. */
  floor: number;
}

/** One transaction through a forwarder, whose trace has a frame for the call. */
export async function costOf(
  subject: Pick<Subject, "chain" | "forwarder">,
  to: Address,
  data: Hex,
): Promise<Cost> {
  const { chain, forwarder } = subject;
  const args = [to, data] as const;
  const forwarded = encodeFunctionData({ abi: FORWARDER_ABI, functionName: "forward", args });
  const { transactionHash } = await chain.send(forwarded, forwarder);
  const params = [transactionHash, { tracer: "callTracer" }];
  const frame = (await chain.reader.request({ method: "debug_traceTransaction", params } as never)) as Frame;
  const inner = frame.calls?.find((call) => call.to?.toLowerCase() === to.toLowerCase());
  if (inner === undefined) throw new Error("the trace does not show the call");
  const { usual, floor } = calldataGas(data);
  const execution = Number(inner.gasUsed);
  return {
    execution,
    transaction: Math.max(execution + Number(TRANSACTION_GAS + usual), Number(TRANSACTION_GAS + floor)),
    floor: Number(TRANSACTION_GAS + floor),
  };
}

interface Subject {
  chain: Chain;
  /** Calls for the paying account, and so is the consumer. */
  forwarder: Address;
  deployment: Deployment;
  issuer: Issuer;
  registerGas: number;
}

async function deployed(chain: Chain): Promise<Subject> {
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
  });
  const { sent } = await registerKeyset(chain.writer, deployment, async (nonce) =>
    JSON.stringify(attestationToJson(await issuer.attestation(Buffer.from(nonce, "hex")))),
  );
  const { address: forwarder } = await chain.deploy("Forwarder", []);
  return { chain, forwarder, deployment, issuer, registerGas: Number(sent.gasUsed) };
}

function receiptData({ forwarder, issuer }: Subject): Hex {
  const audience = audienceDigest(31337n, Buffer.from(forwarder.slice(2), "hex"));
  const { bundle, privatePart } = issuer.issue({ audience });
  const args = [receiptFromBundle(bundle, privatePart), NO_REQUIREMENTS] as const;
  return encodeFunctionData({ abi: receiptVerifierAbi, functionName: "verify", args });
}

/** A head of 2^20 leaves that are all alike, signed by the fixture's key. */
async function anchoredTree(subject: Subject) {
  const { deployment, issuer } = subject;
  const leaf = sha256(utf8("a leaf"));
  const proof: Uint8Array[] = [];
  let root = leaf;
  for (let level = 0; level < LEVELS; level++) {
    proof.push(root);
    root = nodeHash(root, root);
  }
  const statement = {
    origin: ORIGIN,
    size: 1n << BigInt(LEVELS),
    root,
    keysetDigest: issuer.digest,
    timeMs: BigInt(NOW_MS),
  };
  const digest = statementDigest("Checkpoint", statement);
  const signed = secp256k1.sign(digest, receiptSecret(), { prehash: false, format: "recovered" });
  const { publicKey } = parseKeyset(issuer.record.keyset).log;
  const hex = { ...statement, root: bytesToHex(root), keysetDigest: bytesToHex(issuer.digest) };
  const signature = contractSignature(packSignature(signed.subarray(1), signed[0]!));
  const anchor = encodeFunctionData({
    abi: checkpointAnchorAbi,
    functionName: "anchor",
    args: [hex, bytesToHex(publicKey), signature, []],
  });
  const anchored = await costOf(subject, deployment.checkpointAnchor, anchor);
  const hashes = proof.map((hash) => bytesToHex(hash));
  const inclusion = encodeFunctionData({
    abi: checkpointAnchorAbi,
    functionName: "requireIncluded",
    args: [logId(ORIGIN, publicKey), statement.size, bytesToHex(leaf), 699_050n, hashes],
  });
  return { anchored, inclusion };
}

/** A request without payment and callback: what asking and delivering take by themselves. */
async function requestAndDeliver(subject: Subject, run: number) {
  const { chain, deployment, issuer, forwarder: requester } = subject;
  const coordinator = deployment.inferenceCoordinator!;
  const { bundle, privatePart } = issuer.issue();
  const { modelId, policyDigest, inputCommitment, circuitInput } = bundle.statement;
  const { timestamp } = await chain.reader.getBlock();
  const terms = {
    modelId: bytesToHex(modelId),
    policyDigest: bytesToHex(policyDigest),
    circuitInput: bytesToHex(circuitInput),
    assurance: 0,
    pinned: false,
    callbackGas: 0,
    operator: requester,
    token: `0x${"00".repeat(20)}`,
    payment: 0n,
    deadlineSeconds: Number(timestamp) + HOUR_SECONDS,
  } as const;
  const input = { publicInput: "0x", commitment: bytesToHex(inputCommitment) } as const;
  const ask = encodeFunctionData({
    abi: inferenceCoordinatorAbi,
    functionName: "request",
    args: [terms, input],
  });
  const request = await costOf(subject, coordinator, ask);
  const requestId = await chain.reader.readContract({
    address: coordinator,
    abi: inferenceCoordinatorAbi,
    functionName: "requestIdOf",
    args: [requester, BigInt(run), terms.modelId, input.commitment, terms.circuitInput, terms.policyDigest],
  });
  const none = new Uint8Array(32);
  const audience = audienceDigest(31337n, Buffer.from(requester.slice(2), "hex"));
  const chainIds = {
    requestId: Buffer.from(requestId.slice(2), "hex"),
    requestDigest: none,
    responseDigest: none,
  };
  const settlement = chainSettlement(chainIds.requestId, Buffer.from(requester.slice(2), "hex"));
  const answer = issuer.issue({ ...chainIds, audience, settlement });
  const receipt = receiptFromBundle(answer.bundle, privatePart);
  const data = encodeFunctionData({
    abi: inferenceCoordinatorAbi,
    functionName: "deliver",
    args: [receipt, "0x"],
  });
  return { request, deliver: await costOf(subject, coordinator, data) };
}

export async function repeated<T>(work: (run: number) => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  for (let run = 0; run < RUNS; run++) results.push(await work(run));
  return results;
}

export function figures(name: string, costs: readonly Cost[], aim?: number): Figure[] {
  return [
    figure(
      name,
      costs.map(({ execution }) => execution),
      { ...GAS, ...(aim === undefined ? {} : { aim }) },
    ),
    figure(
      `${name}.transaction`,
      costs.map(({ transaction }) => transaction),
      GAS,
    ),
    figure(
      `${name}.calldata_floor`,
      costs.map(({ floor }) => floor),
      GAS,
    ),
  ];
}

export async function receiptGas(): Promise<Figure[]> {
  const chain = await startAnvil({ nowSeconds: NOW_MS / 1000 });
  try {
    const subject = await deployed(chain);
    const { deployment } = subject;
    const receipts = await repeated(() => costOf(subject, deployment.receiptVerifier, receiptData(subject)));
    const { anchored, inclusion } = await anchoredTree(subject);
    const inclusions = await repeated(() => costOf(subject, deployment.checkpointAnchor, inclusion));
    const asked = await repeated((run) => requestAndDeliver(subject, run));
    return [
      ...figures("receipt", receipts, 12_000),
      ...figures("inclusion", inclusions, 15_000),
      figure("anchor", [anchored.execution], GAS),
      figure("register_development", [subject.registerGas], GAS),
      ...figures(
        "request",
        asked.map(({ request }) => request),
      ),
      ...figures(
        "deliver",
        asked.map(({ deliver }) => deliver),
      ),
    ];
  } finally {
    await chain.stop();
  }
}
