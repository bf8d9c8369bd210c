import { describe, expect, it } from "vitest";
import {
  encodeTerms,
  OPERATIONS,
  requestDigest,
  sealTerms,
  signPriceList,
  type AllowanceTerms,
} from "../../balances/index.ts";
import { ed25519Owner, secp256k1Owner, signRequest, ZERO } from "../../balances/testing/owners.ts";
import { ed25519 } from "@noble/curves/ed25519.js";
import { sha256, toHex0x, utf8 } from "../../codec/index.ts";
import {
  CompactRange,
  decodeStatement,
  encodeStatement,
  LEAF_TYPES,
  leafData,
  leafHash,
  type LeafType,
} from "../../receipts/index.ts";
import { VaultError, type VaultErrorCode } from "../error.ts";
import { sealHead } from "../ledger-head.ts";
import { AllowanceSeal, STAGES, type Allowance } from "./allowance-record.ts";
import { Allowances } from "./allowances.ts";
import { ed25519FromSeed } from "./ed25519.ts";
import { Keysets } from "./keysets.ts";
import { PriceLists } from "./price-lists.ts";
import { Restores } from "./restores.ts";
import { createSigner } from "./signer.ts";
import { Statements } from "./statements.ts";
import { Tickets } from "./tickets.ts";
import { x25519FromPrivateKey } from "./x25519.ts";

const NOW_MS = 1_800_000_000_000;
const HOUR_MS = 3_600_000n;
const serverKeyDigest = sha256(utf8("evaluation key"));
const macKey = sha256(utf8("cluster"));
const seal = new AllowanceSeal(sha256(utf8("allowances")));
const hpke = x25519FromPrivateKey(sha256(utf8("hpke")));
/** A rotation put it before the one that terms here are sealed to. */
const newerHpke = x25519FromPrivateKey(sha256(utf8("newer")));
const alice = secp256k1Owner("alice");
const bob = ed25519Owner("bob");
const priceKey = sha256(utf8("service owner"));
const MODEL = sha256(utf8("model"));
const DEAR = sha256(utf8("dear model"));

function priceList(version: bigint, price = 3n): string {
  const prices = new Map([
    [toHex0x(MODEL), price],
    [toHex0x(DEAR), 1000n],
  ]);
  return signPriceList({ version, issuedAtMs: 0n, prices }, priceKey);
}
const LIST = priceList(1n);

/** A vault's parts, with a receipt key of its own and the cluster's other keys. */
function newVault() {
  const clock = { nowMs: NOW_MS };
  const nowMs = () => clock.nowMs;
  const signer = createSigner("noble");
  const logKey = ed25519FromSeed(new Uint8Array(32).fill(3));
  const attester = { type: "tdx", name: "simulated", simulated: true } as const;
  const members = { fhePublicKeyDigests: [serverKeyDigest], attester, gpuAttester: null };
  const keys = {
    signer,
    air: logKey,
    aci: logKey,
    logKey,
    sealingKeys: () => [{ epoch: 1, publicKey: hpke.publicKey }],
  };
  const keysets = new Keysets({ ...keys, ...members });
  const notAfterSeconds = BigInt(NOW_MS / 1000) + 86_400n;
  keysets.install({ subject: null, notAfterSeconds, logOrigin: "log.example", tlsKeys: [] }, NOW_MS);
  const prices = new PriceLists(ed25519.getPublicKey(priceKey));
  const { address } = signer;
  const allowances = new Allowances({
    address,
    seal,
    prices,
    hpke: () => [newerHpke, hpke],
    macKey,
    serverKeyDigest,
    keyset: () => keysets.current(nowMs()).digest,
    nowMs,
  });
  const tickets = new Tickets(nowMs);
  const unused = {} as never;
  const statements = new Statements({
    signer,
    tickets,
    keysets,
    allowances,
    nowMs,
    answers: unused,
    projections: unused,
  });
  prices.install(LIST, statements);
  const ask = (allowance: Uint8Array | null, modelId = MODEL, requestId = tickets.draw(1)[0]!) => ({
    type: LEAF_TYPES.InferenceStatement,
    words: words(requestId, modelId),
    projection: null,
    allowance,
  });
  return { clock, address, keysets, prices, allowances, tickets, statements, signer, ask };
}

type TestVault = ReturnType<typeof newVault>;

function words(requestId: Uint8Array, modelId: Uint8Array): Uint8Array {
  const some = sha256(utf8("something"));
  return encodeStatement("InferenceStatement", {
    requestId,
    modelId,
    inputCommitment: some,
    outputDigest: some,
    requestDigest: some,
    responseDigest: some,
    circuitInput: ZERO,
    executionDigest: some,
    keysetDigest: ZERO,
    policyDigest: some,
    requester: some,
    audience: ZERO,
    settlement: ZERO,
    promised: 0,
    promiseDeadlineMs: 0n,
    issuedAtMs: 0n,
    sequence: 0n,
  });
}

function refusal(work: () => unknown): VaultErrorCode | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    expect(error).toBeInstanceOf(VaultError);
    return (error as VaultError).code;
  }
}

const state = {
  account: alice.account,
  owner: alice.owner,
  sequence: 2n,
  requestSequence: 0n,
  balanceDigest: ZERO,
  frozen: false,
  allowances: [],
};
const head = sealHead(macKey, state);

async function asked(
  { address }: Pick<TestVault, "address">,
  members: Partial<AllowanceTerms> = {},
  by = alice,
) {
  const terms = {
    credits: 10n,
    expiresAtMs: BigInt(NOW_MS) + HOUR_MS,
    priceList: sha256(utf8(LIST)),
    vault: address,
    salt: sha256(utf8("salt")),
    ...members,
  };
  const operandDigest = sha256(encodeTerms(terms));
  const signed = signRequest(by, {
    account: alice.account,
    operation: OPERATIONS.allowance,
    serverKeyDigest,
    operandDigest,
    expiresAtMs: BigInt(NOW_MS) + 60_000n,
  });
  const id = requestDigest(signed.request);
  return { id, head, ...signed, terms: await sealTerms(terms, hpke.publicKey, id) };
}

/** As the ledger leaves it once the balance covered it. */
async function debited(vault: TestVault, members: Partial<AllowanceTerms> = {}) {
  const request = await asked(vault, members);
  const { sealed } = vault.allowances.admit(request);
  const record: Allowance = { ...seal.open(sealed, "admitted"), stage: STAGES.debited, sequence: 3n };
  return { id: request.id, sealed: seal.seal(record) };
}

const left = (closed: Uint8Array) => seal.open(closed, "closed").amount;

describe("an allowance is admitted", () => {
  it("by the vault that its terms name, at the prices in force", async () => {
    const vault = newVault();
    const request = await asked(vault);
    const { sealed } = vault.allowances.admit(request);
    expect(seal.open(sealed, "admitted")).toMatchObject({ id: request.id, amount: 10n, sequence: 0n });
    expect(refusal(() => newVault().allowances.admit(request))).toBe("allowance_elsewhere");
    vault.prices.install(priceList(2n), vault.statements);
    expect(refusal(() => vault.allowances.admit(request))).toBe("price_list_stale");
  });

  it("only as its owner signed and sealed it, and for a time", async () => {
    const vault = newVault();
    const { allowances, clock } = vault;
    const request = await asked(vault);
    const forged = await asked(vault, {}, bob);
    expect(refusal(() => allowances.admit(forged))).toBe("ledger_refused");
    const other = await asked(vault, { credits: 11n });
    expect(refusal(() => allowances.admit({ ...request, terms: other.terms }))).toBe("allowance_invalid");
    for (let i = 0; i < request.terms.length; i += 29) {
      const terms = new Uint8Array(request.terms);
      terms[i]! ^= 1;
      expect(refusal(() => allowances.admit({ ...request, terms }))).toBe("allowance_invalid");
    }
    expect(refusal(() => allowances.admit({ ...request, terms: new Uint8Array(3) }))).toBe(
      "allowance_invalid",
    );
    expect(refusal(() => allowances.admit({ ...request, head: new Uint8Array(150) }))).toBe(
      "ledger_head_invalid",
    );
    const past = await asked(vault, { expiresAtMs: BigInt(NOW_MS) });
    expect(refusal(() => allowances.admit(past))).toBe("allowance_expired");
    const late = await asked(vault, { expiresAtMs: BigInt(NOW_MS) + 32n * 24n * HOUR_MS });
    expect(refusal(() => allowances.admit(late))).toBe("allowance_invalid");
    clock.nowMs += 60_000;
    expect(refusal(() => allowances.admit(request))).toBe("ledger_refused");
  });
});

describe("price lists", () => {
  it("are the service owner's, and go up", () => {
    const { prices, statements } = newVault();
    const install = (text: string) => refusal(() => prices.install(text, statements));
    expect(install(LIST)).toBeUndefined();
    expect(install(priceList(1n, 4n))).toBe("price_list_stale");
    expect(install(priceList(0n))).toBe("price_list_stale");
    const stranger = signPriceList({ version: 9n, issuedAtMs: 0n, prices: new Map() }, sha256(utf8("x")));
    expect(install(stranger)).toBe("owner_unknown");
    expect(install(priceList(9n).replace('"3"', '"2"'))).toBe("document_invalid");
    expect(install(`${priceList(9n)} `)).toBe("document_invalid");
    const stated = prices.install(priceList(2n), statements);
    const { documentDigest } = decodeStatement("PolicyChange", stated.words);
    expect(documentDigest).toEqual(sha256(utf8(priceList(2n))));
  });
});

describe("spending", () => {
  it("takes the price with the signature, until it does not cover the next one", async () => {
    const vault = newVault();
    const { allowances, statements, ask } = vault;
    const { id, sealed } = await debited(vault);
    expect(refusal(() => statements.signTicketed(ask(id)))).toBe("allowance_unknown");
    allowances.activate(sealed);
    const counters = [1, 2, 3].map(() => {
      const { digest, spent } = statements.signTicketed(ask(id));
      expect(spent!.length).toBe(68);
      return seal.openSpent(digest, spent!).counter;
    });
    expect(counters).toEqual([7n, 4n, 1n]);
    const last = ask(id);
    expect(refusal(() => statements.signTicketed(last))).toBe("allowance_insufficient");
    // Nothing was signed: the ticket is still good.
    const free = statements.signTicketed({ ...last, allowance: null });
    expect(free.spent!.length).toBe(68);
    expect(seal.openSpent(free.digest, free.spent!)).toEqual({ id: ZERO, counter: 0n });
  });

  it("costs nothing where nothing is signed", async () => {
    const vault = newVault();
    const { allowances, statements, ask } = vault;
    const { id, sealed } = await debited(vault);
    allowances.activate(sealed);
    expect(refusal(() => statements.signTicketed(ask(id, MODEL, ZERO)))).toBe("statement_invalid");
    expect(refusal(() => statements.signTicketed(ask(id, MODEL, sha256(ZERO))))).toBe("ticket_unknown");
    expect(refusal(() => statements.signTicketed(ask(id, DEAR)))).toBe("allowance_insufficient");
    expect(refusal(() => statements.signTicketed(ask(id, sha256(utf8("no model")))))).toBe("price_missing");
    expect(left(allowances.close(sealed))).toBe(10n);
  });

  it("keeps the prices that its owner signed", async () => {
    const vault = newVault();
    const { id, sealed } = await debited(vault);
    vault.prices.install(priceList(2n, 9n), vault.statements);
    vault.allowances.activate(sealed);
    const { digest, spent } = vault.statements.signTicketed(vault.ask(id));
    expect(seal.openSpent(digest, spent!)).toEqual({ id, counter: 7n });
  });

  it("is never begun again: not by another vault, nor after its end", async () => {
    const vault = newVault();
    const { allowances, statements, ask, clock } = vault;
    const { id, sealed } = await debited(vault);
    expect(refusal(() => newVault().allowances.activate(sealed))).toBe("allowance_elsewhere");
    expect(refusal(() => newVault().allowances.close(sealed))).toBe("allowance_elsewhere");
    allowances.activate(sealed);
    statements.signTicketed(ask(id));
    allowances.activate(sealed);
    expect(left(allowances.close(sealed))).toBe(7n);
    allowances.activate(sealed);
    expect(refusal(() => statements.signTicketed(ask(id)))).toBe("allowance_unknown");
    expect(left(allowances.close(sealed))).toBe(7n);
    const late = await debited(vault, { salt: ZERO });
    clock.nowMs += Number(HOUR_MS);
    expect(refusal(() => allowances.activate(late.sealed))).toBe("allowance_expired");
    expect(left(allowances.close(late.sealed))).toBe(10n);
  });

  it("ends with the time of its terms", async () => {
    const vault = newVault();
    const { id, sealed } = await debited(vault);
    vault.allowances.activate(sealed);
    const request = vault.ask(id);
    vault.clock.nowMs += Number(HOUR_MS);
    expect(refusal(() => vault.statements.signTicketed(request))).toBe("allowance_expired");
  });
});

/** A log of statements with what is stored beside each. */
class TestLog {
  readonly leaves: { leaf: Uint8Array; record: Uint8Array | null }[] = [];

  add(
    type: LeafType,
    signed: { digest: Uint8Array; keysetDigest: Uint8Array; signature: Uint8Array },
    record: Uint8Array | null,
  ) {
    const { digest, keysetDigest, signature } = signed;
    this.leaves.push({ leaf: leafData(type, digest, keysetDigest, signature), record });
  }

  head(size = this.leaves.length) {
    const range = CompactRange.empty();
    for (const { leaf } of this.leaves.slice(0, size)) range.append(leafHash(leaf));
    return { size: BigInt(size), root: range.root() };
  }
}

function attested(log: TestLog, { keysets, statements }: TestVault): void {
  const keyset = keysets.current(NOW_MS);
  const evidenceDigest = sha256(utf8("evidence"));
  keyset.rememberQuote(evidenceDigest, { digest: ZERO, measurements: null });
  const times = { notBeforeMs: 1n, notAfterMs: 2n };
  log.add(
    "Keyset",
    statements.signKeyset({ evidenceDigest, endorsementsDigest: evidenceDigest, ...times }),
    null,
  );
}

function restorer(vault: TestVault, log: TestLog, known = 0n) {
  return new Restores({
    seal,
    allowances: vault.allowances,
    // The note is the size alone: that a note is this log key's, its reader knows.
    readNote: (note) => log.head(Number(note)),
    last: () => ({ size: known }),
  });
}

function walk(restores: Restores, log: TestLog, allowances: Uint8Array[], size = log.leaves.length) {
  const { number } = restores.restore({
    number: 0n,
    leaves: [],
    finish: false,
    begin: { allowances, note: String(size) },
  });
  const [first, second] = [log.leaves.slice(0, 3), log.leaves.slice(3, size)];
  restores.restore({ number, begin: null, leaves: first, finish: false });
  return restores.restore({ number, begin: null, leaves: second, finish: true }).closed.map(left);
}

async function spentLog() {
  const log = new TestLog();
  const [dead, other] = [newVault(), newVault()];
  attested(log, dead);
  attested(log, other);
  const one = await debited(dead);
  const two = await debited(dead, { salt: ZERO });
  dead.allowances.activate(one.sealed);
  for (const allowance of [one.id, null, one.id]) {
    const signed = dead.statements.signTicketed(dead.ask(allowance));
    log.add("InferenceStatement", signed, signed.spent);
  }
  // Another vault's statements are none of its business.
  const foreign = other.statements.signTicketed(other.ask(null));
  log.add("InferenceStatement", foreign, null);
  // Signed, and never stored.
  dead.statements.signTicketed(dead.ask(one.id));
  return { log, dead, other, allowances: [one.sealed, two.sealed], one, two };
}

describe("a restore", () => {
  it("finds what is left by the log alone, by another vault or its own", async () => {
    const { log, dead, other, allowances, one } = await spentLog();
    expect(walk(restorer(other, log), log, allowances)).toEqual([4n, 10n]);
    expect(walk(restorer(dead, log), log, allowances)).toEqual([4n, 10n]);
    expect(refusal(() => dead.statements.signTicketed(dead.ask(one.id)))).toBe("allowance_unknown");
    expect(refusal(() => dead.allowances.close(one.sealed))).toBe("allowance_unknown");
    expect(refusal(() => dead.allowances.activate(allowances[1]!))).toBeUndefined();
    expect(refusal(() => dead.allowances.close(allowances[1]!))).toBe("allowance_unknown");
  });

  it("says nothing where a record is missing, changed or another statement's", async () => {
    const { log, other, allowances } = await spentLog();
    const spent = [2, 3, 4].map((at) => log.leaves[at]!.record!);
    const changed = new Uint8Array(spent[0]!);
    changed[15]! ^= 1;
    for (const record of [null, changed, spent[1]!, spent[0]!.subarray(1)]) {
      const hostile = new TestLog();
      hostile.leaves.push(...log.leaves.map((kept, at) => (at === 2 ? { ...kept, record } : kept)));
      expect(refusal(() => walk(restorer(other, hostile), hostile, allowances))).toBe("restore_incomplete");
    }
  });

  it("counts what was signed under a later keyset, and under one whose leaf was made away with", async () => {
    const { log, dead, other, allowances, two } = await spentLog();
    const notAfterSeconds = BigInt(NOW_MS / 1000) + 172_800n;
    dead.keysets.install({ subject: null, notAfterSeconds, logOrigin: "log.example", tlsKeys: [] }, NOW_MS);
    attested(log, dead);
    dead.allowances.activate(two.sealed);
    const signed = dead.statements.signTicketed(dead.ask(two.id));
    log.add("InferenceStatement", signed, signed.spent);
    expect(walk(restorer(other, log), log, allowances)).toEqual([4n, 7n]);
    const hidden = new TestLog();
    hidden.leaves.push(log.leaves[1]!, ...log.leaves.slice(1));
    expect(walk(restorer(other, hidden), hidden, allowances)).toEqual([4n, 7n]);
  });

  it("takes no leaves but the checkpoint's, and no older checkpoint than it knows", async () => {
    const { log, other, allowances } = await spentLog();
    const restores = restorer(other, log, 6n);
    const without = new TestLog();
    without.leaves.push(...log.leaves.filter((_, at) => at !== 4), log.leaves[0]!);
    const step = { number: 0n, begin: { allowances, note: "6" }, finish: true };
    expect(refusal(() => restores.restore({ ...step, leaves: without.leaves }))).toBe("checkpoint_fork");
    expect(refusal(() => restores.restore({ ...step, leaves: log.leaves.slice(1) }))).toBe("checkpoint_fork");
    expect(refusal(() => restores.restore({ ...step, leaves: [...log.leaves, log.leaves[0]!] }))).toBe(
      "checkpoint_fork",
    );
    expect(refusal(() => walk(restores, log, allowances, 5))).toBe("checkpoint_rollback");
    expect(refusal(() => restores.restore({ ...step, begin: null, leaves: [] }))).toBe("restore_unknown");
    expect(walk(restores, log, allowances)).toEqual([4n, 10n]);
  });

  it("is about allowances of one vault that were debited", async () => {
    const { log, dead, other, allowances } = await spentLog();
    const foreign = await debited(other);
    const begin = (sealed: Uint8Array[]) => refusal(() => walk(restorer(other, log), log, sealed));
    expect(begin([])).toBe("allowance_invalid");
    expect(begin([allowances[0]!, foreign.sealed])).toBe("allowance_invalid");
    expect(begin([dead.allowances.admit(await asked(dead)).sealed])).toBe("allowance_invalid");
  });
});
