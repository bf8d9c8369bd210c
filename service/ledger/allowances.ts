/** Allowances as callers and inferences see them: opened, looked at, spent, ended. The numbers are in the vault alone. */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { PoolClient } from "pg";
import type { Logger } from "pino";
import {
  BalanceError,
  requestDigest,
  requestJson,
  verifyRequest,
  type LedgerContext,
} from "../../balances/index.ts";
import { equal, toHex, toHex0x } from "../../codec/index.ts";
import { readLedgerHead, VaultError } from "../../vault/index.ts";
import {
  addAllowance,
  addLedgerOperation,
  askToClose,
  findAllowance,
  findLedgerAccount,
  inTransaction,
  listAllowances,
  refuseAllowance,
  takeFromOpen,
  type AllowanceRow,
  type AllowanceToRefund,
  type Database,
} from "../db/index.ts";
import type { JobQueue } from "../jobs/index.ts";
import { describeError } from "../logger.ts";
import { ServiceError } from "../problem.ts";
import type { Account } from "../services.ts";
import type { AllowanceAsked, ClosingAsked, LedgerAllowances, Paying } from "../allowance-services.ts";
import type { Session, SessionHolder } from "../session.ts";
import type { Prices } from "./prices.ts";
import { requireRoom } from "./room.ts";
import { encodePayload, type LedgerPayload } from "./wish.ts";

/** How long the end of an allowance waits for inferences that it pays for. */
const IN_FLIGHT_WAIT_MS = 30_000;
const POLL_MS = 20;

export interface AllowanceParts {
  database: Database;
  sessions: SessionHolder;
  jobs: JobQueue;
  context: LedgerContext;
  /** Undefined where the operator gave none: nothing is opened then. */
  prices: Prices | undefined;
  log: Logger;
  nowMs(): number;
}

/** One that the vault in use holds. */
interface Held {
  row: AllowanceRow;
  session: Session;
  inFlight: number;
  /** Models, by id in hex, whose price it no longer covers: what is left only goes down. */
  uncovered: Set<string>;
  /** Nothing more is paid by it. */
  over: boolean;
}

export class Allowances implements LedgerAllowances {
  readonly #parts: AllowanceParts;
  readonly #held = new Map<string, Promise<Held>>();
  /** Those of which a statement was signed and not stored, until the database knows. */
  readonly #failed = new Map<string, AllowanceRow>();

  constructor(parts: AllowanceParts) {
    this.#parts = parts;
  }

  /** JSON text of the price list in force. @throws ServiceError `allowances_off` */
  prices(): string {
    return this.#pricesOrOff().text;
  }

  /**
   * Has the vault look at the terms, and asks for the debit. The same request again is the same allowance.
   * @throws BalanceError, VaultError why it is refused; ServiceError `allowances_off`, `ledger_operation_limit`
   */
  async open(caller: Account, account: Uint8Array, asked: AllowanceAsked): Promise<AllowanceRow> {
    const { database, sessions, jobs } = this.#parts;
    const { head } = await this.#ledgerAccount(caller, account);
    const { request, signature } = asked;
    this.#verify(head, account, asked, "allowance");
    const id = requestDigest(request);
    const known = await findAllowance(database, id);
    if (known) return visible(known, caller, account);
    await requireRoom(database, caller.tenantId);
    const session = sessions.current();
    await this.#pricesOrOff().install(session);
    const { vault } = session;
    const { sealed, expiresAtMs, priceList } = await vault.admitAllowance({ head, ...asked });
    const operationId = randomUUID();
    const { tenantId, accountId } = caller;
    const expiresAt = new Date(Number(expiresAtMs));
    const { receiptAddress } = vault.info;
    const names = { id, tenantId, accountId, account, vault: receiptAddress, priceList, expiresAt };
    const wish = {
      operation: "allowance",
      request: requestJson(request),
      signature: toHex0x(signature),
    } as const;
    await inTransaction(database, async (client) => {
      if (await addAllowance(client, { ...names, operationId, sealed }))
        await askFor(client, jobs, { id: operationId, tenantId, account }, wish);
    });
    return visible((await findAllowance(database, id))!, caller, account);
  }

  async list(caller: Account, account: Uint8Array): Promise<AllowanceRow[]> {
    await this.#ledgerAccount(caller, account);
    return listAllowances(this.#parts.database, account);
  }

  /** @throws ServiceError `allowance_not_found` */
  async find(caller: Account, account: Uint8Array, id: Uint8Array): Promise<AllowanceRow> {
    const { database, jobs } = this.#parts;
    const row = visible(await findAllowance(database, id), caller, account);
    const job = row.state === "waiting" ? await jobs.administration.find(row.operationId) : undefined;
    if (job?.state !== "failed" && job?.state !== "cancelled") return row;
    // Nobody debits it any more.
    await refuseAllowance(database, row.operationId, job.code ?? `job_${job.state}`);
    return visible(await findAllowance(database, id), caller, account);
  }

  /**
   * Ends an allowance because its owner signed so: at once where its vault is in use here, else where that is.
   * @throws BalanceError; ServiceError `allowance_not_found`
   */
  async close(
    caller: Account,
    account: Uint8Array,
    id: Uint8Array,
    asked: ClosingAsked,
  ): Promise<AllowanceRow> {
    const { database } = this.#parts;
    const { head } = await this.#ledgerAccount(caller, account);
    await this.find(caller, account, id);
    this.#verify(head, account, asked, "close");
    if (!equal(asked.request.subject, id))
      throw new BalanceError("request_invalid", "the owner closed another allowance");
    await askToClose(database, id);
    await this.end(id);
    return this.find(caller, account, id);
  }

  /**
   * An open allowance of the caller's, to pay for one inference by the session's vault.
   * @throws ServiceError `allowance_not_found`, `allowance_waiting`, `allowance_closed`; VaultError `allowance_elsewhere` and why it
   *   cannot be spent
   */
  async hold(caller: Account, id: Uint8Array, session: Session, modelId: Uint8Array): Promise<Paying> {
    const name = toHex(id);
    let held = await this.#held.get(name);
    if (held?.session !== session) {
      const taken = this.#take(id, session);
      this.#held.set(name, taken);
      held = await taken.catch((error: unknown) => {
        if (this.#held.get(name) === taken) this.#held.delete(name);
        throw error;
      });
    }
    const { row } = held;
    if (row.tenantId !== caller.tenantId || row.accountId !== caller.accountId)
      throw new ServiceError("allowance_not_found");
    if (held.over) throw new ServiceError("allowance_closed");
    const model = toHex(modelId);
    if (held.uncovered.has(model)) throw new VaultError("allowance_insufficient");
    const holding = held;
    holding.inFlight++;
    return {
      id,
      refused(error) {
        const isShort = error instanceof VaultError && error.code === "allowance_insufficient";
        if (isShort) holding.uncovered.add(model);
      },
      release: () => void holding.inFlight--,
      lost: () => this.#lost(holding),
    };
  }

  async #take(id: Uint8Array, session: Session): Promise<Held> {
    const { database, prices } = this.#parts;
    const row = await findAllowance(database, id);
    if (!row) throw new ServiceError("allowance_not_found");
    if (row.state === "waiting") throw new ServiceError("allowance_waiting");
    if (row.state !== "open") throw new ServiceError("allowance_closed");
    await prices?.install(session);
    await session.vault.activateAllowance(row.sealed);
    return { row, session, inFlight: 0, uncovered: new Set(), over: false };
  }

  /**
   * A statement that it paid for was signed, and is not known to be stored: the vault's number is no longer what the log says, so
   * nothing more is spent by it, and its rest comes from the log.
   */
  async #lost(held: Held): Promise<void> {
    held.over = true;
    this.#failed.set(toHex(held.row.id), held.row);
    await this.settleFailed();
  }

  /** Tells the database of those that failed; what it does not hear now, it hears at the next call. */
  async settleFailed(): Promise<void> {
    const { log } = this.#parts;
    for (const [name, row] of this.#failed) {
      try {
        await this.fence(row);
        this.#failed.delete(name);
        this.#held.delete(name);
        log.warn(
          { operationId: row.operationId },
          "an answer was not stored: its allowance ends, by the log",
        );
      } catch (error) {
        log.warn({ err: describeError(error) }, "an allowance could not be ended yet");
      }
    }
  }

  /**
   * From here on nothing is stored that spends it, and the log is to say what is left.
   * @param only `lapsed` where its own service may live after all
   */
  async fence(allowance: AllowanceToRefund, only?: "lapsed"): Promise<void> {
    const { database, jobs } = this.#parts;
    await inTransaction(database, async (client) => {
      if (await takeFromOpen(client, allowance.id, { sealed: null, only }))
        await askForRefund(client, jobs, allowance);
    });
  }

  /**
   * Ends an allowance that the vault in use holds: what it pays for now is finished first.
   * One of another vault is left to that.
   */
  async end(id: Uint8Array): Promise<void> {
    const { database, jobs, sessions } = this.#parts;
    const row = await findAllowance(database, id);
    const session = sessions.peek();
    if (row?.state !== "open" || !session || !equal(row.vault, session.vault.info.receiptAddress)) return;
    const name = toHex(id);
    const held = await this.#held.get(name)?.catch(() => undefined);
    if (held) {
      held.over = true;
      const untilMs = performance.now() + IN_FLIGHT_WAIT_MS;
      while (held.inFlight > 0 && performance.now() < untilMs) await sleep(POLL_MS);
    }
    if (this.#failed.has(name)) return this.settleFailed();
    // One that still waits for its answer may yet fail to be stored: then the log is right, and not the number.
    if (held && held.inFlight > 0) return this.fence(row);
    const sealed = await session.vault.closeAllowance(row.sealed);
    await inTransaction(database, async (client) => {
      if (await takeFromOpen(client, id, { sealed })) await askForRefund(client, jobs, row);
    });
    this.#held.delete(name);
  }

  #pricesOrOff(): Prices {
    if (!this.#parts.prices) throw new ServiceError("allowances_off");
    return this.#parts.prices;
  }

  async #ledgerAccount({ tenantId }: Account, account: Uint8Array): Promise<{ head: Uint8Array }> {
    const row = await findLedgerAccount(this.#parts.database, account);
    if (row?.tenantId !== tenantId) throw new BalanceError("account_unknown", "there is no such account");
    return row;
  }

  #verify(
    head: Uint8Array,
    account: Uint8Array,
    { request, signature }: ClosingAsked,
    wanted: "allowance" | "close",
  ): void {
    const { context, nowMs } = this.#parts;
    const { serverKeyDigest } = context;
    const { owner } = readLedgerHead(head);
    const of = { account, owner, serverKeyDigest, nowMs: BigInt(nowMs()) };
    if (verifyRequest(request, signature, of) !== wanted)
      throw new BalanceError("request_invalid", "the owner signed another operation");
  }
}

/** @throws ServiceError `allowance_not_found` */
function visible(row: AllowanceRow | undefined, { tenantId }: Account, account: Uint8Array): AllowanceRow {
  if (row?.tenantId !== tenantId || !equal(row.account, account))
    throw new ServiceError("allowance_not_found");
  return row;
}

async function askFor(
  client: PoolClient,
  jobs: JobQueue,
  { id, tenantId, account }: { id: string; tenantId: string; account: Uint8Array },
  wish: LedgerPayload["wish"],
): Promise<void> {
  await addLedgerOperation(client, { id, tenantId, account, operation: wish.operation });
  await jobs.send("settle", encodePayload({ account: toHex0x(account), wish }), { id, within: client });
}

/** In the transaction that makes it due. */
export async function askForRefund(
  client: PoolClient,
  jobs: JobQueue,
  { id, account, tenantId }: AllowanceToRefund,
): Promise<void> {
  const wish = { operation: "refund", allowance: toHex0x(id) } as const;
  await askFor(client, jobs, { id: randomUUID(), tenantId, account }, wish);
}
