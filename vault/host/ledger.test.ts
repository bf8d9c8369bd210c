import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createReadingKey, openReading, requestDigest, type Command } from "../../balances/index.ts";
import {
  OPERATIONS,
  parseOperand,
  prepareEntry,
  prepareOpening,
  proofMetadata,
} from "../../balances/index.ts";
import type { BalanceKey, PreparedEntry } from "../../balances/index.ts";
import { plainEvaluator, readPlain } from "../../balances/testing/ledger.ts";
import { ed25519Owner, secp256k1Owner, signOrder, signRequest, ZERO } from "../../balances/testing/owners.ts";
import type { Signatory } from "../../balances/testing/owners.ts";
import { concat, sha256, utf8 } from "../../codec/index.ts";
import { decodeStatement, encodeStatement } from "../../receipts/index.ts";
import { VaultError, type VaultErrorCode } from "../error.ts";
import { readLedgerHead } from "../ledger-head.ts";
import type { LedgerEntryRequest, SignedLedgerEntry } from "../wire/balances.ts";
import { AllowanceSeal, STAGES, type Allowance } from "./allowance-record.ts";
import { ed25519FromSeed } from "./ed25519.ts";
import { Keysets } from "./keysets.ts";
import { LedgerJournal } from "./ledger-journal.ts";
import { vouch } from "./ledger-source.ts";
import { Ledger } from "./ledger.ts";
import { Limits, NO_OWNERS_LIMITS } from "./limits.ts";
import { createSigner } from "./signer.ts";
import { Statements } from "./statements.ts";

const evaluator = plainEvaluator();
const serverKeyDigest = sha256(utf8("evaluation key"));
const operator = ed25519Owner("operator");
const alice = secp256k1Owner("alice");
const bob = ed25519Owner("bob");
const context = { operator: operator.owner, serverKeyDigest };
const macKey = sha256(utf8("cluster"));
const seal = new AllowanceSeal(sha256(utf8("allowances")));
let nowMs = 1_800_000_000_000;
const limits = new Limits({ nowMs: () => nowMs, save: async () => undefined }, undefined);

/** A ciphertext is its number and 32 bytes that no other has. */
function plain(amount: bigint, salt = "salt"): Uint8Array {
  const number = new Uint8Array(8);
  new DataView(number.buffer).setBigUint64(0, amount);
  return concat(number, sha256(utf8(salt)));
}

const key: BalanceKey = {
  encrypt: async (amount) => plain(amount),
  decryptAmount: async (ciphertext) => readPlain(ciphertext),
  decryptBit: async (bit) => readPlain(bit) === 1n,
  sameAmount: async (one, other) => readPlain(one) === readPlain(other),
};

function statements(): Statements {
  const signer = createSigner("noble");
  const logKey = ed25519FromSeed(new Uint8Array(32).fill(3));
  const attester = { type: "tdx", name: "simulated", simulated: true } as const;
  const keysets = new Keysets({
    signer,
    air: logKey,
    aci: logKey,
    logKey,
    sealingKeys: () => [{ epoch: 1, publicKey: new Uint8Array(32).fill(9) }],
    fhePublicKeyDigests: [serverKeyDigest, serverKeyDigest, serverKeyDigest],
    attester,
    gpuAttester: null,
  });
  const notAfterSeconds = BigInt(nowMs / 1000) + 86_400n;
  keysets.install({ subject: null, notAfterSeconds, logOrigin: "log.example", tlsKeys: [] }, nowMs);
  // It signs nothing that has a ticket or another form.
  const unused = {} as never;
  return new Statements({
    signer,
    keysets,
    tickets: unused,
    answers: unused,
    projections: unused,
    nowMs: () => nowMs,
  });
}

async function open(signing = statements()): Promise<Ledger> {
  const keys = {
    digests: [serverKeyDigest, serverKeyDigest, serverKeyDigest],
    secretKey: async () => key,
    evaluator: async () => evaluator as never,
  };
  const journal = await LedgerJournal.open();
  journals.push(journal);
  return new Ledger({
    statements: signing,
    keys,
    journal,
    operator: operator.owner,
    macKey,
    seal,
    checkCredit: (amountAtomic) => limits.requireCredit(amountAtomic),
    nowMs: () => nowMs,
  });
}

/** An account as a service keeps it. */
interface Kept {
  by: Signatory;
  head: Uint8Array | null;
  balance: Uint8Array;
}

function requestOf(prepared: PreparedEntry, kept: Kept, command?: Command): LedgerEntryRequest {
  const named = (member: string) =>
    command && member in command ? (Reflect.get(command, member) as Uint8Array) : null;
  const { entry, operandText, outcome } = prepared;
  return {
    head: kept.head,
    words: encodeStatement("LedgerEntry", entry),
    operand: operandText,
    previous: kept.head && kept.balance,
    balance: outcome.balance,
    proven: named("proven"),
    amount: named("taken") ?? (command?.operation === "transferOut" ? outcome.taken! : null),
    sufficient: outcome.sufficient ?? null,
    source: null,
    allowance: null,
  };
}

async function begin(ledger: Ledger, by: Signatory): Promise<Kept> {
  const kept: Kept = { by, head: null, balance: plain(0n, by.owner.scheme) };
  const prepared = prepareOpening(by.owner, kept.balance, { context, nowMs: BigInt(nowMs) });
  kept.head = (await ledger.signEntry(requestOf(prepared, kept))).head;
  return kept;
}

async function prepare(kept: Kept, command: Command): Promise<LedgerEntryRequest> {
  const options = { context, evaluator, nowMs: BigInt(nowMs) };
  const prepared = await prepareEntry(readLedgerHead(kept.head!), kept.balance, command, options);
  return requestOf(prepared, kept, command);
}

async function apply(ledger: Ledger, kept: Kept, command: Command): Promise<SignedLedgerEntry> {
  const request = await prepare(kept, command);
  const signed = await ledger.signEntry(request);
  Object.assign(kept, { head: signed.head, balance: request.balance });
  return signed;
}

function credit(kept: Kept, amountAtomic: bigint, reference?: Uint8Array): Command {
  const { account } = kept.by;
  const members = { account, operation: OPERATIONS.credit, amountAtomic, serverKeyDigest };
  const expiresAtMs = BigInt(nowMs) + 60_000n;
  const voucher = signOrder(operator, { ...members, expiresAtMs, ...(reference && { reference }) });
  const { reference: used } = voucher.order;
  return {
    operation: "credit",
    credit: { source: "voucher", reference: used, account, amountAtomic, voucher },
  };
}

function asked(kept: Kept, operation: number, members: object = {}) {
  const requestSequence = readLedgerHead(kept.head!).requestSequence + 1n;
  const expiresAtMs = BigInt(nowMs) + 60_000n;
  return signRequest(kept.by, { operation, serverKeyDigest, requestSequence, expiresAtMs, ...members });
}

const debit = (kept: Kept, amountAtomic: bigint): Command => ({
  operation: "debit",
  ...asked(kept, OPERATIONS.debit, { amountAtomic }),
});

function transfer(kept: Kept, to: Signatory, amount: bigint): Command {
  const { requestSequence } = readLedgerHead(kept.head!);
  const bound = { account: kept.by.account, requestSequence: requestSequence + 1n, serverKeyDigest };
  const metadata = proofMetadata({ ...bound, operation: OPERATIONS.transferOut });
  const proven = concat(metadata, plain(amount).subarray(0, 8));
  const members = { operandDigest: sha256(proven), subject: to.account };
  return { operation: "transferOut", ...asked(kept, OPERATIONS.transferOut, members), proven };
}

async function refusal(work: Promise<unknown>): Promise<VaultErrorCode> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(VaultError);
  return (error as VaultError).code;
}

let directory: string;
const journals: LedgerJournal[] = [];
const home = process.cwd();
beforeEach(() => {
  nowMs = 1_800_000_000_000;
  directory = mkdtempSync(join(tmpdir(), "ledger-"));
  process.chdir(directory);
});
afterEach(async () => {
  for (const journal of journals.splice(0)) await journal.close();
  process.chdir(home);
  rmSync(directory, { recursive: true, force: true });
});

describe("entries", () => {
  it("are signed over the head, with the bit of a debit opened", async () => {
    const ledger = await open();
    const account = await begin(ledger, alice);
    expect((await apply(ledger, account, credit(account, 100n))).opening).toBeNull();
    const covered = await apply(ledger, account, debit(account, 30n));
    const uncovered = await apply(ledger, account, debit(account, 71n));
    expect([covered.sufficient, uncovered.sufficient]).toEqual([true, false]);
    const opening = decodeStatement("Opening", uncovered.opening!.words);
    expect(opening).toMatchObject({ sequence: 4n, kind: 1, result: 0, subject: uncovered.entry.digest });
    expect(readPlain(account.balance)).toBe(70n);
  });

  it("credit no more by one voucher than the owner lets them, but what was signed before", async () => {
    const ledger = await open();
    const account = await begin(ledger, alice);
    const [allowed, above] = [credit(account, 100n), credit(account, 101n)];
    limits.apply({ ...NO_OWNERS_LIMITS, creditAtomic: 100n });
    try {
      await expect(apply(ledger, account, above)).rejects.toMatchObject({ code: "limit_reached" });
      const entry = await prepare(account, allowed);
      await ledger.signEntry(entry);
      limits.apply({ ...NO_OWNERS_LIMITS, creditAtomic: 1n });
      await ledger.signEntry(entry);
    } finally {
      limits.apply(NO_OWNERS_LIMITS);
    }
  });

  it("go from one account to another once, and only where they were sent", async () => {
    const ledger = await open();
    const [from, to] = [await begin(ledger, alice), await begin(ledger, bob)];
    await apply(ledger, from, credit(from, 100n));
    const sent = await prepare(from, transfer(from, bob, 60n));
    const { head, mac } = await ledger.signEntry(sent);
    Object.assign(from, { head, balance: sent.balance });
    const source = { words: sent.words, operand: sent.operand, mac };
    const command: Command = {
      operation: "transferIn",
      from: alice.account,
      sequence: 3n,
      taken: sent.amount!,
    };
    const arrival = await prepare(to, command);
    expect(await refusal(ledger.signEntry(arrival))).toBe("ledger_refused");
    const forged = { ...source, mac: ZERO };
    expect(await refusal(ledger.signEntry({ ...arrival, source: forged }))).toBe("ledger_head_invalid");
    const signed = await ledger.signEntry({ ...arrival, source });
    Object.assign(to, { head: signed.head, balance: arrival.balance });
    const again = { ...(await prepare(to, command)), source };
    expect(await refusal(ledger.signEntry(again))).toBe("ledger_refused");
    expect(readPlain(to.balance)).toBe(60n);
  });

  it("are signed again as they were, however late, and no other in their place", async () => {
    const signing = statements();
    const ledger = await open(signing);
    const account = await begin(ledger, alice);
    const request = await prepare(account, credit(account, 5n));
    const other = await prepare(account, credit(account, 6n));
    const first = await ledger.signEntry(request);
    nowMs += 3_600_000;
    // As a vault that was started again.
    const again = await (await open(signing)).signEntry(request);
    expect(again.entry.digest).toEqual(first.entry.digest);
    expect(await refusal(ledger.signEntry(other))).toBe("statement_invalid");
    nowMs -= 3_600_000;
    expect(await refusal((await open(signing)).signEntry(other))).toBe("ledger_sequence_taken");
  });
});

/** An allowance of these credits, as the vault that it names admitted it. */
function admitted(kept: Kept, amount: bigint) {
  const signed = asked(kept, OPERATIONS.allowance, { operandDigest: sha256(utf8("terms")) });
  const members = { account: kept.by.account, sequence: 0n, amount, expiresAtMs: 0n };
  const names = { priceList: ZERO, vault: new Uint8Array(20), keyset: ZERO };
  const id = requestDigest(signed.request);
  const record: Allowance = { stage: STAGES.admitted, id, ...members, ...names };
  const command: Command = { operation: "allowance", ...signed, amount: plain(amount) };
  return { record, command };
}

async function debitAllowance(ledger: Ledger, kept: Kept, amount: bigint) {
  const { record, command } = admitted(kept, amount);
  const request = { ...(await prepare(kept, command)), amount: plain(amount), allowance: seal.seal(record) };
  const signed = await ledger.signEntry(request);
  Object.assign(kept, { head: signed.head, balance: request.balance });
  return signed;
}

async function refundRequest(kept: Kept, sequence: bigint, rest: bigint, amount = rest) {
  const command: Command = { operation: "refund", sequence, amount: plain(amount) };
  const request = { ...(await prepare(kept, command)), amount: plain(amount) };
  const { record } = admitted(kept, rest);
  return { request, record: { ...record, stage: STAGES.closed, sequence } };
}

describe("an allowance", () => {
  it("is taken whole, and its rest comes back once, of what a vault said is left", async () => {
    const ledger = await open();
    const account = await begin(ledger, alice);
    await apply(ledger, account, credit(account, 100n));
    const { allowance, sufficient } = await debitAllowance(ledger, account, 40n);
    expect([sufficient, readPlain(account.balance)]).toEqual([true, 60n]);
    expect(seal.open(allowance!, "debited")).toMatchObject({ amount: 40n, sequence: 3n });
    expect(readLedgerHead(account.head!).allowances).toEqual([3n]);
    const { request, record } = await refundRequest(account, 3n, 15n);
    const of = (members: Partial<Allowance>) => ({
      ...request,
      allowance: seal.seal({ ...record, ...members }),
    });
    for (const members of [{ amount: 16n }, { amount: 14n }])
      expect(await refusal(ledger.signEntry(of(members)))).toBe("ledger_values_invalid");
    for (const members of [{ account: bob.account }, { sequence: 2n }])
      expect(await refusal(ledger.signEntry(of(members)))).toBe("ledger_refused");
    expect(await refusal(ledger.signEntry(of({ stage: STAGES.debited })))).toBe("allowance_invalid");
    expect(await refusal(ledger.signEntry(request))).toBe("ledger_refused");
    const signed = await ledger.signEntry(of({}));
    Object.assign(account, { head: signed.head, balance: request.balance });
    expect(readPlain(account.balance)).toBe(75n);
    expect(readLedgerHead(account.head!).allowances).toEqual([]);
    await expect(refundRequest(account, 3n, 1n)).rejects.toMatchObject({ code: "refund_unknown" });
  });

  it("is taken only where it was admitted for this request, and of its own amount", async () => {
    const ledger = await open();
    const account = await begin(ledger, alice);
    await apply(ledger, account, credit(account, 100n));
    const { record, command } = admitted(account, 40n);
    const request = { ...(await prepare(account, command)), amount: plain(40n) };
    const of = (members: Partial<Allowance>) => ({
      ...request,
      allowance: seal.seal({ ...record, ...members }),
    });
    expect(await refusal(ledger.signEntry(request))).toBe("ledger_refused");
    expect(await refusal(ledger.signEntry(of({ id: ZERO })))).toBe("ledger_refused");
    expect(await refusal(ledger.signEntry(of({ amount: 41n })))).toBe("ledger_values_invalid");
    const changed = of({}).allowance;
    changed[20]! ^= 1;
    expect(await refusal(ledger.signEntry({ ...request, allowance: changed }))).toBe("allowance_invalid");
    expect((await ledger.signEntry(of({}))).sufficient).toBe(true);
  });

  it("that the balance does not cover takes nothing, and there is nothing to spend or to give back", async () => {
    const ledger = await open();
    const account = await begin(ledger, alice);
    await apply(ledger, account, credit(account, 10n));
    const { allowance, sufficient } = await debitAllowance(ledger, account, 11n);
    expect([allowance, sufficient, readPlain(account.balance)]).toEqual([null, false, 10n]);
    expect(readLedgerHead(account.head!).allowances).toEqual([]);
    await expect(refundRequest(account, 3n, 11n)).rejects.toMatchObject({ code: "refund_unknown" });
  });

  it("does not come back twice by two vaults with journals of their own", async () => {
    const ledger = await open();
    const account = await begin(ledger, alice);
    await apply(ledger, account, credit(account, 100n));
    await debitAllowance(ledger, account, 40n);
    const { request, record } = await refundRequest(account, 3n, 40n);
    const allowance = seal.seal(record);
    const first = await ledger.signEntry({ ...request, allowance });
    mkdirSync("other");
    process.chdir("other");
    const other = await open();
    const entry = decodeStatement("LedgerEntry", request.words);
    const again = { ...entry, sequence: 5n, previousDigest: entry.newDigest };
    const second = { ...request, head: first.head, previous: request.balance };
    const words = encodeStatement("LedgerEntry", again);
    expect(await refusal(other.signEntry({ ...second, words, allowance }))).toBe("ledger_refused");
  });
});

describe("a hostile database or worker", () => {
  it("gets no bit of a balance as the sufficient bit", async () => {
    const ledger = await open();
    const account = await begin(ledger, alice);
    await apply(ledger, account, credit(account, 0b1011n));
    // The third bit of the balance, in place of whether 1 is covered.
    const honest = await prepare(account, debit(account, 1n));
    const bit = plain(0n, "a bit of the balance");
    const operand = parseOperand(honest.operand);
    const text = honest.operand.replace(
      Reflect.get(operand, "sufficient") as string,
      `0x${Buffer.from(sha256(bit)).toString("hex")}`,
    );
    const entry = decodeStatement("LedgerEntry", honest.words);
    const words = encodeStatement("LedgerEntry", { ...entry, operandDigest: sha256(utf8(text)) });
    const swapped = { ...honest, words, operand: text, sufficient: bit };
    expect(await refusal(ledger.signEntry(swapped))).toBe("ledger_values_invalid");
    expect((await ledger.signEntry(honest)).sufficient).toBe(true);
  });

  it("reads no balance by what is refused: after a few of an account nothing more of it is decrypted for an hour", async () => {
    const ledger = await open();
    const account = await begin(ledger, alice);
    const reference = new Uint8Array(32).fill(7);
    await apply(ledger, account, credit(account, 10n, reference));
    // A voucher that is used up: right values end in another refusal than wrong ones, and none of them costs anything.
    const honest = await prepare(account, credit(account, 1n, reference));
    const entry = decodeStatement("LedgerEntry", honest.words);
    const guess = (amount: bigint) => {
      const balance = plain(amount, "a guess");
      const words = encodeStatement("LedgerEntry", { ...entry, newDigest: sha256(balance) });
      return refusal(ledger.signEntry({ ...honest, words, balance }));
    };
    const answers: string[] = [];
    for (let at = 0n; at < 12n; at++) answers.push(await guess(at));
    expect(answers.slice(0, 8)).toEqual(Array(8).fill("ledger_values_invalid"));
    // The right one, 11, among them.
    expect(answers.slice(8)).toEqual(Array(4).fill("opening_rate_limited"));
    const next = () => apply(ledger, account, credit(account, 1n));
    expect(await refusal(next())).toBe("opening_rate_limited");
    // Other accounts go on, and this one after an hour, as often as it is right.
    await apply(ledger, await begin(ledger, bob), credit({ by: bob, head: null, balance: ZERO }, 1n));
    nowMs += 3_600_000;
    for (let right = 0; right < 10; right++) await next();
  });

  it("gets nothing signed that makes or loses money", async () => {
    const ledger = await open();
    const account = await begin(ledger, alice);
    const honest = await prepare(account, credit(account, 10n));
    const more = plain(11n, "more");
    const entry = decodeStatement("LedgerEntry", honest.words);
    const words = encodeStatement("LedgerEntry", { ...entry, newDigest: sha256(more) });
    expect(await refusal(ledger.signEntry({ ...honest, words, balance: more }))).toBe(
      "ledger_values_invalid",
    );
    expect(await refusal(ledger.signEntry({ ...honest, balance: more }))).toBe("ledger_values_invalid");
    expect(await refusal(ledger.signEntry({ ...honest, previous: more }))).toBe("ledger_values_invalid");
  });

  it("cannot go back to an older head, invent one, or lend another account's", async () => {
    const ledger = await open();
    const account = await begin(ledger, alice);
    const other = await begin(ledger, bob);
    await apply(ledger, account, credit(account, 10n));
    const old = { ...account };
    await apply(ledger, account, debit(account, 10n));
    expect(await refusal(prepare(old, debit(old, 9n)).then((request) => ledger.signEntry(request)))).toBe(
      "ledger_sequence_taken",
    );
    const head = new Uint8Array(account.head!);
    head[40]! ^= 1;
    const next = await prepare(account, credit(account, 1n));
    expect(await refusal(ledger.signEntry({ ...next, head }))).toBe("ledger_head_invalid");
    expect(await refusal(ledger.signEntry({ ...next, head: other.head }))).toBe("ledger_refused");
    expect(await refusal(ledger.signEntry({ ...next, head: null, previous: null }))).toBe("ledger_refused");
  });

  it("cannot use a voucher twice, nor after a restart", async () => {
    const ledger = await open();
    const account = await begin(ledger, alice);
    const voucher = credit(account, 10n);
    await apply(ledger, account, voucher);
    const again = await prepare(account, voucher);
    expect(await refusal(ledger.signEntry(again))).toBe("ledger_refused");
    expect(await refusal((await open()).signEntry(again))).toBe("ledger_refused");
  });
});

/** What a vault is asked to check: an entry as it was signed, and the ciphertexts that went into it. */
function checkOf(request: LedgerEntryRequest, { mac }: Pick<SignedLedgerEntry, "mac">) {
  const { words, operand, previous, balance, proven, amount, sufficient } = request;
  return { entry: { words, operand, mac }, previous, balance, proven, amount, sufficient };
}

describe("a check of an entry", () => {
  it("says that it adds up, with the same words whenever and of whichever vault it is asked", async () => {
    const ledger = await open();
    const account = await begin(ledger, alice);
    for (const command of [
      () => credit(account, 100n),
      () => debit(account, 30n),
      () => transfer(account, bob, 20n),
      () => debit(account, 51n),
    ]) {
      const request = await prepare(account, command());
      const signed = await ledger.signEntry(request);
      Object.assign(account, { head: signed.head, balance: request.balance });
      const opening = await ledger.check(checkOf(request, signed));
      expect(decodeStatement("Opening", opening.words)).toMatchObject({
        kind: 3,
        result: 1,
        subject: signed.entry.digest,
        requestDigest: ZERO,
      });
      nowMs += 60_000;
      const later = await (await open()).check(checkOf(request, signed));
      expect(later.digest).toEqual(opening.digest);
    }
  });

  it("takes no ciphertext but those that a vault signed, and not too often", async () => {
    const ledger = await open();
    const [account, other] = [await begin(ledger, alice), await begin(ledger, bob)];
    const request = await prepare(account, credit(account, 100n));
    const signed = await ledger.signEntry(request);
    const checked = checkOf(request, signed);
    const guess = plain(100n, "a guess");
    for (const [given, code] of [
      [{ ...checked, balance: guess }, "ledger_values_invalid"],
      [{ ...checked, previous: guess }, "ledger_values_invalid"],
      [{ ...checked, previous: null }, "ledger_values_invalid"],
      [{ ...checked, balance: other.balance }, "ledger_values_invalid"],
      [{ ...checked, amount: guess }, "ledger_values_invalid"],
      [{ ...checked, sufficient: guess }, "ledger_values_invalid"],
      [{ ...checked, proven: guess }, "ledger_values_invalid"],
      [{ ...checked, entry: { ...checked.entry, mac: ZERO } }, "ledger_head_invalid"],
    ] as const)
      expect(await refusal(ledger.check(given))).toBe(code);
    const entry = decodeStatement("LedgerEntry", request.words);
    const words = encodeStatement("LedgerEntry", { ...entry, newDigest: sha256(guess) });
    const own = { ...checked, balance: guess, entry: { ...checked.entry, words } };
    expect(await refusal(ledger.check(own))).toBe("ledger_head_invalid");
    for (let i = 0; i < 8; i++) await ledger.check(checked);
    expect(await refusal(ledger.check(checked))).toBe("opening_rate_limited");
  });

  it("says where a vault was wrong", async () => {
    const ledger = await open();
    const account = await begin(ledger, alice);
    const request = await prepare(account, credit(account, 100n));
    const wrong = plain(101n, "wrong");
    const entry = decodeStatement("LedgerEntry", request.words);
    const words = encodeStatement("LedgerEntry", { ...entry, newDigest: sha256(wrong) });
    const mac = vouch(macKey, words, request.operand);
    const opening = await ledger.check(checkOf({ ...request, words, balance: wrong }, { mac }));
    expect(decodeStatement("Opening", opening.words)).toMatchObject({ kind: 3, result: 0 });
  });
});

async function wish(kept: Kept, members: object = {}) {
  const readingKey = await createReadingKey();
  const { operandDigest, publicKey } = readingKey;
  const { request, signature } = asked(kept, OPERATIONS.reading, {
    requestSequence: 0n,
    operandDigest,
    ...members,
  });
  return { readingKey, given: { head: kept.head!, balance: kept.balance, request, signature, publicKey } };
}

describe("a reading", () => {
  it("opens for the owner's key, once a request, and is stated", async () => {
    const ledger = await open();
    const account = await begin(ledger, alice);
    await apply(ledger, account, credit(account, 7n));
    const { given, readingKey } = await wish(account);
    const { reading, opening } = await ledger.read(given);
    const digest = requestDigest(given.request);
    expect(await openReading(reading, readingKey, digest)).toEqual({ amountAtomic: 7n, sequence: 2n });
    expect(decodeStatement("Opening", opening.words)).toMatchObject({
      kind: 2,
      result: 0,
      requestDigest: digest,
    });
    expect(await refusal(ledger.read(given))).toBe("opening_repeated");
  });

  it("is refused for another's signature, key, balance, an old head, and too often", async () => {
    const ledger = await open();
    const account = await begin(ledger, alice);
    const { given } = await wish({ ...account, by: bob }, { account: alice.account });
    expect(await refusal(ledger.read(given))).toBe("ledger_refused");
    const { given: mine } = await wish(account);
    expect(await refusal(ledger.read({ ...mine, publicKey: ZERO }))).toBe("ledger_refused");
    expect(await refusal(ledger.read({ ...mine, balance: plain(3n) }))).toBe("ledger_values_invalid");
    for (let i = 0; i < 8; i++) await ledger.read((await wish(account)).given);
    expect(await refusal(wish(account).then((made) => ledger.read(made.given)))).toBe("opening_rate_limited");
    const { given: stale } = await wish(account);
    await apply(ledger, account, credit(account, 7n));
    expect(await refusal(ledger.read(stale))).toBe("ledger_sequence_taken");
  });
});
