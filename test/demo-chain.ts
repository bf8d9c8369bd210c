/**
 * `npm run demo:chain`: a chain, the contracts, a service with a simulated TEE, a receipt that the chain accepts, and a contract that
 * asks and acts on what it is answered, by TEE and by ZK; each step with its gas. `AFFIDAVIT_URL` and `AFFIDAVIT_API_KEY` take a
 * running service instead of starting one; it does not watch this chain, so that no contract asks it.
 */
import { readFileSync } from "node:fs";
import { bytesToHex, hexToBytes, type Hex } from "viem";
import {
  anchorCheckpoint,
  attestedReferenceValue,
  ChainError,
  chainSource,
  deployContracts,
  NO_REQUIREMENTS,
  receiptFromBundle,
  receiptVerifierAbi,
  registerKeyset,
  verifyOnChain,
  type ContractReceipt,
  type Deployment,
} from "../client/chain/index.ts";
import { send } from "../client/chain/send.ts";
import { createClient, type InferResult } from "../client/index.ts";
import { hasProver } from "../proofs/testing/prover.ts";
import { startAnvil, type Chain } from "./anvil.ts";
import { startChainService, type ChainService } from "./chain-service.ts";
import { buildContracts } from "./contracts-build.ts";
import { showRequests } from "./demo-requests.ts";

interface Demo {
  chain: Chain;
  service: { url: string; apiKey: string };
  deployment: Deployment;
  /** Undefined where the service watches another chain, or none. */
  asked: ChainService | undefined;
  stop(): Promise<void>;
}

function say(what: string, detail: string, gas?: bigint): void {
  const cost = gas === undefined ? "" : `${gas.toLocaleString("en")} gas`;
  process.stdout.write(`${what.padEnd(26)} ${detail.padEnd(68)} ${cost.padStart(15)}\n`);
}

/** With a service of its own, which answers contracts. */
async function start(): Promise<Demo> {
  const asked = await startChainService({ proving: hasProver });
  announce(asked.steps, asked.registration);
  const { chain, service, deployment, stop } = asked;
  return { chain, service, deployment, asked, stop };
}

async function startBeside(url: string, apiKey: string | undefined): Promise<Demo> {
  if (apiKey === undefined) throw new Error("AFFIDAVIT_API_KEY is missing beside AFFIDAVIT_URL");
  await buildContracts();
  const chain = await startAnvil({ nowSeconds: Math.floor(Date.now() / 1000) });
  const stop = () => chain.stop();
  try {
    const source = chainSource(url);
    const { deployment, steps } = await deployContracts(chain.writer, {
      owner: chain.writer.wallet.account.address,
      delaySeconds: 0n,
      referenceValues: [await attestedReferenceValue(source.attestation)],
      tcbStatuses: 1,
      tcbFloor: 0,
      quoteVerifiers: {},
      development: true,
    });
    announce(steps, await registerKeyset(chain.writer, deployment, source.attestation));
    return { chain, service: { url, apiKey }, deployment, asked: undefined, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function announce(
  steps: ChainService["steps"],
  { registration, sent }: Pick<ChainService["registration"], "registration" | "sent">,
): void {
  for (const { name, address, gasUsed } of steps) say(`deploy ${name}`, address, gasUsed);
  say("register the keyset", registration.keysetDigest, sent.gasUsed);
  say("", "a simulated TEE, verified by nobody: chains for development only");
}

async function ask({ url, apiKey }: Demo["service"], chain: Chain): Promise<InferResult> {
  const client = createClient({ url, apiKey, policy: { allowSimulated: true, allowUncheckedCode: true } });
  const example = readFileSync(new URL("../models/zoo/breast-cancer/example.json", import.meta.url));
  const body = { bytes: new Uint8Array(example), contentType: "application/json", headerLength: null };
  const address = hexToBytes(chain.writer.wallet.account.address);
  return await client.inferBody("breast-cancer", body, { audience: { chainId: 31337n, address } });
}

/** The statement's place in the log: where a checkpoint covers it, or in the tree of that size. */
async function placeOf({ url, apiKey }: Demo["service"], receiptId: string, query: string) {
  const headers = { authorization: `Bearer ${apiKey}` };
  const answer = await fetch(`${url}/v1/receipts/${receiptId}/inclusion?${query}`, { headers });
  if (!answer.ok) throw new Error(`the service answered ${answer.status}`);
  return (await answer.json()) as { leafIndex: string; proof: Hex[] };
}

async function placeIn(running: Demo["service"], receiptId: string, size: bigint) {
  const { leafIndex, proof } = await placeOf(running, receiptId, `size=${size}`);
  return { size, index: BigInt(leafIndex), proof: proof.map((hash) => hexToBytes(hash)) };
}

async function verdict(chain: Chain, deployment: Deployment, receipt: ContractReceipt): Promise<string> {
  const consumer = chain.writer.wallet.account.address;
  try {
    await verifyOnChain(chain.reader, deployment.receiptVerifier, consumer, receipt);
    return "accepted";
  } catch (error) {
    if (error instanceof ChainError) return `refused: ${error.detail}`;
    throw error;
  }
}

async function show({ chain, service: running, deployment, asked }: Demo): Promise<void> {
  const source = chainSource(running.url);
  const contract = { address: deployment.receiptVerifier, abi: receiptVerifierAbi } as const;

  const { receipt, privatePart, receiptId } = await ask(running, chain);
  say("infer breast-cancer", `receipt ${receiptId}`);
  const presented = receiptFromBundle(receipt, privatePart);
  // A view, sent as a transaction to see its gas.
  const verify = { ...contract, functionName: "verify", args: [presented, NO_REQUIREMENTS] };
  const verified = await send(chain.writer, verify as never);
  say("verify on chain", "accepted, in a transaction", verified.gasUsed);
  const forged = { ...presented, encodedOutput: bytesToHex(new Uint8Array(32)) };
  say("another output", await verdict(chain, deployment, forged));

  if (asked) await showRequests(asked, say);
  else say("contracts ask", "skipped: the service at AFFIDAVIT_URL does not watch this chain");

  await placeOf(running, receiptId, "wait=inclusion");
  const { anchored, sent } = await anchorCheckpoint(chain.writer, deployment, source);
  say("anchor the log's head", `size ${anchored.size}, root ${anchored.root}`, sent.gasUsed);
  const inclusion = await placeIn(running, receiptId, anchored.size);
  // What was anchored in the very second of a revocation does not count as before it.
  await chain.warp(Number((await chain.reader.getBlock()).timestamp) + 60);
  const args = [bytesToHex(receipt.statement.keysetDigest)] as const;
  const revoked = await send(chain.writer, { ...contract, functionName: "revoke", args });
  say("revoke the keyset", "for good", revoked.gasUsed);
  say("the receipt alone", await verdict(chain, deployment, presented));
  const included = receiptFromBundle(receipt, privatePart, { inclusion });
  say(
    "with its inclusion",
    `${await verdict(chain, deployment, included)} (it was in an anchored head before)`,
  );
}

const { AFFIDAVIT_URL: url, AFFIDAVIT_API_KEY: apiKey } = process.env;
const demo = await (url === undefined ? start() : startBeside(url, apiKey));
try {
  await show(demo);
} finally {
  await demo.stop();
}
