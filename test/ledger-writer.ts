/**
 * The ledger's writer as a worker runs it: a real database and appender, the vault's ledger over a journal on disk, and crashes
 * where a test wants them. A crash is an error that nothing handles; what is left is what the database and the journal hold.
 */
import { randomUUID } from "node:crypto";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  balanceKeyFromSeed,
  openEvaluator,
  openProver,
  orderJson,
  proofMetadata,
  requestJson,
  type Addon,
  type BalanceKey,
  type Evaluator,
  type LedgerRequest,
  type RequestedName,
  OPERATIONS,
} from "../balances/index.ts";
import { testKeys, TEST_SEED } from "../balances/testing/addon.ts";
import { plainEvaluator, readPlain } from "../balances/testing/ledger.ts";
import { nextReference, secp256k1Owner, signOrder, signRequest } from "../balances/testing/owners.ts";
import type { Signatory } from "../balances/testing/owners.ts";
import { concat, sha256, toBase64, toHex0x, utf8 } from "../codec/index.ts";
import {
  addLedgerOperation,
  createAppender,
  DEFAULT_TENANT,
  findLedgerAccount,
  findLedgerOperation,
  inTransaction,
  readBlob,
  type LedgerOperationRow,
} from "../service/db/index.ts";
import { JobFailure } from "../service/jobs/error.ts";
import type { JobState, JobView } from "../service/jobs/index.ts";
import { arrivals } from "../service/ledger/arrival.ts";
import { StoredLedger, type LedgerParts } from "../service/ledger/ledger.ts";
import { encodePayload, type Wish } from "../service/ledger/wish.ts";
import { workOnLedger } from "../service/ledger/work.ts";
import { openAccount, type WriterParts } from "../service/ledger/writer.ts";
import type { Account } from "../service/services.ts";
import type { SessionHolder } from "../service/session.ts";
import { AllowanceSeal } from "../vault/host/allowance-record.ts";
import { ed25519FromSeed } from "../vault/host/ed25519.ts";
import { Keysets } from "../vault/host/keysets.ts";
import { LedgerJournal } from "../vault/host/ledger-journal.ts";
import { Ledger } from "../vault/host/ledger.ts";
import { createSigner } from "../vault/host/signer.ts";
import { Statements } from "../vault/host/statements.ts";
import { readLedgerHead } from "../vault/index.ts";
import type { LedgerEntryRequest } from "../vault/wire/balances.ts";
import { createTestDatabase, temporaryDirectory, type TestDatabase } from "./postgres.ts";

/** Where a worker may fall over. */
export const CRASH_POINTS = ["computed", "pending", "signed", "logged"] as const;
export type CrashPoint = (typeof CRASH_POINTS)[number];
export class Crash extends Error {}

export interface Engine {
  key: BalanceKey;
  evaluator: Pick<Evaluator, "execution" | "serverKeyDigest" | keyof ReturnType<typeof plainEvaluator>>;
  prove(amountAtomic: bigint, metadata: Uint8Array): Promise<Uint8Array>;
}

function plain(amount: bigint): Uint8Array {
  const number = new Uint8Array(8);
  new DataView(number.buffer).setBigUint64(0, amount);
  return number;
}

/** Plain numbers in place of ciphertexts: for what does not depend on encryption. */
export function plainEngine(): Engine {
  let salts = 0;
  return {
    key: {
      encrypt: async (amount) => concat(plain(amount), sha256(utf8(`${salts++}`))),
      decryptAmount: async (ciphertext) => readPlain(ciphertext),
      decryptBit: async (bit) => readPlain(bit) === 1n,
      sameAmount: async (one, other) => readPlain(one) === readPlain(other),
    },
    evaluator: { ...plainEvaluator(), serverKeyDigest: sha256(utf8("evaluation key")) },
    prove: async (amount, metadata) => concat(metadata, plain(amount)),
  };
}

export async function fheEngine(addon: Addon): Promise<Engine> {
  const keys = await testKeys(addon);
  const key = await balanceKeyFromSeed(addon, TEST_SEED);
  const evaluator = await openEvaluator(addon, keys, { niceness: 0 });
  return { key, evaluator, prove: (await openProver(addon, keys)).prove };
}

const OPERATOR = secp256k1Owner("operator");
const MAC_KEY = sha256(utf8("cluster"));
const VALIDITY_MS = 600_000;

/** A queue that gives out what was asked, once, in order. */
interface Job {
  id: string;
  payload: Uint8Array;
}

export class LedgerDesk {
  readonly database: TestDatabase;
  readonly engine: Engine;
  readonly log: { code?: string }[] = [];
  nowMs = Date.now();
  /** Where the next entry's worker falls over. */
  crashAt: CrashPoint | undefined;
  readonly jobs: Job[] = [];
  readonly #folder = temporaryDirectory();
  readonly #appender: ReturnType<typeof createAppender>;
  readonly #open: LedgerJournal[] = [];
  #vaults = 0;
  #parts!: WriterParts;

  private constructor(database: TestDatabase, engine: Engine) {
    this.database = database;
    this.engine = engine;
    this.#appender = createAppender({ connection: database.connection });
  }

  static async open(engine: Engine): Promise<LedgerDesk> {
    const desk = new LedgerDesk(await createTestDatabase(), engine);
    desk.#parts = await desk.worker("vault");
    return desk;
  }

  async close(): Promise<void> {
    await this.#appender.close();
    for (const journal of this.#open) await journal.close();
    await this.database.remove();
    rmSync(this.#folder.path, { recursive: true, force: true });
  }

  /** A process of its own, with a vault of its own: new instance keys over the journal of that name. */
  async worker(vaultName: string): Promise<WriterParts> {
    const { engine } = this;
    const vault = await this.#startVault(vaultName);
    const { serverKeyDigest } = engine.evaluator;
    const crash = (point: CrashPoint) => {
      if (this.crashAt !== point) return;
      this.crashAt = undefined;
      throw new Crash(point);
    };
    const signing = {
      encryptZero: async () => (await vault.encryptZero()).zero,
      signLedgerEntry: async (request: LedgerEntryRequest) => {
        crash("pending");
        const { entry, opening, ...rest } = await vault.signEntry(request);
        crash("signed");
        return {
          type: "LedgerEntry",
          ...entry,
          ...rest,
          opening: opening && { type: "Opening", ...opening },
        };
      },
    };
    const session = { vault: signing, signWith: (ask: (asked: unknown) => unknown) => ask(signing) };
    return {
      database: this.database,
      appender: {
        append: async (item) => {
          const index = await this.#appender.append(item);
          crash("logged");
          return index;
        },
      },
      sessions: { current: () => session } as unknown as SessionHolder,
      context: { operator: OPERATOR.owner, serverKeyDigest },
      evaluator: async () => crashing(engine.evaluator, () => crash("computed")) as Evaluator,
      nowMs: () => this.nowMs,
      log: { error: (members: object) => void this.log.push(members) },
      onEntry: arrivals({
        send: async (_kind, payload, options) => {
          const id = options!.id!;
          this.jobs.push({ id, payload });
          return id;
        },
      }),
    };
  }

  async #startVault(name: string): Promise<Ledger> {
    const { digests, nowMs } = {
      digests: Array(3).fill(this.engine.evaluator.serverKeyDigest) as Uint8Array[],
      nowMs: () => this.nowMs,
    };
    const signer = createSigner("noble");
    const logKey = ed25519FromSeed(sha256(utf8(`${name} ${this.#vaults++}`)));
    const keysets = new Keysets({
      signer,
      air: logKey,
      aci: logKey,
      logKey,
      sealingKeys: () => [{ epoch: 1, publicKey: sha256(utf8("hpke")) }],
      fhePublicKeyDigests: digests,
      attester: { type: "tdx", name: "simulated", simulated: true },
      gpuAttester: null,
    });
    const notAfterSeconds = BigInt(Math.floor(this.nowMs / 1000)) + 30n * 86_400n;
    keysets.install({ subject: null, notAfterSeconds, logOrigin: "log.example", tlsKeys: [] }, this.nowMs);
    // It signs nothing that has a ticket or another form.
    const unused = {} as never;
    const statements = new Statements({
      signer,
      keysets,
      tickets: unused,
      answers: unused,
      projections: unused,
      nowMs,
    });
    const { key, evaluator } = this.engine;
    return new Ledger({
      statements,
      keys: { digests, secretKey: async () => key, evaluator: async () => evaluator as Evaluator },
      journal: await this.#journal(name),
      operator: OPERATOR.owner,
      checkCredit: () => undefined,
      macKey: MAC_KEY,
      seal: new AllowanceSeal(MAC_KEY),
      nowMs,
    });
  }

  /** Its file is opened by its name in the working directory. */
  async #journal(name: string): Promise<LedgerJournal> {
    const home = process.cwd();
    const directory = join(this.#folder.path, name);
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    process.chdir(directory);
    try {
      const journal = await LedgerJournal.open();
      this.#open.push(journal);
      return journal;
    } finally {
      process.chdir(home);
    }
  }

  async begin(by: Signatory): Promise<void> {
    await openAccount(this.#parts, by.owner, by.account, { tenantId: DEFAULT_TENANT, operationId: null });
  }

  async state(by: Signatory) {
    return readLedgerHead((await findLedgerAccount(this.database, by.account))!.head);
  }

  async balance(by: Signatory): Promise<bigint> {
    const ciphertext = await readBlob(this.database, (await this.state(by)).balanceDigest);
    return this.engine.key.decryptAmount(ciphertext!);
  }

  /** All that was ever credited or deposited, as the database counts it. */
  async issued(): Promise<bigint> {
    const { rows } = await this.database.pool.query<{ issued: string }>("SELECT issued FROM ledger_supply");
    return BigInt(rows[0]?.issued ?? 0);
  }

  readonly account = { tenantId: DEFAULT_TENANT } as Account;

  /** The ledger as the HTTP side sees it, where every job stands so. */
  async served(job: { state: JobState; code: string | null }): Promise<StoredLedger> {
    const find = async () => job as JobView;
    const parts = { ...this.#parts, jobs: { administration: { find } } };
    return new StoredLedger(parts as unknown as LedgerParts);
  }

  /** As the service's API takes it. @returns the operation's id */
  async ask(by: Signatory, wish: Wish): Promise<string> {
    const id = randomUUID();
    const row = { id, tenantId: DEFAULT_TENANT, account: by.account, operation: wish.operation };
    await inTransaction(this.database, (client) => addLedgerOperation(client, row));
    this.jobs.push({ id, payload: encodePayload({ account: toHex0x(by.account), wish }) });
    return id;
  }

  /** Runs what waits until nothing does; what fell over is run again by a new process, as the queue does it. */
  async settle(): Promise<void> {
    for (let job = this.jobs.shift(); job; job = this.jobs.shift()) await this.#run(job);
  }

  async #run(job: Job): Promise<void> {
    for (;;) {
      try {
        return await this.persist(job, this.#parts);
      } catch (error) {
        if (!(error instanceof Crash)) throw error;
        this.#parts = await this.worker("vault");
      }
    }
  }

  /** Until what it waits for has come. */
  async persist(job: Job, parts: WriterParts): Promise<void> {
    for (let retries = 0; ; retries++) {
      try {
        return await this.work(job, parts, retries);
      } catch (error) {
        if (!(error instanceof JobFailure) || retries === 10) throw error;
        await sleep(100);
      }
    }
  }

  work({ id, payload }: Job, parts: WriterParts, retries = 0): Promise<void> {
    const running = {
      id,
      payload,
      sealed: payload,
      retries,
      lastTry: false,
      signal: new AbortController().signal,
    };
    return workOnLedger({ ...parts, restOf: noAllowance }, running);
  }

  /** Asks, settles, and says how it ended. */
  async run(by: Signatory, wish: Wish): Promise<LedgerOperationRow> {
    const id = await this.ask(by, wish);
    await this.settle();
    return (await findLedgerOperation(this.database, id))!;
  }

  credit(by: Signatory, amountAtomic: bigint, reference = nextReference()): Wish {
    return { operation: "credit", ...this.#order(by, "credit", { amountAtomic, reference }) };
  }

  order(by: Signatory, operation: "freeze" | "unfreeze"): Wish {
    return { operation, ...this.#order(by, operation, {}) };
  }

  #order(by: Signatory, operation: "credit" | "freeze" | "unfreeze", members: object) {
    const { account } = by;
    const { serverKeyDigest } = this.engine.evaluator;
    const expiresAtMs = BigInt(this.nowMs + VALIDITY_MS);
    const bound = { account, operation: OPERATIONS[operation], serverKeyDigest, expiresAtMs };
    const { order, signature } = signOrder(OPERATOR, { ...bound, ...members });
    return { order: orderJson(order), signature: toHex0x(signature) };
  }

  /** What the owner signs next. */
  async request(by: Signatory, operation: RequestedName, members: Partial<LedgerRequest>) {
    const requestSequence = (await this.state(by)).requestSequence + 1n;
    const { serverKeyDigest } = this.engine.evaluator;
    const expiresAtMs = BigInt(this.nowMs + VALIDITY_MS);
    const bound = { requestSequence, serverKeyDigest, expiresAtMs, operation: OPERATIONS[operation] };
    const { request, signature } = signRequest(by, { ...bound, ...members });
    return { request: requestJson(request), signature: toHex0x(signature) };
  }

  async debit(by: Signatory, amountAtomic: bigint, members: Partial<LedgerRequest> = {}): Promise<Wish> {
    return { operation: "debit", ...(await this.request(by, "debit", { amountAtomic, ...members })) };
  }

  /** With a proof of the amount, bound to account and request. */
  async encrypted(
    by: Signatory,
    operation: "privateDebit" | "transferOut" | "deposit",
    amountAtomic: bigint,
    members: Partial<LedgerRequest> = {},
  ) {
    const requestSequence = (await this.state(by)).requestSequence + 1n;
    const { serverKeyDigest } = this.engine.evaluator;
    const bound = { account: by.account, requestSequence, operation: OPERATIONS[operation], serverKeyDigest };
    const proven = await this.engine.prove(amountAtomic, proofMetadata(bound));
    const signed = await this.request(by, operation, { operandDigest: sha256(proven), ...members });
    return { ...signed, proven: toBase64(proven) };
  }

  async privateDebit(by: Signatory, amountAtomic: bigint): Promise<Wish> {
    return { operation: "privateDebit", ...(await this.encrypted(by, "privateDebit", amountAtomic)) };
  }

  async transfer(by: Signatory, to: Signatory, amountAtomic: bigint): Promise<Wish> {
    const sent = await this.encrypted(by, "transferOut", amountAtomic, { subject: to.account });
    return { operation: "transferOut", ...sent };
  }

  /** @param promised what the voucher says, where that is not what is encrypted */
  async deposit(by: Signatory, amountAtomic: bigint, promised = amountAtomic): Promise<Wish> {
    const reference = nextReference();
    const voucher = this.#order(by, "credit", { amountAtomic: promised, reference });
    return {
      operation: "deposit",
      voucher,
      ...(await this.encrypted(by, "deposit", amountAtomic, { subject: reference })),
    };
  }
}

/** Falls over after it has computed. */
function crashing<T extends Engine["evaluator"]>(evaluator: T, crash: () => void): T {
  return new Proxy(evaluator, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== "function") return member;
      return async (...words: unknown[]) => {
        const result: unknown = await Reflect.apply(member, target, words);
        crash();
        return result;
      };
    },
  });
}

/** None is opened or refunded here. */
function noAllowance(): never {
  throw new Error("unexpected");
}
