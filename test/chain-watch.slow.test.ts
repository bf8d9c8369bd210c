/**
 * Two hundred requests of contracts to two services, with reorganisations, crashes, consumers that revert and burn gas, an operator
 * that never answers, one that copies, and rows that somebody changed: each is paid or refunded exactly once, to the wei.
 */
import {
  bytesToHex,
  createWalletClient,
  decodeFunctionData,
  hexToBytes,
  http,
  type Address,
  type Hex,
} from "viem";
import { foundry } from "viem/chains";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createClient } from "../client/index.ts";
import {
  deliveredAnswer,
  inferenceCoordinatorAbi,
  openingAt,
  type ContractReceipt,
} from "../client/chain/index.ts";
import { send } from "../client/chain/send.ts";
import { sameAddress } from "../service/chain/coordinator.ts";
import { inputCommitment } from "../receipts/index.ts";
import {
  CONSUMER,
  DEADLINE_SECONDS,
  exampleInput,
  NONE,
  PAYMENT,
  startAnsweredChain,
  type AnsweredChain,
  type Changes,
} from "./answered-chain.ts";
import { temporaryDirectory } from "./folder.ts";
import type { RunningService } from "./service-process.ts";
import { openStore } from "./service-store.ts";

const REQUESTS = 200;
const ETHER: Address = `0x${"00".repeat(20)}`;
const NOBODY: Address = `0x${"0b".repeat(20)}`;
const PAYEE: Address = `0x${"0d".repeat(20)}`;
const SALT = new Uint8Array(32).fill(0x5a);
const BOND = 1000n;
/** Of commitments, and of reveals: both end before the keysets do. */
const WINDOW_SECONDS = 7200;
const SETTINGS = { AFFIDAVIT_CHAIN_MAX_BOND_WEI: String(BOND) };

let world: AnsweredChain;
let second: RunningService & { operator: Address };
let consumers: Address[];
let copier: Address;
const otherFolder = temporaryDirectory();

beforeAll(async () => {
  world = await startAnsweredChain(SETTINGS);
  const payouts = { AFFIDAVIT_CHAIN_PAYEE: PAYEE, AFFIDAVIT_CHAIN_PAYOUTS: `ether=${3n * PAYMENT}` };
  const service = await world.serve({
    directory: otherFolder.path,
    environment: { ...SETTINGS, ...payouts },
  });
  await world.register(service);
  const view = (await (await fetch(`${service.url}/v1/chain`)).json()) as { operator: Address };
  second = { ...service, operator: view.operator };
  await world.chain.cheats.setBalance({ address: second.operator, value: 10n ** 18n });
  consumers = [];
  for (const mood of ["kind", "reverts", "burnsGas", "reentersDeliver"] as const)
    consumers.push(await world.consumer(mood));
  const [, other] = (await world.chain.reader.request({ method: "eth_accounts" } as never)) as Address[];
  copier = other!;
}, 300_000);

afterAll(async () => {
  await second?.stop();
  await world?.stop();
  otherFolder.remove();
});

/** What request number i is like. */
function wishOf(i: number): { from: Address; changes: Changes; isPrivate: boolean; isOpened: boolean } {
  const from = consumers[i % consumers.length]!;
  const isPrivate = i % 10 === 7;
  const changes: Changes = {};
  if (i % 20 === 0) changes.operator = NOBODY;
  if (i % 20 === 1) changes.payment = PAYMENT - 1n;
  if (i % 10 === 5) changes.operator = second.operator;
  if (isPrivate) changes.commitment = bytesToHex(inputCommitment(SALT, exampleInput()));
  return { from, changes, isPrivate, isOpened: isPrivate && i % 50 !== 7 };
}

async function reorganise(depth: number): Promise<void> {
  world.stopMining();
  await world.chain.reader.request({ method: "anvil_reorg", params: [depth, []] } as never);
  world.keepMining();
}

async function openFor(from: Address, nonce: bigint): Promise<void> {
  const opening = openingAt(world.deployment.chainId, world.coordinator, {
    requester: hexToBytes(from),
    nonce,
    modelId: hexToBytes(world.terms.modelId),
    policyDigest: hexToBytes(world.terms.policyDigest),
    circuitInput: hexToBytes(NONE),
    salt: SALT,
    input: exampleInput(),
  });
  const client = createClient({ url: world.service.url, policy: { allowSimulated: true } });
  await client.openChainRequest(opening);
}

async function spoil(sql: string, values: unknown[] = []): Promise<number> {
  const store = openStore(world.directory);
  const { rowCount } = await store.query(sql, values);
  await store.end();
  return rowCount ?? 0;
}

/** What goes wrong before request number i. */
const TROUBLE: Record<number, () => Promise<unknown>> = {
  30: () => reorganise(1),
  40: () => world.kill(),
  55: () => world.startAgain(),
  80: () => reorganise(2),
  // Deeper than the two confirmations.
  110: () => reorganise(5),
  130: async () => {
    await world.kill();
    await world.startAgain();
  },
  150: () =>
    spoil(
      "INSERT INTO chain_transactions (chain_id, nonce, subject, raw, sent_at) VALUES (31337, 100000, $1, $1, now())",
      [Buffer.alloc(32, 1)],
    ),
  160: () =>
    spoil("UPDATE chain_requests SET event = '{}' WHERE state = 'open' AND code = 'opening_missing'"),
  170: () => reorganise(1),
};

test(
  `${REQUESTS} requests and two panels, each paid or refunded exactly once`,
  { timeout: 1_200_000 },
  async () => {
    const started = Date.now();
    const asked: Hex[] = [];
    for (let i = 0; i < REQUESTS; i++) {
      await TROUBLE[i]?.();
      const { from, changes, isPrivate, isOpened } = wishOf(i);
      const nonce = isPrivate ? await world.read<bigint>("nonces", [from]) : 0n;
      asked.push(await world.ask(from, changes));
      // Where the service is down its requester comes again later.
      if (isOpened && world.service.child.exitCode === null && world.service.child.signalCode === null)
        await openFor(from, BigInt(nonce));
    }
    expect(new Set(asked).size).toBeGreaterThan(REQUESTS - 20);
    await settled();
    const panels = [await votedPanel(), await copiedPanel()];
    await world.pass(DEADLINE_SECONDS + WINDOW_SECONDS);
    for (const requestId of await openOnes())
      await send(world.chain.writer, {
        address: world.coordinator,
        abi: inferenceCoordinatorAbi,
        functionName: "refund",
        args: [requestId],
      });
    const counts = await everyRequestEndedOnce();
    for (const requestId of panels) expect(await world.status(requestId)).toBe("delivered");
    await escrowSums();
    expect(counts.delivered).toBeGreaterThan(140);
    expect(counts.refunded).toBeGreaterThan(15);
    process.stdout.write(
      `${JSON.stringify({ ...counts, seconds: Math.round((Date.now() - started) / 1000) })}\n`,
    );
  },
);

/** Until every request that a service would answer is. */
async function settled(): Promise<void> {
  let last = -1;
  for (let quiet = 0; quiet < 20;) {
    const { length } = await openOnes();
    quiet = length === last ? quiet + 1 : 0;
    last = length;
    await new Promise((done) => setTimeout(done, 500));
  }
}

async function openOnes(): Promise<Hex[]> {
  const events = await world.events();
  const ids = events.flatMap(({ eventName, args }) => (eventName === "Requested" ? [args.requestId] : []));
  const states = await Promise.all(ids.map((id) => world.status(id)));
  return ids.filter((_, i) => states[i] === "open");
}

const panelOf = (operators: Address[]) => ({
  operators,
  threshold: 2,
  commitSeconds: WINDOW_SECONDS,
  revealSeconds: WINDOW_SECONDS,
  bond: BOND,
});

async function committed(requestId: Hex, operator: Address): Promise<boolean> {
  const [commitment] = await world.read<Hex[]>("votes", [requestId, operator]);
  return commitment !== NONE;
}

/** Both services vote; one of them crashes between its commitment and its reveal. */
async function votedPanel(): Promise<Hex> {
  const requestId = await world.askPanel(panelOf([world.operator, second.operator, NOBODY]), {
    payment: 2n * PAYMENT + 1n,
  });
  for (const operator of [world.operator, second.operator])
    await expect.poll(() => committed(requestId, operator), { timeout: 60_000 }).toBe(true);
  await world.kill();
  await world.pass(WINDOW_SECONDS + 1);
  await world.startAgain();
  await world.ends(requestId, "delivered");
  return requestId;
}

/** A third operator commits to another's statement, and shows its receipt as its own. */
async function copiedPanel(): Promise<Hex> {
  const operators = [world.operator, second.operator, copier];
  const requestId = await world.askPanel(panelOf(operators), { payment: 2n * PAYMENT });
  for (const operator of operators.slice(0, 2))
    await expect.poll(() => committed(requestId, operator), { timeout: 60_000 }).toBe(true);
  const { receiptId } = (await world.get(`/v1/chain/requests/${requestId}`)) as { receiptId: string };
  const digest: Hex = `0x${receiptId}`;
  await asCopier("stake", [], BOND);
  await asCopier("commit", [
    requestId,
    await world.read("commitmentOfVote", [requestId, copier, digest, NONE]),
  ]);
  await world.pass(WINDOW_SECONDS + 1);
  const receipt = await revealedReceipt(requestId, world.operator);
  const copied = asCopier("reveal", [receipt, "0x", NONE]);
  await expect(copied).rejects.toMatchObject({ detail: "settlement_mismatch" });
  // The others wait for it until the reveals end, and conclude without it.
  await world.pass(WINDOW_SECONDS + 1);
  await world.ends(requestId, "delivered");
  await asCopier("forfeit", [requestId, copier]);
  const { operator } = (await deliveredAnswer(world.chain.reader, world.coordinator, requestId, 0n))!;
  expect([world.operator, second.operator]).toContain(operator);
  return requestId;
}

async function asCopier(functionName: string, args: unknown[], value = 0n) {
  const transport = http(world.chain.url);
  const wallet = createWalletClient({ account: copier, chain: foundry, transport });
  const call = { address: world.coordinator, abi: inferenceCoordinatorAbi, functionName, args, value };
  return await send({ reader: world.chain.reader, wallet }, call as never);
}

async function revealedReceipt(requestId: Hex, operator: Address): Promise<ContractReceipt> {
  const find = async () =>
    (await world.events()).find(
      ({ eventName, args }) =>
        eventName === "Revealed" && args.requestId === requestId && args.operator === operator,
    );
  await expect.poll(find, { timeout: 60_000 }).toBeDefined();
  const { transactionHash: hash } = (await find())!;
  const { input } = await world.chain.reader.getTransaction({ hash });
  return decodeFunctionData({ abi: inferenceCoordinatorAbi, data: input }).args![0] as ContractReceipt;
}

async function everyRequestEndedOnce(): Promise<{ requested: number; delivered: number; refunded: number }> {
  const events = await world.events();
  const ids = (name: string) =>
    events.flatMap((event) =>
      event.eventName === name ? [(event.args as { requestId: Hex }).requestId] : [],
    );
  const [requested, delivered, refunded] = [ids("Requested"), ids("Delivered"), ids("Refunded")];
  expect([...delivered, ...refunded].toSorted()).toEqual(requested.toSorted());
  // The kind consumer was told of each of its answers once.
  const own = events.filter(
    ({ eventName, args }) => eventName === "Requested" && sameAddress(args.requester, consumers[0]!),
  );
  const told = own.filter(({ args }) => delivered.includes((args as { requestId: Hex }).requestId)).length;
  const call = { address: consumers[0]!, abi: CONSUMER, functionName: "calls" } as const;
  expect(await world.chain.reader.readContract(call)).toBe(BigInt(told));
  return { requested: requested.length, delivered: delivered.length, refunded: refunded.length };
}

/** All that came in is credited, staked or fetched. */
async function escrowSums(): Promise<void> {
  const { reader, writer } = world.chain;
  const accounts = [
    ...consumers,
    writer.wallet.account.address,
    world.operator,
    second.operator,
    copier,
    PAYEE,
  ];
  const sum = async (name: "credits" | "stakes") => {
    const args = (account: Address) => (name === "credits" ? [ETHER, account] : [account]);
    const held = await Promise.all(accounts.map((account) => world.read<bigint>(name, args(account))));
    return held.reduce((total, one) => total + one, 0n);
  };
  const held = (await sum("credits")) + (await sum("stakes"));
  expect(await reader.getBalance({ address: world.coordinator })).toBe(held);
  const events = await world.events();
  const of = (name: string) =>
    events.flatMap(({ eventName, args }) => (eventName === name ? [args as Record<string, unknown>] : []));
  const paidIn = of("Requested").reduce(
    (total, { terms }) => total + (terms as { payment: bigint }).payment,
    0n,
  );
  const credited = of("Credited").reduce((total, { amount }) => total + (amount as bigint), 0n);
  const bonds = of("Forfeited").reduce((total, { bond }) => total + (bond as bigint), 0n);
  expect(credited - bonds).toBe(paidIn);
  // The second service's earnings went to its payee, and nowhere else.
  const fetched = of("Withdrawn").reduce((total, { amount }) => total + (amount as bigint), 0n);
  expect(fetched).toBeGreaterThanOrEqual(3n * PAYMENT);
  expect(await reader.getBalance({ address: PAYEE })).toBe(fetched);
}
