/** Random operations through the ledger's writer beside plain numbers, with crashes in the middle of each kind. */
import { expect } from "vitest";
import type { Signatory } from "../balances/testing/owners.ts";
import { CRASH_POINTS, type CrashPoint, type LedgerDesk } from "./ledger-writer.ts";

const KINDS = ["credit", "debit", "privateDebit", "transfer", "deposit", "freeze"] as const;
type Kind = (typeof KINDS)[number];

export interface DeskRun {
  owners: readonly Signatory[];
  operations: number;
  seed: number;
  onOperation?: (index: number, kind: Kind) => void;
}

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

/**
 * Kinds and crash points in turn, on random accounts and amounts, some above the balance. Most fall over once and are run
 * again; after each, every balance, and what was issued, is what the plain numbers say.
 */
export async function runDesk(desk: LedgerDesk, { owners, operations, seed, onOperation }: DeskRun) {
  const random = numbers(seed);
  const model = new Map(owners.map((by) => [by, 0n]));
  const crashes = Object.fromEntries(
    KINDS.flatMap((kind) => pointsOf(kind).map((point) => [`${kind} ${point}`, 0])),
  );
  let issued = 0n;
  let spent = 0n;
  for (let i = 0; i < operations; i++) {
    const kind = KINDS[i % KINDS.length]!;
    const points = pointsOf(kind);
    // Each point in turn, then none.
    const point = points[Math.floor(i / KINDS.length) % (CRASH_POINTS.length + 1)];
    const index = random(owners.length);
    const [by, to] = [owners[index]!, owners[(index + 1) % owners.length]!];
    const balance = model.get(by)!;
    const amount = BigInt(random(1 + Number(balance) * 2)) + 1n;
    const taken = amount <= balance ? amount : 0n;
    const { sequence } = await desk.state(by);
    desk.crashAt = point;
    if (point) crashes[`${kind} ${point}`]!++;
    onOperation?.(i, kind);
    const row = await run(desk, kind, { by, to, amount });
    expect(desk.crashAt, `operation ${i} (${kind}) reaches ${point}`).toBeUndefined();
    expect(row, `operation ${i} (${kind}, ${point})`).toMatchObject({
      state: "done",
      sequence: sequence + 1n,
    });
    if (kind === "credit" || kind === "deposit") {
      model.set(by, balance + amount);
      issued += amount;
    } else if (kind !== "freeze") {
      expect(row.sufficient).toBe(amount <= balance);
      model.set(by, balance - taken);
      if (kind === "transfer") model.set(to, model.get(to)! + taken);
      else spent += taken;
    }
    for (const [owner, expected] of model)
      expect(await desk.balance(owner), `after operation ${i} (${kind}, ${point}) of seed ${seed}`).toBe(
        expected,
      );
    expect(
      [...model.values()].reduce((sum, each) => sum + each),
      "supply",
    ).toBe(issued - spent);
    expect(await desk.issued()).toBe(issued);
  }
  return { crashes };
}

/** Nothing is computed where only the account's state changes. */
function pointsOf(kind: Kind): readonly CrashPoint[] {
  return kind === "freeze" ? CRASH_POINTS.filter((point) => point !== "computed") : CRASH_POINTS;
}

async function run(
  desk: LedgerDesk,
  kind: Kind,
  { by, to, amount }: { by: Signatory; to: Signatory; amount: bigint },
) {
  switch (kind) {
    case "credit":
      return desk.run(by, desk.credit(by, amount));
    case "debit":
      return desk.run(by, await desk.debit(by, amount));
    case "privateDebit":
      return desk.run(by, await desk.privateDebit(by, amount));
    case "transfer":
      return desk.run(by, await desk.transfer(by, to, amount));
    case "deposit":
      return desk.run(by, await desk.deposit(by, amount));
    case "freeze": {
      const row = await desk.run(by, desk.order(by, "freeze"));
      const refused = await desk.run(by, await desk.debit(by, 1n));
      expect(refused).toMatchObject({ state: "refused", code: "ledger_account_frozen" });
      expect(await desk.run(by, desk.order(by, "unfreeze"))).toMatchObject({ state: "done" });
      return row;
    }
  }
}
