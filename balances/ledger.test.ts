/** The ledger's rules and its audit, on plain numbers in place of ciphertexts. */
import { describe, expect, it } from "vitest";
import { concat, sha256, toHex, toHex0x, utf8 } from "../codec/index.ts";
import { STATEMENT_FIELDS } from "../receipts/index.ts";
import { advance, type AccountState } from "./account.ts";
import { auditAccount } from "./audit.ts";
import type { Command } from "./command.ts";
import { voucherCredits, type Credit } from "./credit-source.ts";
import type { BalanceErrorCode } from "./error.ts";
import { parseOperand } from "./operand.ts";
import { OPERATIONS } from "./operation.ts";
import { proofMetadata } from "./request.ts";
import { MAX_SUPPLY_ATOMIC } from "./supply.ts";
import { plainEvaluator, readPlain, TestLedger } from "./testing/ledger.ts";
import {
  ed25519Owner,
  nextReference,
  NOW_MS,
  secp256k1Owner,
  signOrder,
  signRequest,
  type Signatory,
} from "./testing/owners.ts";

const serverKeyDigest = sha256(utf8("server key"));
const operator = secp256k1Owner("operator");
const alice = secp256k1Owner("alice");
const bob = ed25519Owner("bob");
const withCode = (name: string) => expect.objectContaining({ code: name });
const context = { serverKeyDigest, operator: operator.owner };

const plain = (amount: bigint, salt = nextReference()): Uint8Array => {
  const bytes = new Uint8Array(40);
  new DataView(bytes.buffer).setBigUint64(0, amount);
  bytes.set(salt, 8);
  return bytes;
};

function voucherOf(account: Uint8Array, amountAtomic: bigint, reference = nextReference()): Credit {
  const members = { account, operation: OPERATIONS.credit, amountAtomic, reference, serverKeyDigest };
  return { source: "voucher", account, reference, amountAtomic, voucher: signOrder(operator, members) };
}

function voucher(...of: Parameters<typeof voucherOf>): Command {
  return { operation: "credit", credit: voucherOf(...of) };
}

function paymentOf(account: Uint8Array, amountAtomic: bigint): Credit {
  return { source: "payment", account, reference: nextReference(), amountAtomic, voucher: null };
}

type Proven = "deposit" | "privateDebit" | "transferOut";

function proven(ledger: TestLedger, by: Signatory, operation: Proven, amount: bigint, subject?: Uint8Array) {
  const requestSequence = ledger.state(by).requestSequence + 1n;
  const base = { operation: OPERATIONS[operation], requestSequence, serverKeyDigest };
  const list = concat(proofMetadata({ ...base, account: by.account }), plain(amount).subarray(0, 8));
  const signed = signRequest(by, { ...base, operandDigest: sha256(list), ...(subject ? { subject } : {}) });
  return { ...signed, proven: list };
}

function debit(ledger: TestLedger, by: Signatory, amountAtomic: bigint): Command {
  const requestSequence = ledger.state(by).requestSequence + 1n;
  const members = { operation: OPERATIONS.debit, requestSequence, amountAtomic, serverKeyDigest };
  return { operation: "debit", ...signRequest(by, members) };
}

function order(operation: "freeze" | "unfreeze", account: Uint8Array, by = operator): Command {
  const members = { account, operation: OPERATIONS[operation], reference: nextReference(), serverKeyDigest };
  return { operation, ...signOrder(by, members) };
}

function newLedger(): TestLedger {
  const ledger = new TestLedger(context, plainEvaluator());
  ledger.open(alice, plain(0n));
  ledger.open(bob, plain(0n));
  return ledger;
}

async function refused(ledger: TestLedger, by: Signatory, command: Command): Promise<BalanceErrorCode> {
  const before = { state: ledger.state(by), entries: ledger.published.length };
  const code = await ledger.run(by, command).then(
    () => undefined,
    (error: { code: BalanceErrorCode }) => error.code,
  );
  expect({ state: ledger.state(by), entries: ledger.published.length }).toEqual(before);
  expect(code).toBeDefined();
  return code!;
}

/** Every operation once. */
async function history(): Promise<TestLedger> {
  const ledger = newLedger();
  await ledger.run(alice, voucher(alice.account, 1000n));
  await ledger.run(alice, debit(ledger, alice, 100n));
  await ledger.run(alice, { operation: "privateDebit", ...proven(ledger, alice, "privateDebit", 50n) });
  const { entry, outcome } = await ledger.run(alice, {
    operation: "transferOut",
    ...proven(ledger, alice, "transferOut", 200n, bob.account),
  });
  const arrival = { from: alice.account, sequence: entry.sequence, taken: outcome.taken! };
  await ledger.run(bob, { operation: "transferIn", ...arrival });
  const credit = paymentOf(bob.account, 30n);
  const deposit = proven(ledger, bob, "deposit", 30n, credit.reference);
  await ledger.run(bob, { operation: "deposit", ...deposit, credit });
  const allowance = signRequest(bob, {
    operation: OPERATIONS.allowance,
    requestSequence: ledger.state(bob).requestSequence + 1n,
    operandDigest: sha256(utf8("sealed part")),
    serverKeyDigest,
  });
  const granted = await ledger.run(bob, { operation: "allowance", ...allowance, amount: plain(40n) });
  await ledger.run(bob, { operation: "refund", sequence: granted.entry.sequence, amount: plain(15n) });
  await ledger.run(bob, order("freeze", bob.account));
  await ledger.run(bob, order("unfreeze", bob.account));
  return ledger;
}

describe("the ledger", () => {
  it("carries every operation out and can be audited", async () => {
    const ledger = await history();
    expect(readPlain(ledger.balance(alice))).toBe(650n);
    expect(readPlain(ledger.balance(bob))).toBe(205n);
    expect(ledger.supply.issuedAtomic).toBe(1030n);
    expect(ledger.supply.underWay).toBe(0);
    for (const by of [alice, bob]) {
      const { state, verdict } = await auditAccount(ledger, by.account, {
        context,
        evaluator: ledger.evaluator,
      });
      expect({ state, verdict }).toEqual({ state: ledger.state(by), verdict: "agrees" });
    }
  });

  it("takes nothing where the balance does not cover it", async () => {
    const ledger = newLedger();
    await ledger.run(alice, voucher(alice.account, 10n));
    const { outcome } = await ledger.run(alice, debit(ledger, alice, 11n));
    expect([readPlain(outcome.sufficient!), readPlain(ledger.balance(alice))]).toEqual([0n, 10n]);
  });

  it("refuses replays and requests out of order, whatever arrived in between", async () => {
    const ledger = newLedger();
    await ledger.run(alice, voucher(alice.account, 100n));
    const first = debit(ledger, alice, 1n);
    await ledger.run(alice, voucher(alice.account, 100n));
    await ledger.run(alice, first);
    expect(await refused(ledger, alice, first)).toBe("request_replayed");
    const members = { operation: OPERATIONS.debit, amountAtomic: 1n, serverKeyDigest };
    const early = signRequest(alice, { ...members, requestSequence: 3n });
    expect(await refused(ledger, alice, { operation: "debit", ...early })).toBe("request_out_of_order");
  });

  it("refuses a proof of another account or request", async () => {
    const ledger = newLedger();
    const metadata = { account: bob.account, requestSequence: 1n, operation: OPERATIONS.privateDebit };
    const list = concat(proofMetadata({ ...metadata, serverKeyDigest }), plain(1n).subarray(0, 8));
    const base = { operation: OPERATIONS.privateDebit, operandDigest: sha256(list), serverKeyDigest };
    const command: Command = { operation: "privateDebit", ...signRequest(alice, base), proven: list };
    expect(await refused(ledger, alice, command)).toBe("proof_invalid");
    expect(await refused(ledger, alice, { ...command, proven: plain(1n) })).toBe("operand_mismatch");
  });

  it("refuses another operation than the owner's, and another account's request", async () => {
    const ledger = newLedger();
    const asked = proven(ledger, alice, "privateDebit", 1n);
    const other = { operation: "deposit", ...asked, credit: paymentOf(alice.account, 1n) } as const;
    expect(await refused(ledger, alice, other)).toBe("entry_invalid");
    expect(await refused(ledger, bob, { operation: "privateDebit", ...asked })).toBe("account_mismatch");
  });

  it("lets a frozen account receive and be refunded, and spend nothing", async () => {
    const ledger = newLedger();
    await ledger.run(alice, voucher(alice.account, 100n));
    expect(await refused(ledger, alice, order("unfreeze", alice.account))).toBe("operation_invalid");
    expect(await refused(ledger, alice, order("freeze", alice.account, bob))).toBe("signature_invalid");
    expect(await refused(ledger, alice, order("freeze", bob.account))).toBe("account_mismatch");
    await ledger.run(alice, order("freeze", alice.account));
    expect(await refused(ledger, alice, debit(ledger, alice, 1n))).toBe("account_frozen");
    const transfer = proven(ledger, alice, "transferOut", 1n, bob.account);
    expect(await refused(ledger, alice, { operation: "transferOut", ...transfer })).toBe("account_frozen");
    await ledger.run(alice, voucher(alice.account, 1n));
    await ledger.run(alice, order("unfreeze", alice.account));
    await ledger.run(alice, debit(ledger, alice, 1n));
  });

  it("makes no money: vouchers, supply, transfers and refunds count once", async () => {
    const ledger = newLedger();
    const reference = nextReference();
    await ledger.run(alice, voucher(alice.account, 100n, reference));
    expect(await refused(ledger, bob, voucher(bob.account, 100n, reference))).toBe("reference_used");
    expect(await refused(ledger, bob, voucher(bob.account, MAX_SUPPLY_ATOMIC - 99n))).toBe("supply_overflow");
    const honest = voucherOf(bob.account, 5n);
    const forged = (members: Partial<Credit>): Command => ({
      operation: "credit",
      credit: { ...honest, ...members },
    });
    expect(await refused(ledger, bob, forged({ amountAtomic: 6n }))).toBe("operand_mismatch");
    expect(await refused(ledger, bob, forged({ reference: nextReference() }))).toBe("operand_mismatch");
    expect(await refused(ledger, bob, forged({ source: "payment" }))).toBe("operand_invalid");
    expect(await refused(ledger, bob, forged({ voucher: null }))).toBe("operand_invalid");
    expect(await refused(ledger, alice, forged({}))).toBe("account_mismatch");
    const other = proven(ledger, bob, "deposit", 5n, nextReference());
    const deposit: Command = { operation: "deposit", ...other, credit: honest };
    expect(await refused(ledger, bob, deposit)).toBe("operand_mismatch");
    const { entry, outcome } = await ledger.run(alice, {
      operation: "transferOut",
      ...proven(ledger, alice, "transferOut", 10n, bob.account),
    });
    const arrival = { from: alice.account, sequence: entry.sequence, taken: outcome.taken! };
    const command: Command = { operation: "transferIn", ...arrival };
    expect(await refused(ledger, alice, command)).toBe("transfer_unknown");
    expect(await refused(ledger, bob, { ...command, taken: plain(99n) })).toBe("transfer_unknown");
    await ledger.run(bob, command);
    expect(await refused(ledger, bob, command)).toBe("transfer_received");
    const refund: Command = { operation: "refund", sequence: entry.sequence, amount: plain(1n) };
    expect(await refused(ledger, alice, refund)).toBe("refund_unknown");
  });
});

describe("vouchers", () => {
  const source = voucherCredits(context);

  it("are worth what the operator signed", async () => {
    const credit = voucherOf(alice.account, 5n);
    expect(await source.redeem(credit.voucher!, NOW_MS)).toEqual(credit);
  });

  it("are worth nothing where they ended, are another's or another order", async () => {
    const { voucher: signed } = voucherOf(alice.account, 5n);
    await expect(source.redeem(signed!, NOW_MS + 60_000n)).rejects.toEqual(withCode("order_expired"));
    const freeze = order("freeze", alice.account) as Extract<Command, { operation: "freeze" }>;
    await expect(source.redeem(freeze, NOW_MS)).rejects.toEqual(withCode("order_invalid"));
    const { signature } = order("freeze", alice.account) as typeof freeze;
    await expect(source.redeem({ ...signed!, signature }, NOW_MS)).rejects.toEqual(
      withCode("signature_invalid"),
    );
  });
});

describe("an audit", () => {
  it("refuses a chain with any field of any entry changed", async () => {
    const ledger = await history();
    let state: AccountState | undefined;
    for (const { entry, operandText } of ledger.published.filter(
      (each) => toHex(each.entry.account) === toHex(alice.account),
    )) {
      const operand = parseOperand(operandText);
      for (const { name } of STATEMENT_FIELDS.LedgerEntry) {
        // Time and machine are told, not derived; the new balance is what the re-execution compares.
        if (name === "issuedAtMs" || name === "executionDigest" || name === "newDigest") continue;
        const value = entry[name];
        const changed =
          value instanceof Uint8Array
            ? value.map((byte) => byte ^ 1)
            : typeof value === "bigint"
              ? value + 1n
              : value + 1;
        expect(() => advance(state, { ...entry, [name]: changed }, operand, context), name).toThrow();
      }
      state = advance(state, entry, operand, context);
    }
    expect(state).toEqual(ledger.state(alice));
  });

  it("finds a wrong balance where the machine is the same, and says incomparable where not", async () => {
    const ledger = newLedger();
    await ledger.run(alice, voucher(alice.account, 100n));
    const last = ledger.published.at(-1)!;
    const wrong = plain(101n);
    ledger.blobs.set(toHex(sha256(wrong)), wrong);
    last.entry.newDigest = sha256(wrong);
    const same = await auditAccount(ledger, alice.account, { context, evaluator: ledger.evaluator });
    expect(same.entries.map((each) => each.verdict)).toEqual(["given", "disagrees"]);
    const elsewhere = await auditAccount(ledger, alice.account, { context, evaluator: plainEvaluator(2) });
    expect(elsewhere.verdict).toBe("incomparable");
    expect(elsewhere.entries[1]).toMatchObject({ executionText: last.executionText });
  });

  it("believes the vault's check where it cannot compare, and nowhere else", async () => {
    const ledger = newLedger();
    await ledger.run(alice, voucher(alice.account, 100n));
    const audited = async (threads: number, consistent: boolean) => {
      const opened = ({ sequence }: { sequence: bigint }) => (sequence === 2n ? { consistent } : {});
      const { verdict } = await auditAccount(ledger, alice.account, {
        context,
        evaluator: plainEvaluator(threads),
        opened,
      });
      return verdict;
    };
    const last = ledger.published.at(-1)!;
    expect(await audited(1, true)).toBe("agrees");
    expect(await audited(1, false)).toBe("disagrees");
    const wrong = plain(101n);
    ledger.blobs.set(toHex(sha256(wrong)), wrong);
    last.entry.newDigest = sha256(wrong);
    expect(await audited(1, true)).toBe("disagrees");
    expect(await audited(2, true)).toBe("checked");
    expect(await audited(2, false)).toBe("disagrees");
  });

  it("finds a side result that was swapped", async () => {
    const ledger = await history();
    const debited = ledger.published.find((each) => each.entry.operation === OPERATIONS.debit)!;
    const operand = parseOperand(debited.operandText);
    if (operand.operation !== "debit") throw new Error("not the debit");
    const swapped = debited.operandText.replace(operand.sufficient, toHex0x(sha256(utf8("another bit"))));
    debited.operandText = swapped;
    debited.entry.operandDigest = sha256(utf8(swapped));
    const { entries } = await auditAccount(ledger, alice.account, { context, evaluator: ledger.evaluator });
    expect(entries.find((each) => each.operation === "debit")?.verdict).toBe("disagrees");
  });

  it("names what is missing or another's", async () => {
    const audited = (ledger: TestLedger, signal?: AbortSignal) =>
      auditAccount(ledger, alice.account, {
        context,
        evaluator: ledger.evaluator,
        ...(signal ? { signal } : {}),
      }).then(
        () => undefined,
        (error: { code: BalanceErrorCode }) => error.code,
      );
    const missing = await history();
    missing.blobs.clear();
    expect(await audited(missing)).toBe("blob_missing");
    const other = await history();
    for (const digest of other.blobs.keys()) other.blobs.set(digest, plain(1n));
    expect(await audited(other)).toBe("blob_mismatch");
    const unknown = new TestLedger(context, plainEvaluator());
    expect(await audited(unknown)).toBe("account_unknown");
    const record = await history();
    record.published[2]!.executionText = "{}";
    expect(await audited(record)).toBe("entry_invalid");
    expect(await audited(await history(), AbortSignal.abort())).toBe("cancelled");
  });
});

describe("operands", () => {
  it.each([
    ["not_json", "{"],
    ["unknown_operation", '{"formatVersion":1,"operation":"mint"}'],
    [
      "more_members",
      `{"extra":1,"formatVersion":1,"operation":"open","owner":"ed25519:0x${"00".repeat(32)}"}`,
    ],
    ["not_canonical", `{"operation":"open","formatVersion":1,"owner":"ed25519:0x${"00".repeat(32)}"}`],
    ["other_version", `{"formatVersion":2,"operation":"open","owner":"ed25519:0x${"00".repeat(32)}"}`],
    ["too_long", " ".repeat(20_000)],
  ])("are refused: %s", (_, text) => {
    expect(() => parseOperand(text)).toThrow(expect.objectContaining({ code: "operand_invalid" }));
  });
});
