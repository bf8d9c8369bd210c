/** Contracts ask, the service answers, and whatever goes wrong in between, each request is paid or refunded exactly once. */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { encodeFunctionData, hexToBytes, parseAbi, zeroAddress, type Address, type Hex } from "viem";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  attestedReferenceValue,
  chainSource,
  deliveredAnswer,
  deployContracts,
  deploymentToJson,
  inferenceCoordinatorAbi,
  registerKeyset,
  requestStatus,
  type Deployment,
  type RequestStatus,
} from "../client/chain/index.ts";
import { send } from "../client/chain/send.ts";
import { chainRequest } from "../client/cli/commands/chain-request.ts";
import { chainWatch } from "../client/cli/commands/chain-watch.ts";
import { jsonLine, runCommand } from "../client/cli/testing/run-command.ts";
import { canonicalTensors } from "../receipts/index.ts";
import { startAnvil, type Chain } from "./anvil.ts";
import { buildContracts } from "./contracts-build.ts";
import { temporaryDirectory } from "./folder.ts";
import { startService, type RunningService } from "./service-process.ts";

const MODEL = "breast-cancer";
const EXAMPLE = new URL(`../models/zoo/${MODEL}/example.json`, import.meta.url);
const PAYMENT = 10n ** 15n;
const DEADLINE_SECONDS = 1200;
const CONSUMER = parseAbi([
  "struct Terms { bytes32 modelId; bytes32 policyDigest; bytes32 circuitInput; uint8 assurance; bool pinned; uint32 callbackGas; address operator; address token; uint96 payment; uint40 deadlineSeconds; }",
  "struct Input { bytes publicInput; bytes32 commitment; }",
  "function ask(Terms terms, Input input) payable returns (bytes32)",
  "function setMood(uint8 mood)",
  "function output() view returns (bytes)",
  "function calls() view returns (uint256)",
]);
const MOODS = { kind: 0, reverts: 1, burnsGas: 2, returnsMuch: 3, reentersDeliver: 4 } as const;
const NONE: Hex = `0x${"00".repeat(32)}`;
const NOBODY: Address = `0x${"0b".repeat(20)}`;

let chain: Chain;
let service: RunningService;
let deployment: Deployment;
let coordinator: Address;
let operator: Address;
let terms: { modelId: Hex; policyDigest: Hex };
let mining: NodeJS.Timeout;
const directory = temporaryDirectory().path;
const file = join(directory, "deployment.json");

function publicInput(): Uint8Array {
  const { inputs } = JSON.parse(readFileSync(EXAMPLE, "utf8")) as {
    inputs: { name: string; shape: number[]; data: number[] }[];
  };
  const [{ name, shape, data }] = inputs as [(typeof inputs)[0]];
  const values = new Uint8Array(Float32Array.from(data.flat()).buffer);
  return canonicalTensors([{ name, datatype: "FP32", shape, data: values }]);
}

async function serve(answering: boolean): Promise<RunningService> {
  const environment = {
    AFFIDAVIT_CHAIN_RPC_URL: chain.url,
    AFFIDAVIT_CHAIN_DEPLOYMENT: file,
    AFFIDAVIT_CHAIN_PRICES: `ether=${PAYMENT}`,
    AFFIDAVIT_CHAIN_CONFIRMATIONS: "2",
    AFFIDAVIT_CHAIN_POLL_MS: "200",
  };
  return await startService({ directory, startTimeoutMs: 120_000, ...(answering && { environment }) });
}

const register = () => registerKeyset(chain.writer, deployment, chainSource(service.url).attestation);
const status = (requestId: Hex) => requestStatus(chain.reader, coordinator, requestId);
const ends = (requestId: Hex, wanted: RequestStatus) =>
  expect.poll(() => status(requestId), { timeout: 60_000, interval: 200 }).toBe(wanted);

async function consumer(mood: keyof typeof MOODS): Promise<Address> {
  const { address } = await chain.deploy("Consumers:Consumer", [coordinator]);
  const args = [MOODS[mood]] as const;
  await send(chain.writer, { address, abi: CONSUMER, functionName: "setMood", args });
  return address;
}

async function ask(from: Address, changes: { operator?: Address; payment?: bigint } = {}): Promise<Hex> {
  const payment = changes.payment ?? PAYMENT;
  const { timestamp } = await chain.reader.getBlock();
  const asked = {
    ...terms,
    circuitInput: NONE,
    assurance: 0,
    pinned: false,
    callbackGas: 300_000,
    operator: changes.operator ?? operator,
    token: zeroAddress,
    payment,
    deadlineSeconds: Number(timestamp) + DEADLINE_SECONDS,
  };
  const input = { publicInput: `0x${Buffer.from(publicInput()).toString("hex")}` as Hex, commitment: NONE };
  const sent = await send(chain.writer, {
    address: from,
    abi: CONSUMER,
    functionName: "ask",
    args: [asked, input],
    value: payment,
  });
  const events = await chain.reader.getContractEvents({
    address: coordinator,
    abi: inferenceCoordinatorAbi,
    eventName: "Requested",
    fromBlock: sent.block,
    toBlock: sent.block,
    strict: true,
  });
  return events.at(-1)!.args.requestId;
}

function keepMining(): void {
  mining = setInterval(() => void chain.cheats.mine({ blocks: 1 }).catch(() => undefined), 250);
}

beforeAll(async () => {
  await buildContracts();
  chain = await startAnvil({ nowSeconds: Math.floor(Date.now() / 1000) });
  const before = await serve(false);
  const deployed = await deployContracts(chain.writer, {
    owner: chain.writer.wallet.account.address,
    delaySeconds: 0n,
    referenceValues: [await attestedReferenceValue(chainSource(before.url).attestation)],
    tcbStatuses: 1,
    tcbFloor: 0,
    quoteVerifiers: {},
    development: true,
    coordinator: true,
  });
  await before.stop();
  deployment = deployed.deployment;
  coordinator = deployment.inferenceCoordinator!;
  writeFileSync(file, JSON.stringify(deploymentToJson(deployment)));
  service = await serve(true);
  await register();
  const answer = await fetch(`${service.url}/v1/chain`);
  const view = (await answer.json()) as { operator: Address; policies: { tee: Hex } };
  operator = view.operator;
  const answered = await fetch(`${service.url}/v1/models`);
  const { models } = (await answered.json()) as { models: { manifest: string; modelId: Hex }[] };
  const { modelId } = models.find(({ manifest }) => manifest.includes(`"name":"${MODEL}"`))!;
  terms = { modelId, policyDigest: view.policies.tee };
  await chain.cheats.setBalance({ address: operator, value: 10n ** 18n });
  keepMining();
}, 240_000);

afterAll(async () => {
  clearInterval(mining);
  await Promise.all([service?.stop(), chain?.stop()]);
  rmSync(directory, { recursive: true, force: true });
});

test("a consumer asks and gets the verified answer in its callback", { timeout: 90_000 }, async () => {
  const kind = await consumer("kind");
  const requestId = await ask(kind);
  await ends(requestId, "delivered");
  const contract = { address: kind, abi: CONSUMER } as const;
  expect(await chain.reader.readContract({ ...contract, functionName: "calls" })).toBe(1n);
  const output = await chain.reader.readContract({ ...contract, functionName: "output" });
  const answer = await deliveredAnswer(chain.reader, coordinator, requestId, 0n);
  expect(answer).toMatchObject({ called: true, operator, receipt: { encodedOutput: output } });
  expect(answer!.receipt!.statement).toMatchObject({ requestId, requestDigest: NONE, responseDigest: NONE });
});

test("twenty requests, each paid or refunded exactly once", { timeout: 240_000 }, async () => {
  const consumers: Address[] = [];
  for (const mood of ["kind", "reverts", "burnsGas", "reentersDeliver"] as const)
    consumers.push(await consumer(mood));
  const delivered: Hex[] = [];
  for (let i = 0; i < 12; i++) delivered.push(await ask(consumers[i % 4]!));
  // The service is killed in the middle of it, and again takes up what it finds.
  await ends(delivered[0]!, "delivered");
  service.child.kill("SIGKILL");
  await new Promise((done) => service.child.once("exit", done));
  const refused = [
    await ask(consumers[0]!, { operator: NOBODY }),
    await ask(consumers[1]!, { operator: NOBODY }),
    await ask(consumers[2]!, { payment: PAYMENT - 1n }),
    await ask(consumers[3]!, { payment: 0n }),
  ];
  for (let i = 0; i < 4; i++) delivered.push(await ask(consumers[i]!));
  service = await serve(true);
  await register();
  for (const requestId of delivered) await ends(requestId, "delivered");
  for (const requestId of refused) expect(await status(requestId)).toBe("open");

  await copyFails(delivered[0]!, refused[0]!);
  const { timestamp } = await chain.reader.getBlock();
  await chain.warp(Number(timestamp) + DEADLINE_SECONDS + 1);
  for (const requestId of refused) {
    const call = { address: coordinator, abi: inferenceCoordinatorAbi } as const;
    await send(chain.writer, { ...call, functionName: "refund", args: [requestId] });
  }
  for (const requestId of refused) await ends(requestId, "refunded");
  await everyRequestEndedOnce();
});

/** Another operator has seen an answer: it serves for no other request, and not twice for its own. */
async function copyFails(answered: Hex, open: Hex): Promise<void> {
  const { receipt } = (await deliveredAnswer(chain.reader, coordinator, answered, 0n))!;
  const call = { address: coordinator, abi: inferenceCoordinatorAbi, functionName: "deliver" } as const;
  const again = send(chain.writer, { ...call, args: [receipt!, "0x"] });
  await expect(again).rejects.toMatchObject({ detail: "request_not_open" });
  const statement = { ...receipt!.statement, requestId: open };
  const copied = send(chain.writer, { ...call, args: [{ ...receipt!, statement }, "0x"] });
  await expect(copied).rejects.toMatchObject({ code: "contract_reverted" });
}

async function everyRequestEndedOnce(): Promise<void> {
  const events = await chain.reader.getContractEvents({
    address: coordinator,
    abi: inferenceCoordinatorAbi,
    fromBlock: 0n,
    strict: true,
  });
  const ids = (name: string) =>
    events.flatMap((event) =>
      event.eventName === name ? [(event.args as { requestId: Hex }).requestId] : [],
    );
  const ended = [...ids("Delivered"), ...ids("Refunded")];
  expect(ended.toSorted()).toEqual(ids("Requested").toSorted());
  const credits = parseAbi(["function credits(address token, address account) view returns (uint256)"]);
  const credit = await chain.reader.readContract({
    address: coordinator,
    abi: credits,
    functionName: "credits",
    args: [zeroAddress, operator],
  });
  expect(credit).toBe(PAYMENT * BigInt(ids("Delivered").length));
}

test(
  "what a reorganisation takes back is not answered, and delivered again",
  { timeout: 120_000 },
  async () => {
    const kind = await consumer("kind");
    const reorganise = () => chain.reader.request({ method: "anvil_reorg", params: [1, []] } as never);
    clearInterval(mining);
    const lost = await ask(kind);
    await reorganise();
    expect(await status(lost)).toBe("none");
    const requestId = await ask(kind);
    await chain.cheats.mine({ blocks: 2 });
    await ends(requestId, "delivered");
    await reorganise();
    expect(await status(requestId)).toBe("open");
    keepMining();
    await ends(requestId, "delivered");
    const output = await chain.reader.readContract({ address: kind, abi: CONSUMER, functionName: "calls" });
    expect(output).toBe(1n);
  },
);

test("a person asks by the command and watches for the answer", { timeout: 90_000 }, async () => {
  const words = ["--deployment", file, "--rpc", chain.url, "--json"];
  const from = ["--from", chain.writer.wallet.account.address, "--url", service.url];
  const example = EXAMPLE.pathname;
  const payment = ["--payment", String(PAYMENT), "--deadline-seconds", "9000"];
  const asked = await runCommand(chainRequest, [MODEL, example, ...from, ...payment, ...words]);
  const { requestId, ...rest } = jsonLine(asked.stdout) as { requestId: Hex };
  expect([asked.status, rest]).toMatchObject([0, { ok: true }]);
  const watched = await runCommand(chainWatch, [requestId, "--timeout-seconds", "60", ...words]);
  expect(jsonLine(watched.stdout)).toMatchObject({ ok: true, status: "delivered", answer: { operator } });
  const unknown = await runCommand(chainWatch, [NONE, "--timeout-seconds", "1", ...words]);
  expect([unknown.status, jsonLine(unknown.stdout)]).toMatchObject([1, { code: "request_unknown" }]);
  const bad = await runCommand(chainRequest, [MODEL, ...words]);
  expect(bad.status).toBe(2);
});

test("an answer's every field is held to on chain", { timeout: 90_000 }, async () => {
  const [first] = await chain.reader.getContractEvents({
    address: coordinator,
    abi: inferenceCoordinatorAbi,
    eventName: "Delivered",
    fromBlock: 0n,
    strict: true,
  });
  const answer = (await deliveredAnswer(chain.reader, coordinator, first!.args.requestId, 0n))!;
  const receipt = answer.receipt!;
  // As it was just before, when the request was open.
  const deliver = (args: readonly [unknown, Hex]) => {
    const data = encodeFunctionData({
      abi: inferenceCoordinatorAbi,
      functionName: "deliver",
      args: args as never,
    });
    return chain.reader.call({ to: coordinator, data, blockNumber: answer.block - 1n, gas: 5_000_000n });
  };
  await deliver([receipt, "0x"]);
  for (const [name, value] of Object.entries(receipt.statement)) {
    const changed =
      typeof value === "string" ? flipped(value) : typeof value === "bigint" ? value ^ 1n : value ^ 1;
    const statement = { ...receipt.statement, [name]: changed };
    await expect(deliver([{ ...receipt, statement }, "0x"]), name).rejects.toThrow(/revert/);
  }
  for (const name of ["outputSalt", "encodedOutput"] as const)
    await expect(deliver([{ ...receipt, [name]: flipped(receipt[name]) }, "0x"]), name).rejects.toThrow(
      /revert/,
    );
});

function flipped(hex: Hex): Hex {
  const bytes = hexToBytes(hex);
  bytes[bytes.length - 1]! ^= 1;
  return `0x${Buffer.from(bytes).toString("hex")}`;
}
