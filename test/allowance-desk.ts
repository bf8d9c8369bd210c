/**
 * Allowances as services keep them: a real database and log, the vault's own parts, and numbers in place of ciphertexts. A vault ends
 * when nobody asks it any more; another of the cluster finds its statements in the log.
 */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ed25519 } from "@noble/curves/ed25519.js";
import { pino } from "pino";
import {
  encodeTerms,
  OPERATIONS,
  orderJson,
  requestDigest,
  sealTerms,
  signPriceList,
  priceListDigest,
  type Evaluator,
} from "../balances/index.ts";
import { secp256k1Owner, signOrder, signRequest, type Signatory } from "../balances/testing/owners.ts";
import { sha256, toHex0x, utf8 } from "../codec/index.ts";
import { encodeStatement, type LeafType } from "../receipts/index.ts";
import type { AllowanceRow, AllowanceToRefund } from "../service/db/allowances.ts";
import {
  addLedgerOperation,
  createAppender,
  DEFAULT_TENANT,
  findAllowance,
  findLedgerAccount,
  findLedgerOperation,
  inTransaction,
  LogTree,
  readBlob,
  type Appender,
} from "../service/db/index.ts";
import { Allowances, askForRefund } from "../service/ledger/allowances.ts";
import { Prices } from "../service/ledger/prices.ts";
import { Restorer } from "../service/ledger/restorer.ts";
import { encodePayload, type LedgerPayload } from "../service/ledger/wish.ts";
import { workOnLedger, type WorkParts } from "../service/ledger/work.ts";
import { openAccount } from "../service/ledger/writer.ts";
import type { Session, SessionHolder } from "../service/session.ts";
import type { Account } from "../service/services.ts";
import { AllowanceSeal } from "../vault/host/allowance-record.ts";
import { Allowances as VaultAllowances } from "../vault/host/allowances.ts";
import { ed25519FromSeed } from "../vault/host/ed25519.ts";
import { Keysets } from "../vault/host/keysets.ts";
import { LedgerJournal } from "../vault/host/ledger-journal.ts";
import { Ledger } from "../vault/host/ledger.ts";
import { PriceLists } from "../vault/host/price-lists.ts";
import { Restores } from "../vault/host/restores.ts";
import { createSigner } from "../vault/host/signer.ts";
import { Statements } from "../vault/host/statements.ts";
import { Tickets } from "../vault/host/tickets.ts";
import { x25519FromPrivateKey } from "../vault/host/x25519.ts";
import { readLedgerHead } from "../vault/index.ts";
import type { AllowanceAsked } from "../service/allowance-services.ts";
import type { LedgerEntryRequest } from "../vault/wire/balances.ts";
import type { RestoreRequest } from "../vault/wire/allowances.ts";
import { plainEngine, type Engine } from "./ledger-writer.ts";
import { createTestDatabase, temporaryDirectory, type TestDatabase } from "./postgres.ts";

export const MODEL = sha256(utf8("model"));
export const PRICE = 3n;
export const CALLER: Account = {
  tenantId: DEFAULT_TENANT,
  accountId: "11111111-1111-4111-8111-111111111111",
  keyId: "11111111-1111-4111-8111-111111111112",
};

const CLUSTER = sha256(utf8("cluster"));
const HPKE = x25519FromPrivateKey(sha256(utf8("hpke")));
const OPERATOR = secp256k1Owner("operator");
const PRICE_KEY = sha256(utf8("service owner"));
const ZERO = new Uint8Array(32);
const LIST = signPriceList(
  { version: 1n, issuedAtMs: 0n, prices: new Map([[toHex0x(MODEL), PRICE]]) },
  PRICE_KEY,
);

interface Job {
  id: string;
  payload: Uint8Array;
}

/** A process of its own: a vault with new instance keys, and what a service does with it. */
export interface Replica {
  address: Uint8Array;
  session: Session;
  allowances: Allowances;
  parts: WorkParts;
}

export class AllowanceDesk {
  readonly database: TestDatabase;
  readonly appender: Appender;
  readonly tree: LogTree;
  readonly engine: Engine = plainEngine();
  /** What an operator made of jobs. */
  readonly jobStates = new Map<string, { state: string; code: string | null }>();
  readonly #jobs: Job[] = [];
  readonly #folder = temporaryDirectory();
  readonly #journals: LedgerJournal[] = [];
  #replicas = 0;

  private constructor(database: TestDatabase) {
    this.database = database;
    this.appender = createAppender({ connection: database.connection });
    this.tree = new LogTree(database.pool);
  }

  static async open(): Promise<AllowanceDesk> {
    return new AllowanceDesk(await createTestDatabase());
  }

  async close(): Promise<void> {
    await this.appender.close();
    for (const journal of this.#journals) await journal.close();
    await this.database.remove();
    rmSync(this.#folder.path, { recursive: true, force: true });
  }

  async replica(): Promise<Replica> {
    const { address, vault } = await this.#vault();
    const session = {
      vault,
      signWith: (ask: (asked: unknown) => unknown) => ask(vault),
    } as unknown as Session;
    const sessions = { current: () => session, peek: () => session } as unknown as SessionHolder;
    const { database, appender, tree } = this;
    const context = { operator: OPERATOR.owner, serverKeyDigest: this.engine.evaluator.serverKeyDigest };
    const log = pino({ level: "silent" });
    const prices = new Prices(LIST, { database, appender });
    const jobs = {
      send: async (_kind: string, payload: Uint8Array, options: { id: string }) => {
        this.#jobs.push({ id: options.id, payload });
        return options.id;
      },
      administration: { find: async (id: string) => this.jobStates.get(id) },
    } as never;
    const common = { database, sessions, jobs, log, context, nowMs: Date.now };
    const restorer = new Restorer({ ...common, tree });
    const parts: WorkParts = {
      ...common,
      appender,
      evaluator: async () => this.engine.evaluator as Evaluator,
      restOf: (id, signal) => restorer.restOf(id, signal),
      onEntry: async () => undefined,
    };
    return { address, session, allowances: new Allowances({ ...common, prices }), parts };
  }

  async #vault() {
    const { serverKeyDigest } = this.engine.evaluator;
    const digests = [serverKeyDigest, serverKeyDigest, serverKeyDigest];
    const signer = createSigner("noble");
    const { address } = signer;
    const logKey = ed25519FromSeed(sha256(utf8("log")));
    const attester = { type: "tdx", name: "simulated", simulated: true } as const;
    const keysets = new Keysets({
      signer,
      air: logKey,
      aci: logKey,
      logKey,
      sealingKeys: () => [{ epoch: 1, publicKey: HPKE.publicKey }],
      fhePublicKeyDigests: digests,
      attester,
      gpuAttester: null,
    });
    const nowMs = Date.now;
    const notAfterSeconds = BigInt(Math.floor(nowMs() / 1000)) + 86_400n;
    keysets.install({ subject: null, notAfterSeconds, logOrigin: "log.example", tlsKeys: [] }, nowMs());
    const seal = new AllowanceSeal(CLUSTER);
    const prices = new PriceLists(ed25519.getPublicKey(PRICE_KEY));
    const allowances = new VaultAllowances({
      address,
      seal,
      prices,
      hpke: () => [HPKE],
      macKey: CLUSTER,
      serverKeyDigest,
      keyset: () => keysets.current(nowMs()).digest,
      nowMs,
    });
    const tickets = new Tickets(nowMs);
    const unused = {} as never;
    const statements = new Statements({
      signer,
      keysets,
      tickets,
      allowances,
      answers: unused,
      projections: unused,
      nowMs,
    });
    const keyset = keysets.current(nowMs());
    const evidenceDigest = sha256(utf8("evidence"));
    keyset.rememberQuote(evidenceDigest, { digest: ZERO, measurements: null });
    const dates = { notBeforeMs: 1n, notAfterMs: 2n };
    await this.store("Keyset", statements.signKeyset({ evidenceDigest, endorsementsDigest: ZERO, ...dates }));
    const ledger = new Ledger({
      checkCredit: () => undefined,
      statements,
      keys: {
        digests,
        secretKey: async () => this.engine.key,
        evaluator: async () => this.engine.evaluator as Evaluator,
      },
      journal: await this.#journal(),
      operator: OPERATOR.owner,
      macKey: CLUSTER,
      seal,
      nowMs,
    });
    const restores = new Restores({ seal, allowances, readNote, last: () => null });
    const vault = {
      info: { receiptAddress: address },
      installPriceList: async (document: string) => ({
        type: "PolicyChange",
        ...prices.install(document, statements),
      }),
      admitAllowance: async (asked: Parameters<typeof allowances.admit>[0]) => allowances.admit(asked),
      activateAllowance: async (sealed: Uint8Array) => allowances.activate(sealed),
      closeAllowance: async (sealed: Uint8Array) => allowances.close(sealed),
      encryptAllowance: async (sealed: Uint8Array) => (await ledger.encryptAllowance(sealed)).amount,
      restoreAllowances: async (step: RestoreRequest) => restores.restore(step),
      encryptZero: async () => (await ledger.encryptZero()).zero,
      signLedgerEntry: async (request: LedgerEntryRequest) => {
        const { entry, opening, ...rest } = await ledger.signEntry(request);
        return {
          type: "LedgerEntry",
          ...entry,
          ...rest,
          opening: opening && { type: "Opening", ...opening },
        };
      },
      sign: (allowance: Uint8Array | null) =>
        statements.signTicketed({
          type: 1,
          words: unsigned(tickets.draw(1)[0]!),
          projection: null,
          allowance,
        }),
    };
    return { address, vault };
  }

  /** Its file is opened by its name in the working directory. */
  async #journal(): Promise<LedgerJournal> {
    const home = process.cwd();
    const directory = join(this.#folder.path, `${this.#replicas++}`);
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    process.chdir(directory);
    try {
      const journal = await LedgerJournal.open();
      this.#journals.push(journal);
      return journal;
    } finally {
      process.chdir(home);
    }
  }

  async store(
    type: LeafType,
    signed: { words: Uint8Array; digest: Uint8Array; signature: Uint8Array; keysetDigest: Uint8Array },
    more: { spent?: Uint8Array | null; allowance?: Uint8Array } = {},
  ): Promise<bigint> {
    const { spent = null, allowance } = more;
    const nobody = { requestId: null, accountId: null, apiKeyId: null, modelId: null, sealedExtra: null };
    const statement = { ...nobody, ...signed, type, tenantId: DEFAULT_TENANT, spent };
    return this.appender.append({ statement, ...(allowance && { allowance }) });
  }

  /** A checkpoint of all that is stored now: its note is size and root. */
  async checkpoint(): Promise<void> {
    const { size, root } = await this.tree.head();
    await this.database.pool.query(
      "INSERT INTO checkpoints (size, root, note, eip712) VALUES ($1, $2, $3, '{}') ON CONFLICT DO NOTHING",
      [size.toString(), root, `${size} ${Buffer.from(root).toString("hex")}`],
    );
  }

  /** An account that holds so much. */
  async fund({ parts }: Replica, by: Signatory, amountAtomic: bigint): Promise<void> {
    await openAccount(parts, by.owner, by.account, { tenantId: DEFAULT_TENANT, operationId: null });
    const { order, signature } = signOrder(OPERATOR, {
      account: by.account,
      operation: OPERATIONS.credit,
      amountAtomic,
      serverKeyDigest: this.engine.evaluator.serverKeyDigest,
      expiresAtMs: soon(),
    });
    await this.#ask(by, { operation: "credit", order: orderJson(order), signature: toHex0x(signature) });
    await this.settle(parts);
  }

  async #ask(by: Signatory, wish: LedgerPayload["wish"]): Promise<void> {
    const id = crypto.randomUUID();
    const row = { id, tenantId: DEFAULT_TENANT, account: by.account, operation: wish.operation };
    await inTransaction(this.database, (client) => addLedgerOperation(client, row));
    this.#jobs.push({ id, payload: encodePayload({ account: toHex0x(by.account), wish }) });
  }

  dropJobs(): void {
    this.#jobs.length = 0;
  }

  /** Runs what waits until nothing does. @returns the codes of what was refused */
  async settle(parts: WorkParts): Promise<(string | null)[]> {
    const codes: (string | null)[] = [];
    for (let job = this.#jobs.shift(); job; job = this.#jobs.shift()) {
      const signal = new AbortController().signal;
      const running = { ...job, sealed: job.payload, retries: 0, lastTry: true, signal };
      await workOnLedger(parts, running).catch(() => undefined);
      codes.push((await findLedgerOperation(this.database, job.id))!.code);
    }
    return codes;
  }

  /** What an owner signs and seals for this replica's vault. */
  async asked(
    { address }: Pick<Replica, "address">,
    by: Signatory,
    credits: bigint,
  ): Promise<AllowanceAsked> {
    const terms = {
      credits,
      expiresAtMs: BigInt(Date.now() + 3_600_000),
      priceList: priceListDigest(LIST),
      vault: address,
      salt: crypto.getRandomValues(new Uint8Array(32)),
    };
    const state = readLedgerHead((await findLedgerAccount(this.database, by.account))!.head);
    const signed = signRequest(by, {
      operation: OPERATIONS.allowance,
      requestSequence: state.requestSequence + 1n,
      operandDigest: sha256(encodeTerms(terms)),
      serverKeyDigest: this.engine.evaluator.serverKeyDigest,
      expiresAtMs: soon(),
    });
    return { ...signed, terms: await sealTerms(terms, HPKE.publicKey, requestDigest(signed.request)) };
  }

  /** An open allowance of this replica's vault; its debit is made by `worker`. */
  async grant(at: Replica, by: Signatory, credits: bigint, worker = at): Promise<Uint8Array> {
    const { id } = await at.allowances.open(CALLER, by.account, await this.asked(at, by, credits));
    await this.settle(worker.parts);
    return id;
  }

  /** An inference that the allowance pays for, as the pipeline does it. */
  async spend({ allowances, session }: Replica, id: Uint8Array, stored = true): Promise<void> {
    const paying = await allowances.hold(CALLER, id, session, MODEL);
    try {
      const vault = session.vault as unknown as {
        sign(allowance: Uint8Array): Parameters<AllowanceDesk["store"]>[1] & { spent: Uint8Array };
      };
      let signed;
      try {
        signed = vault.sign(id);
      } catch (error) {
        paying.refused(error);
        throw error;
      }
      if (stored) await this.store("InferenceStatement", signed, { spent: signed.spent, allowance: id });
      else await paying.lost();
    } finally {
      paying.release();
    }
  }

  async end({ allowances }: Replica, by: Signatory, id: Uint8Array): Promise<AllowanceRow> {
    const { serverKeyDigest } = this.engine.evaluator;
    const members = { operation: OPERATIONS.close, requestSequence: 0n, subject: id, serverKeyDigest };
    return allowances.close(CALLER, by.account, id, signRequest(by, { ...members, expiresAtMs: soon() }));
  }

  /** As the keeper asks, where a refund is due again. */
  async refundAgain(allowance: AllowanceToRefund): Promise<void> {
    const jobs = {
      send: async (_kind: string, payload: Uint8Array, { id }: { id: string }) =>
        this.#jobs.push({ id, payload }),
    };
    await inTransaction(this.database, (client) => askForRefund(client, jobs as never, allowance));
  }

  async stateOf(id: Uint8Array): Promise<string> {
    return (await findAllowance(this.database, id))!.state;
  }

  async balance(by: Signatory): Promise<bigint> {
    const { balanceDigest } = readLedgerHead((await findLedgerAccount(this.database, by.account))!.head);
    return this.engine.key.decryptAmount((await readBlob(this.database, balanceDigest))!);
  }
}

const soon = () => BigInt(Date.now() + 600_000);

function readNote(note: string): { size: bigint; root: Uint8Array } {
  const [size, root] = note.split(" ");
  return { size: BigInt(size!), root: new Uint8Array(Buffer.from(root!, "hex")) };
}

function unsigned(requestId: Uint8Array): Uint8Array {
  const some = sha256(utf8("something"));
  return encodeStatement("InferenceStatement", {
    requestId,
    modelId: MODEL,
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
