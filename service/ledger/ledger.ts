/** Encrypted balances as the HTTP side sees them. */
import { randomUUID } from "node:crypto";
import {
  accountId,
  BalanceError,
  entriesToJson,
  ownerToText,
  verifyRequest,
  type LoggedEntry,
  type Owner,
} from "../../balances/index.ts";
import { equal, sha256, toHex, toHex0x } from "../../codec/index.ts";
import {
  addLedgerOperation,
  endLedgerOperation,
  findLedgerAccount,
  findLedgerOperation,
  inTransaction,
  listEntries,
  readBlob,
  type LedgerOperationRow,
} from "../db/index.ts";
import type { JobQueue } from "../jobs/index.ts";
import type { KeysetRecords } from "../keyset-records.ts";
import { appendOwn } from "../own-statement.ts";
import { ServiceError } from "../problem.ts";
import type { Account, Ledger, LedgerAccountView, LedgerCheckView, LedgerReadingAsked } from "../services.ts";
import type { Allowances } from "./allowances.ts";
import { FHE_KEY_NAMES, type FheKeyName } from "./keys.ts";
import { checkEntry } from "./check.ts";
import { publishedEntry } from "./published.ts";
import { requireRoom } from "./room.ts";
import { encodePayload, signedRequest, type Wish } from "./wish.ts";
import { openAccount, stateOf, type WriterParts } from "./writer.ts";

const PAGE = 64;

export interface LedgerParts extends WriterParts {
  jobs: Pick<JobQueue, "send"> & { administration: Pick<JobQueue["administration"], "find"> };
  keysets: KeysetRecords;
  /** SHA-256 of each, as the keyset names them. */
  keyDigests: readonly Uint8Array[];
  key(name: FheKeyName): Promise<Uint8Array>;
  allowances: Allowances;
}

export class StoredLedger implements Ledger {
  readonly #parts: LedgerParts;

  readonly allowances: Allowances;

  constructor(parts: LedgerParts) {
    this.#parts = parts;
    this.allowances = parts.allowances;
  }

  describe() {
    const { context, keyDigests } = this.#parts;
    const keys = FHE_KEY_NAMES.map((name, i) => ({ name, sha256: toHex0x(keyDigests[i]!) }));
    return {
      operator: ownerToText(context.operator),
      serverKeyDigest: toHex0x(context.serverKeyDigest),
      keys,
    };
  }

  key(name: FheKeyName): Promise<Uint8Array> {
    return this.#parts.key(name);
  }

  async open({ tenantId }: Account, owner: Owner): Promise<LedgerAccountView> {
    const account = accountId(owner);
    await openAccount(this.#parts, owner, account, { tenantId, operationId: null });
    return this.#view(account, tenantId);
  }

  account({ tenantId }: Account, account: Uint8Array): Promise<LedgerAccountView> {
    return this.#view(account, tenantId);
  }

  async #view(account: Uint8Array, tenantId: string): Promise<LedgerAccountView> {
    return stateOf(await this.#head(account, tenantId), account);
  }

  async #head(account: Uint8Array, tenantId: string): Promise<Uint8Array> {
    const row = await findLedgerAccount(this.#parts.database, account);
    // Another tenant's is none of the caller's business.
    if (row?.tenantId !== tenantId) throw new BalanceError("account_unknown", "there is no such account");
    return row.head;
  }

  async ask({ tenantId }: Account, account: Uint8Array, wish: Wish): Promise<LedgerOperationRow> {
    const { database, jobs, context, nowMs } = this.#parts;
    const { owner } = await this.#view(account, tenantId);
    if ("request" in wish) {
      const { request, signature } = signedRequest(wish);
      const { serverKeyDigest } = context;
      const name = verifyRequest(request, signature, {
        account,
        owner,
        serverKeyDigest,
        nowMs: BigInt(nowMs()),
      });
      if (name !== wish.operation)
        throw new BalanceError("request_invalid", "the owner signed another operation");
      // What left for nobody could never arrive; accounts are never closed.
      if (name === "transferOut" && !(await findLedgerAccount(database, request.subject)))
        throw new BalanceError("account_unknown", "there is no account that it could go to");
    }
    await requireRoom(database, tenantId);
    const id = randomUUID();
    await inTransaction(database, async (client) => {
      await addLedgerOperation(client, { id, tenantId, account, operation: wish.operation });
      await jobs.send("settle", encodePayload({ account: toHex0x(account), wish }), { id, within: client });
    });
    return (await findLedgerOperation(database, id))!;
  }

  async operation({ tenantId }: Account, account: Uint8Array, id: string): Promise<LedgerOperationRow> {
    const row = await findLedgerOperation(this.#parts.database, id);
    if (row?.tenantId !== tenantId || toHex(row.account) !== toHex(account))
      throw new ServiceError("ledger_operation_not_found");
    const job = row.state === "waiting" ? await this.#parts.jobs.administration.find(id) : undefined;
    if (job?.state !== "failed" && job?.state !== "cancelled") return row;
    // Nobody works on it any more: what its asker is told stays so, whatever becomes of the job.
    await endLedgerOperation(this.#parts.database, id, {
      state: "failed",
      code: job.code ?? `job_${job.state}`,
    });
    return (await findLedgerOperation(this.#parts.database, id))!;
  }

  async read({ tenantId }: Account, account: Uint8Array, asked: LedgerReadingAsked) {
    const { database, sessions, appender } = this.#parts;
    const head = await this.#head(account, tenantId);
    const { owner, balanceDigest } = stateOf(head, account);
    const balance = await readBlob(database, balanceDigest);
    if (!balance) throw new BalanceError("blob_missing", "the account's ciphertext is missing");
    const { serverKeyDigest } = this.#parts.context;
    const nowMs = BigInt(this.#parts.nowMs());
    const { request, signature, publicKey } = asked;
    const name = verifyRequest(request, signature, { account, owner, serverKeyDigest, nowMs });
    if (
      name !== "reading" ||
      request.requestSequence !== 0n ||
      !equal(sha256(publicKey), request.operandDigest)
    )
      throw new BalanceError("request_invalid", "the owner signed no reading for this key");
    const signed = await sessions
      .current()
      .signWith((vault) => vault.readBalance({ head, balance, ...asked }));
    // Stated in the log before anybody has it.
    await appendOwn(appender, "Opening", signed);
    return { reading: signed.reading, receiptId: toHex(signed.digest) };
  }

  async blob(digest: Uint8Array): Promise<Uint8Array | undefined> {
    return readBlob(this.#parts.database, digest);
  }

  /** @throws BalanceError `account_unknown`, `entry_unknown`, `blob_missing`; VaultError */
  async check({ tenantId }: Account, account: Uint8Array, sequence: bigint): Promise<LedgerCheckView> {
    await this.#head(account, tenantId);
    return checkEntry(this.#parts, account, sequence);
  }

  async entries({ tenantId }: Account, account: Uint8Array, after: bigint): Promise<string> {
    await this.#head(account, tenantId);
    const rows = await listEntries(this.#parts.database, account, { after, limit: PAGE });
    const entries: LoggedEntry[] = [];
    for (const row of rows) {
      const entry = await publishedEntry(this.#parts, row);
      // Those after it are not covered by a checkpoint either.
      if (!entry) break;
      entries.push(entry);
    }
    return JSON.stringify(entriesToJson(entries));
  }
}
