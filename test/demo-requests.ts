/** The part of `npm run demo:chain` in which a contract asks, and acts on answers that the chain verified. */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { bytesToHex, formatUnits, hexToBytes, parseEventLogs, parseAbi, type Address, type Hex } from "viem";
import { toHex } from "../codec/index.ts";
import {
  chainSource,
  deliveredAnswer,
  deployVerifier,
  offeredCircuit,
  registerCircuit,
  requestStatus,
} from "../client/chain/index.ts";
import { circuitSalt, commitInput, loadCircuit, makeVerifier } from "../proofs/index.ts";
import { openProver, WITHOUT_PROVER } from "../proofs/testing/prover.ts";
import type { ChainService } from "./chain-service.ts";
import { askBy, exampleInputs, modelIdOf, ZK, type Asked } from "./consumer.ts";
import { DECIMALS } from "./zk-chain.ts";

const MODEL = "breast-cancer";
const TIMEOUT_MS = 300_000;
const TRIAGE = parseAbi(["event Decided(bytes32 indexed requestId, uint8 decision, int256 logit)"]);
const DECISIONS = ["nothing", "to refer", "to clear"];

export type Say = (what: string, detail: string, gas?: bigint) => void;

export async function showRequests(at: ChainService, say: Say): Promise<void> {
  const { address: triage, gasUsed } = await at.chain.deploy("Triage", [at.coordinator]);
  say("deploy Triage", `${triage}, which asks about a mass and acts on the answer`, gasUsed);
  const modelId = await modelIdOf(at.service.url, MODEL);
  await ask(at, triage, "TEE", { modelId, policyDigest: at.offer.policies.tee, assurance: 0 }, say);
  const proved = await admitted(at, modelId, say);
  if (proved) await ask(at, triage, "ZK", proved, say);
  else say("ask, by ZK", `skipped${WITHOUT_PROVER.slice(" (skipped".length, -1)}`);
}

async function ask(at: ChainService, triage: Address, how: string, asked: Asked, say: Say): Promise<void> {
  const { chain, coordinator } = at;
  const started = Date.now();
  const { requestId, sent } = await askBy(at, triage, asked, exampleInputs(MODEL));
  say(`ask, by ${how}`, `request ${requestId}`, sent.gasUsed);
  while ((await requestStatus(chain.reader, coordinator, requestId)) !== "delivered") {
    if (Date.now() - started > TIMEOUT_MS)
      throw new Error(`no answer was delivered:\n${at.service.output().slice(-4000)}`);
    await sleep(200);
  }
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  const answer = (await deliveredAnswer(chain.reader, coordinator, requestId, 0n))!;
  const { gasUsed, logs } = await chain.reader.getTransactionReceipt({ hash: answer.transaction });
  const [decided] = parseEventLogs({ abi: TRIAGE, eventName: "Decided", logs });
  if (!decided) throw new Error("the answer was delivered, and not acted on");
  const { decision, logit } = decided.args;
  const acted = `Triage decides ${DECISIONS[decision]} (log-odds ${formatUnits(logit, DECIMALS)})`;
  say(`  delivered in ${seconds} s`, acted, gasUsed);
}

/** Has the chain verify the circuit's proofs. @returns what asks for one; undefined without a prover */
async function admitted(at: ChainService, modelId: Hex, say: Say): Promise<Asked | undefined> {
  const { circuit, chain, deployment, directory } = at;
  if (!circuit) return undefined;
  const offered = (await offeredCircuit(chainSource(at.service.url), hexToBytes(modelId)))!;
  const stored = await loadCircuit(join(directory, "circuits", toHex(circuit.circuitId)));
  const system = openProver();
  const code = await makeVerifier(system, stored).finally(() => system.close());
  const { place, steps } = await deployVerifier(chain.writer, code);
  for (const { name, address, gasUsed } of steps)
    say(`deploy ${name}`, `${address}, generated from the circuit's key`, gasUsed);
  const registrable = { circuit, decimals: DECIMALS, binding: offered.signed };
  const { sent } = await registerCircuit(chain.writer, deployment, registrable, place);
  say("register the circuit", toHex(circuit.circuitId), sent.gasUsed);
  say("", "a development SRS, whose maker can forge proofs: chains for development only");
  const circuitInput = commitInput(circuit, exampleInputs(MODEL), circuitSalt(new Uint8Array(32)));
  return {
    modelId,
    policyDigest: bytesToHex(offered.policyDigest),
    assurance: ZK,
    circuitInput: bytesToHex(circuitInput),
  };
}
