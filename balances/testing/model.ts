/** Random operations on encrypted balances beside plain numbers. */
import { expect } from "vitest";
import { sha256, utf8 } from "../../codec/index.ts";
import type { Command } from "../command.ts";
import type { BalanceKey } from "../keys.ts";
import { OPERATIONS } from "../operation.ts";
import { proofMetadata } from "../request.ts";
import type { TestLedger } from "./ledger.ts";
import { signOrder, signRequest, type Signatory } from "./owners.ts";

export interface ModelRun {
  ledger: TestLedger;
  key: BalanceKey;
  /** Two. */
  owners: readonly Signatory[];
  operator: Signatory;
  prove(amountAtomic: bigint, metadata: Uint8Array): Promise<Uint8Array>;
  /** In turn, over and over. */
  kinds: readonly ModelKind[];
  operations: number;
  seed: number;
}

export const MODEL_KINDS = ["credit", "debit", "privateDebit", "transfer", "allowance"] as const;
export type ModelKind = (typeof MODEL_KINDS)[number];

/** xorshift32: the same operations for a seed, so that a failure can be run again. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

/** On random accounts and amounts, some above the balance; each balance is compared after each. */
export async function runModel(run: ModelRun): Promise<void> {
  const random = numbers(run.seed);
  const model = new Map(run.owners.map((by) => [by, 0n]));
  for (const by of run.owners) run.ledger.open(by, await run.key.encrypt(0n));
  for (let i = 0; i < run.operations; i++) {
    const kind = run.kinds[i % run.kinds.length]!;
    const index = random(2);
    const by = run.owners[index]!;
    const balance = model.get(by)!;
    const amount = BigInt(random(1 + Number(balance) * 2)) + 1n;
    const taken = amount <= balance ? amount : 0n;
    if (kind === "credit") {
      await addCredit(run, by, amount + 1000n);
      model.set(by, balance + amount + 1000n);
    } else if (kind === "transfer") {
      const to = run.owners[1 - index]!;
      await transfer(run, by, to, amount);
      model.set(by, balance - taken).set(to, model.get(to)! + taken);
    } else if (kind === "allowance") {
      const left = await allowance(run, by, amount);
      model.set(by, balance - taken + left);
    } else {
      await debit(run, by, kind, amount);
      model.set(by, balance - taken);
    }
    for (const [owner, expected] of model) {
      const context = `operation ${i} (${kind}) of seed ${run.seed}`;
      expect(await run.key.decryptAmount(run.ledger.balance(owner)), context).toBe(expected);
    }
  }
}

async function addCredit({ ledger, operator }: ModelRun, by: Signatory, amountAtomic: bigint): Promise<void> {
  const { serverKeyDigest } = ledger.context;
  const members = { account: by.account, operation: OPERATIONS.credit, amountAtomic, serverKeyDigest };
  const voucher = signOrder(operator, members);
  const { account, reference } = voucher.order;
  const credit = { source: "voucher", account, reference, amountAtomic, voucher } as const;
  await ledger.run(by, { operation: "credit", credit });
}

function base({ ledger }: ModelRun, by: Signatory, operation: number) {
  const requestSequence = ledger.state(by).requestSequence + 1n;
  return { operation, requestSequence, serverKeyDigest: ledger.context.serverKeyDigest };
}

async function debit(
  run: ModelRun,
  by: Signatory,
  operation: "debit" | "privateDebit",
  amount: bigint,
): Promise<void> {
  const members = base(run, by, OPERATIONS[operation]);
  if (operation === "debit") {
    const asked = signRequest(by, { ...members, amountAtomic: amount });
    await run.ledger.run(by, { operation, ...asked });
  } else {
    await run.ledger.run(by, { operation, ...(await proven(run, by, members, amount)) });
  }
}

async function proven(
  run: ModelRun,
  by: Signatory,
  members: ReturnType<typeof base> & { subject?: Uint8Array },
  amount: bigint,
) {
  const list = await run.prove(amount, proofMetadata({ ...members, account: by.account }));
  return { ...signRequest(by, { ...members, operandDigest: sha256(list) }), proven: list };
}

async function transfer(run: ModelRun, by: Signatory, to: Signatory, amount: bigint): Promise<void> {
  const members = { ...base(run, by, OPERATIONS.transferOut), subject: to.account };
  const command: Command = { operation: "transferOut", ...(await proven(run, by, members, amount)) };
  const { entry, outcome } = await run.ledger.run(by, command);
  const arrival = { from: by.account, sequence: entry.sequence, taken: outcome.taken! };
  await run.ledger.run(to, { operation: "transferIn", ...arrival });
}

/** @returns what of it was not spent and came back: half, where it was granted */
async function allowance(run: ModelRun, by: Signatory, amount: bigint): Promise<bigint> {
  const members = { ...base(run, by, OPERATIONS.allowance), operandDigest: sha256(utf8("sealed")) };
  const encrypted = await run.key.encrypt(amount);
  const granted = await run.ledger.run(by, {
    operation: "allowance",
    ...signRequest(by, members),
    amount: encrypted,
  });
  const covered = await run.key.decryptBit(granted.outcome.sufficient!);
  const left = covered ? amount / 2n : 0n;
  const refund = { sequence: granted.entry.sequence, amount: await run.key.encrypt(left) };
  await run.ledger.run(by, { operation: "refund", ...refund });
  return left;
}
