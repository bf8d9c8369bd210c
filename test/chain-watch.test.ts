/** Contracts ask, the service answers, and whatever goes wrong in between, each request is paid or refunded exactly once. */
import { encodeFunctionData, hexToBytes, parseAbi, zeroAddress, type Address, type Hex } from "viem";
import { afterAll, beforeAll, expect, test } from "vitest";
import { deliveredAnswer, inferenceCoordinatorAbi, receiptVerifierAbi } from "../client/chain/index.ts";
import { send } from "../client/chain/send.ts";
import { chainRequest } from "../client/cli/commands/chain-request.ts";
import { chainWatch } from "../client/cli/commands/chain-watch.ts";
import { jsonLine, runCommand } from "../client/cli/testing/run-command.ts";
import {
  CONSUMER,
  DEADLINE_SECONDS,
  EXAMPLE,
  MODEL,
  NONE,
  PAYMENT,
  startAnsweredChain,
  type AnsweredChain,
} from "./answered-chain.ts";
import type { Chain } from "./anvil.ts";
import { panelTests } from "./chain-panel-cases.ts";
import { privateRequestTests } from "./chain-private-cases.ts";

const NOBODY: Address = `0x${"0b".repeat(20)}`;

let world: AnsweredChain;
let chain: Chain;
let coordinator: Address;
let operator: Address;

beforeAll(async () => {
  world = await startAnsweredChain({ AFFIDAVIT_CHAIN_MAX_BOND_WEI: "1000" });
  ({ chain, coordinator, operator } = world);
}, 240_000);

afterAll(() => world?.stop());

test("a consumer asks and gets the verified answer in its callback", { timeout: 90_000 }, async () => {
  const kind = await world.consumer("kind");
  const requestId = await world.ask(kind);
  await world.ends(requestId, "delivered");
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
    consumers.push(await world.consumer(mood));
  const delivered: Hex[] = [];
  for (let i = 0; i < 12; i++) delivered.push(await world.ask(consumers[i % 4]!));
  // The service is killed in the middle of it, and again takes up what it finds.
  await world.ends(delivered[0]!, "delivered");
  await world.kill();
  const refused = [
    await world.ask(consumers[0]!, { operator: NOBODY }),
    await world.ask(consumers[1]!, { operator: NOBODY }),
    await world.ask(consumers[2]!, { payment: PAYMENT - 1n }),
    await world.ask(consumers[3]!, { payment: 0n }),
  ];
  for (let i = 0; i < 4; i++) delivered.push(await world.ask(consumers[i]!));
  await world.startAgain();
  for (const requestId of delivered) await world.ends(requestId, "delivered");
  for (const requestId of refused) expect(await world.status(requestId)).toBe("open");

  await copyFails(delivered[0]!, refused[0]!);
  await world.pass(DEADLINE_SECONDS + 1);
  for (const requestId of refused) {
    const call = { address: coordinator, abi: inferenceCoordinatorAbi } as const;
    await send(chain.writer, { ...call, functionName: "refund", args: [requestId] });
  }
  for (const requestId of refused) await world.ends(requestId, "refunded");
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
    const kind = await world.consumer("kind");
    const reorganise = () => chain.reader.request({ method: "anvil_reorg", params: [1, []] } as never);
    world.stopMining();
    const lost = await world.ask(kind);
    await reorganise();
    expect(await world.status(lost)).toBe("none");
    const requestId = await world.ask(kind);
    await chain.cheats.mine({ blocks: 2 });
    await world.ends(requestId, "delivered");
    await reorganise();
    expect(await world.status(requestId)).toBe("open");
    world.keepMining();
    await world.ends(requestId, "delivered");
    const output = await chain.reader.readContract({ address: kind, abi: CONSUMER, functionName: "calls" });
    expect(output).toBe(1n);
  },
);

test("a person asks by the command and watches for the answer", { timeout: 90_000 }, async () => {
  const words = ["--deployment", world.file, "--rpc", chain.url, "--json"];
  const from = ["--from", chain.writer.wallet.account.address, "--url", world.service.url];
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

test("code that the requester pins is this service's, or it declines", { timeout: 90_000 }, async () => {
  const { receiptVerifier } = world.deployment;
  const declined = await world.ask(undefined, { pinned: true });
  await world.becomes(declined, { state: "declined", code: "code_not_pinned" });
  const registered = await chain.reader.getContractEvents({
    address: receiptVerifier,
    abi: receiptVerifierAbi,
    eventName: "Registered",
    fromBlock: 0n,
    strict: true,
  });
  const { referenceValueId } = registered.at(-1)!.args;
  await world.write(receiptVerifier, receiptVerifierAbi, "pin", [referenceValueId, true]);
  const requestId = await world.ask(undefined, { pinned: true });
  await world.ends(requestId, "delivered");
  const { receipt } = (await deliveredAnswer(chain.reader, coordinator, requestId, 0n))!;
  expect(receipt!.referenceValueId).toBe(referenceValueId);
});

function flipped(hex: Hex): Hex {
  const bytes = hexToBytes(hex);
  bytes[bytes.length - 1]! ^= 1;
  return `0x${Buffer.from(bytes).toString("hex")}`;
}

privateRequestTests(() => world);
panelTests(() => world);
