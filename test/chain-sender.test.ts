/** Transactions of the chain key on a chain that does not take them: waiting, replaced, forgotten, lost, made up. */
import {
  bytesToHex,
  encodeFunctionData,
  getAddress,
  hexToBytes,
  keccak256,
  toFunctionSelector,
  zeroAddress,
  type Address,
} from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { sha256, utf8 } from "../codec/index.ts";
import { Coordinator, coordinatorCall } from "../service/chain/coordinator.ts";
import { ChainNode } from "../service/chain/node.ts";
import { Sender, type SenderEvent } from "../service/chain/sender.ts";
import { addTransaction, listTransactions } from "../service/db/index.ts";
import type { Vault } from "../vault/index.ts";
import { start } from "../vault/vault.test-support.ts";
import { startAnvil, type Chain } from "./anvil.ts";
import { buildContracts } from "./contracts-build.ts";
import { createTestDatabase, type TestDatabase } from "./postgres.ts";

const GWEI = 10n ** 9n;
const LIMIT = 10n ** 16n;
const CHAIN_ID = 31337n;
const ONE = sha256(utf8("one"));
const TWO = sha256(utf8("two"));

let chain: Chain;
let vault: Vault;
let node: ChainNode;
let coordinator: Coordinator;
let account: Address;
let database: TestDatabase;
let sender: Sender;
let events: SenderEvent[] = [];
let nowMs = Date.now();

beforeAll(async () => {
  await buildContracts();
  chain = await startAnvil({ nowSeconds: Math.floor(Date.now() / 1000) });
  const { address } = await chain.deploy("InferenceCoordinator", [zeroAddress, zeroAddress]);
  const policy = {
    address: address.toLowerCase(),
    selectors: [toFunctionSelector("function stake()"), toFunctionSelector("function unstake(uint256)")],
    pinned: [],
    maxWeiPerHour: 10n ** 18n,
  };
  const limits = { maxWeiPerTransaction: LIMIT, maxWeiPerHour: 10n ** 18n };
  vault = await start(undefined, [], {
    chain: { chainId: Number(CHAIN_ID), contracts: [policy], ...limits },
  });
  account = getAddress(bytesToHex(await vault.chainAccount()));
  node = new ChainNode(chain.reader, Number(CHAIN_ID));
  coordinator = new Coordinator(node, address);
  await chain.cheats.setBalance({ address: account, value: 10n ** 18n });
  await chain.cheats.setAutomine(false);
}, 60_000);

beforeEach(async () => {
  database = await createTestDatabase();
  await settle(GWEI);
  events = [];
  sender = newSender();
  return () => database.remove();
});

afterAll(() => chain?.stop());

const onEvent = (event: SenderEvent) => void events.push(event);

function newSender(): Sender {
  const sessions = { current: () => ({ vault }) as never };
  const parts = { database, sessions, node, account, maxWeiPerTransaction: LIMIT, onEvent };
  return new Sender({ ...parts, nowMs: () => nowMs });
}

/** A block with this price, and everything in it that pays it. */
async function settle(baseFeePerGas: bigint): Promise<void> {
  await chain.cheats.setNextBlockBaseFeePerGas({ baseFeePerGas });
  await chain.cheats.mine({ blocks: 1 });
}

const tend = async () => sender.tend(await node.head());
const stake = (subject: Uint8Array, wei: bigint) =>
  sender.send(subject, coordinatorCall(coordinator.address, "stake", [], wei));
const kept = () => listTransactions(database, CHAIN_ID);

const replacements = () => events.filter(({ kind }) => kind === "replaced");

/** What was put up since. */
async function staking(): Promise<() => Promise<bigint>> {
  const before = await coordinator.stake(account);
  return async () => (await coordinator.stake(account)) - before;
}

test("one that the price has left behind is replaced at a higher one, and done once", async () => {
  const staked = await staking();
  await stake(ONE, 5n);
  await settle(40n * GWEI);
  expect(await staked()).toBe(0n);
  await tend();
  expect(replacements()).toEqual([]);
  nowMs += 61_000;
  await tend();
  expect(replacements()).toHaveLength(1);
  expect(await kept()).toHaveLength(1);
  expect(await sender.isUnderWay(ONE)).toBe(true);
  await settle(40n * GWEI);
  expect(await staked()).toBe(5n);
  expect(await sender.isUnderWay(ONE)).toBe(false);
  await tend();
  expect(await kept()).toEqual([]);
});

test("above the limit of a transaction it waits for the price to fall, and nothing comes after it", async () => {
  const staked = await staking();
  await stake(ONE, 5n);
  await settle(10_000n * GWEI);
  nowMs += 61_000;
  await tend();
  const first = (await kept())[0]!.raw;
  nowMs += 61_000;
  await tend();
  expect((await kept())[0]!.raw).toEqual(first);
  await expect(stake(TWO, 7n)).rejects.toMatchObject({ code: "chain_limit_reached" });
  expect(await kept()).toHaveLength(1);
  await settle(GWEI);
  await tend();
  await settle(GWEI);
  expect(await staked()).toBe(5n);
});

test("a node that forgot them is told again, also after a crash between keeping and sending", async () => {
  const staked = await staking();
  await stake(ONE, 5n);
  await stake(TWO, 7n);
  for (const { raw } of await kept()) await drop(raw);
  await settle(GWEI);
  expect(await staked()).toBe(0n);
  sender = newSender();
  await tend();
  await settle(GWEI);
  expect(await staked()).toBe(12n);
});

test("a gap is filled before what comes after it", async () => {
  const staked = await staking();
  await stake(ONE, 5n);
  await stake(TWO, 7n);
  const [first] = await kept();
  await drop(first!.raw);
  await database.pool.query("DELETE FROM chain_transactions WHERE nonce = $1", [String(first!.nonce)]);
  await stake(ONE, 11n);
  expect((await kept()).map(({ nonce }) => nonce)).toEqual([first!.nonce, first!.nonce + 1n]);
  await tend();
  await settle(GWEI);
  expect(await staked()).toBe(18n);
});

test("two replicas at one time take two nonces", async () => {
  const staked = await staking();
  const other = newSender();
  const call = coordinatorCall(coordinator.address, "stake", [], 1n);
  await Promise.all([sender.send(ONE, call), other.send(TWO, call)]);
  for (let tries = 0; tries < 2; tries++) {
    for (const subject of [ONE, TWO])
      if (!(await sender.isUnderWay(subject))) await sender.send(subject, call);
  }
  await settle(GWEI);
  expect(await staked()).toBe(2n);
});

test("rows that somebody else wrote are forgotten, and hold nothing up", async () => {
  const staked = await staking();
  const nonce = await node.transactions(account, "pending");
  const made = { subject: ONE, sentAt: new Date(nowMs) };
  await addTransaction(database, CHAIN_ID, { ...made, nonce, raw: hexToBytes("0x02c0") });
  await stake(TWO, 7n);
  const { raw } = (await kept())[1]!;
  // A copy of a genuine one, under another nonce.
  await addTransaction(database, CHAIN_ID, { ...made, nonce: nonce + 2n, raw });
  await tend();
  expect((await kept()).map((one) => one.nonce)).toEqual([nonce + 1n]);
  await stake(ONE, 5n);
  await settle(GWEI);
  expect(await staked()).toBe(12n);
});

test("a call that somebody else wrote is not signed because it waits", async () => {
  const staked = await staking();
  const nonce = await node.transactions(account, "pending");
  const call = coordinatorCall(coordinator.address, "stake", [], 5n);
  const signed = await privateKeyToAccount(generatePrivateKey()).signTransaction({
    type: "eip1559",
    chainId: Number(CHAIN_ID),
    nonce: Number(nonce),
    gas: 100_000n,
    to: call.address,
    value: 5n,
    data: encodeFunctionData(call),
    maxFeePerGas: 2n * GWEI,
    maxPriorityFeePerGas: GWEI,
  });
  const written = { nonce, subject: ONE, raw: hexToBytes(signed), sentAt: new Date(nowMs - 61_000) };
  await addTransaction(database, CHAIN_ID, written);
  await tend();
  expect(replacements()).toEqual([]);
  expect(await kept()).toEqual([]);
  await settle(GWEI);
  expect(await staked()).toBe(0n);
});

test("what the chain refuses is not sent", async () => {
  const call = coordinatorCall(coordinator.address, "unstake", [10n ** 30n]);
  await expect(sender.send(ONE, call)).rejects.toMatchObject({ detail: "stake_too_low" });
  const withdraw = coordinatorCall(coordinator.address, "withdraw", [zeroAddress, account, 0n]);
  await expect(sender.send(ONE, withdraw)).rejects.toMatchObject({ code: "chain_call_refused" });
  expect(await kept()).toEqual([]);
});

async function drop(raw: Uint8Array): Promise<void> {
  await chain.cheats.dropTransaction({ hash: keccak256(raw) });
}
