/** One connection of the appender, with the head of the log as this process last saw it. */
import { Client, type ClientConfig } from "pg";
import { equal, toHex } from "../../codec/index.ts";
import { CompactRange, leafHash } from "../../receipts/index.ts";
import { byteaArray, uuidArray } from "./binary-array.ts";
import {
  APPEND_SQL,
  prepareAppend,
  type AppendItem,
  type DocumentRow,
  type Head,
} from "./append-statement.ts";
import { Edge, TILE_HASHES, splitHashes } from "./edge.ts";
import { DatabaseError, sqlStateOf } from "./error.ts";
import { checkServer } from "./safety.ts";

/** An append and what is known of it. */
export interface Pending {
  item: AppendItem;
  /** Once true, the database may hold it whatever we heard: only the database can say. */
  sent: boolean;
  resolve(leafIndex: bigint): void;
  reject(error: DatabaseError): void;
}

export interface Seen {
  size: bigint;
  epoch: bigint;
}

const UNIQUE_VIOLATION = "23505";
const DIVISION_BY_ZERO = "22012";
/** Classes of SQLSTATE that a server gives for a statement it has undone. After any other failure the outcome is unknown. */
const UNDONE = /^(22|23|40|42|53|54|55)/;
const HELD_SQL = `SELECT t.n::int AS n FROM unnest($1::uuid[], $2::uuid[], $3::bytea[], $4::bytea[]) WITH ORDINALITY AS t(a, b, c, d, n)
JOIN idempotency i ON i.tenant_id = t.a AND i.account_id = t.b AND i.key_hash = t.c AND i.lease = t.d
WHERE i.state = 'reserved' FOR UPDATE OF i`;
const KNOWN_DOCUMENTS = 4096;

export class AppendSession {
  readonly #client: Client;
  #head: Head | undefined;
  /** Whether the last optimistic try found another writer: then lock first. */
  #contended = true;
  /** Documents known to be stored, so that a manifest is not sent with every request. */
  readonly #stored = new Set<string>();
  #lost = false;

  readonly #seenBefore: Seen | undefined;

  private constructor(client: Client, seenBefore: Seen | undefined) {
    this.#client = client;
    this.#seenBefore = seenBefore;
    client.on("error", () => (this.#lost = true));
    client.on("end", () => (this.#lost = true));
  }

  get lost(): boolean {
    return this.#lost;
  }

  /** @throws DatabaseError of the server's safety; driver errors */
  static async connect(
    config: ClientConfig,
    timeoutMs: number,
    seenBefore: Seen | undefined,
  ): Promise<AppendSession> {
    const client = new Client({
      ...config,
      application_name: "affidavit-append",
      connectionTimeoutMillis: timeoutMs,
      query_timeout: timeoutMs,
      keepAlive: true,
    });
    const session = new AppendSession(client, seenBefore);
    try {
      await client.connect();
      await checkServer(client);
    } catch (error) {
      await session.close();
      throw error;
    }
    return session;
  }

  async close(): Promise<void> {
    this.#lost = true;
    await this.#client.end().catch(() => {});
  }

  /** Commits what can be committed and settles every one, or throws with those unsettled that were not committed. */
  async attempt(batch: Pending[]): Promise<void> {
    if (this.#head && !this.#contended && !batch.some(({ sent }) => sent)) {
      if (await this.#insertOptimistically(batch)) return;
    }
    await this.#locked(batch);
  }

  /** The log as last seen: a later session refuses one that is shorter or has another epoch. */
  get seen(): Seen | undefined {
    return this.#head ? { size: this.#head.edge.size, epoch: this.#head.epoch } : this.#seenBefore;
  }

  /** @returns false where another writer was first, or a row of the batch conflicts: nothing was written then. */
  async #insertOptimistically(batch: Pending[]): Promise<boolean> {
    try {
      const next = await this.#insert(this.#head!, batch);
      if (next) this.#settle(next, batch);
      return next !== undefined;
    } catch (error) {
      const state = sqlStateOf(error);
      if (state === UNIQUE_VIOLATION || state === DIVISION_BY_ZERO) return false;
      throw error;
    }
  }

  async #insert(head: Head, batch: Pending[]): Promise<Head | undefined> {
    const items = batch.map(({ item }) => item);
    const { next, parameters } = prepareAppend(head, items, this.#newDocuments(items));
    const firstSent = batch.filter(({ sent }) => !sent);
    const unsend = () => firstSent.forEach((pending) => (pending.sent = false));
    for (const pending of batch) pending.sent = true;
    try {
      const { rows } = await this.#client.query({ name: "append", text: APPEND_SQL, values: parameters });
      if (rows[0].appended === 1) return next;
      unsend();
      return undefined;
    } catch (error) {
      if (UNDONE.test(sqlStateOf(error) ?? "")) unsend();
      throw error;
    }
  }

  #newDocuments(items: readonly AppendItem[]): DocumentRow[] {
    const fresh = new Map<string, DocumentRow>();
    for (const document of items.flatMap(({ documents }) => documents ?? [])) {
      const name = toHex(document.digest);
      if (!this.#stored.has(name)) fresh.set(name, document);
    }
    return [...fresh.values()];
  }

  #settle(next: Head, batch: Pending[]): void {
    const first = next.edge.size - BigInt(batch.length);
    this.#head = next;
    this.#contended = false;
    for (const { item } of batch)
      for (const { digest } of item.documents ?? []) this.#remember(toHex(digest));
    batch.forEach(({ resolve }, offset) => resolve(first + BigInt(offset)));
  }

  #remember(document: string): void {
    if (this.#stored.size >= KNOWN_DOCUMENTS) this.#stored.clear();
    this.#stored.add(document);
  }

  /** Locks the head, looks what of the batch conflicts, and appends the rest: always gets on, however many write. */
  async #locked(batch: Pending[]): Promise<void> {
    await this.#client.query("BEGIN");
    try {
      const head = await this.#loadHead();
      const rest = await this.#settleConflicts(batch);
      if (rest.length === 0) {
        await this.#client.query("COMMIT");
        this.#head = head;
        return;
      }
      const next = await this.#insert(head, rest);
      if (!next) throw new DatabaseError("log_corrupt", "the log's head changed while it was locked");
      await this.#client.query("COMMIT");
      this.#settle(next, rest);
    } catch (error) {
      if (sqlStateOf(error) !== undefined || error instanceof DatabaseError)
        await this.#client.query("ROLLBACK");
      throw error;
    }
  }

  async #loadHead(): Promise<Head> {
    const { rows } = await this.#client.query(
      "SELECT size, root, epoch, range FROM log_head WHERE id = 1 FOR UPDATE",
    );
    if (rows.length !== 1) throw new DatabaseError("log_corrupt", "the log has no head");
    const { root, range } = rows[0] as { root: Buffer; range: Buffer };
    const size = BigInt(rows[0].size);
    const epoch = BigInt(rows[0].epoch);
    const seen = this.seen;
    if (seen && seen.epoch !== epoch)
      throw new DatabaseError("log_fenced", "the log's epoch was raised: this service must restart");
    if (seen && seen.size > size) throw new DatabaseError("log_fenced", "the log is shorter than it was");
    const held = this.#head;
    if (held && held.edge.size === size && equal(held.root, root)) return held;
    const edge = await this.#loadEdge(size, range);
    edge.check(size, root);
    return { edge, root, epoch };
  }

  async #loadEdge(size: bigint, encodedRange: Buffer): Promise<Edge> {
    const partials: Uint8Array[][] = [];
    const first = size - (size % BigInt(TILE_HASHES));
    const entries = await this.#client.query(
      "SELECT leaf_data FROM log_entries WHERE leaf_index >= $1 ORDER BY leaf_index LIMIT 256",
      [first.toString()],
    );
    partials[0] = entries.rows.map(({ leaf_data }) => leafHash(leaf_data));
    let above = size / BigInt(TILE_HASHES);
    for (let level = 1; above > 0n; level++) {
      const count = Number(above % BigInt(TILE_HASHES));
      const tile = await this.#client.query("SELECT hashes FROM log_tiles WHERE level = $1 AND index = $2", [
        level,
        (above / BigInt(TILE_HASHES)).toString(),
      ]);
      partials[level] =
        count === 0 ? [] : splitHashes(tile.rows[0]?.hashes ?? Buffer.alloc(0)).slice(0, count);
      above /= BigInt(TILE_HASHES);
    }
    return new Edge(decodeRange(encodedRange), partials);
  }

  /** With the head locked nothing else appends, so what these queries see is what an insert would meet. */
  async #settleConflicts(batch: Pending[]): Promise<Pending[]> {
    const digests = batch.map(({ item }) => Buffer.from(item.statement.digest));
    const ids = batch.flatMap(({ item }) =>
      item.statement.requestId ? [Buffer.from(item.statement.requestId)] : [],
    );
    const stored = await this.#client.query(
      "SELECT digest, request_id, leaf_index FROM statements WHERE digest = ANY($1) OR request_id = ANY($2)",
      [digests, ids],
    );
    const leafOf = new Map<string, bigint>(
      stored.rows.map((row) => [toHex(row.digest), BigInt(row.leaf_index)]),
    );
    const taken = new Set(stored.rows.map((row) => (row.request_id ? toHex(row.request_id) : "")));
    const leased = await this.#heldLeases(batch);
    const open = await this.#openAllowances(batch);
    const rest: Pending[] = [];
    for (const pending of batch) {
      const { digest, requestId } = pending.item.statement;
      const leaf = leafOf.get(toHex(digest));
      if (leaf !== undefined && pending.sent) pending.resolve(leaf);
      else if (leaf !== undefined)
        pending.reject(new DatabaseError("statement_exists", "this statement is in the log already"));
      else if (requestId && taken.has(toHex(requestId))) {
        pending.reject(
          new DatabaseError("request_id_taken", "a statement with this request id is in the log already"),
        );
      } else if (pending.item.idempotency && !leased.has(pending)) {
        pending.reject(
          new DatabaseError("idempotency_lost", "the reservation of this idempotency key has ended"),
        );
      } else if (pending.item.allowance && !open.has(toHex(pending.item.allowance))) {
        pending.reject(new DatabaseError("allowance_fenced", "the allowance is no longer open"));
      } else rest.push(pending);
    }
    return rest;
  }

  /** Locks them until the commit, as the leases. */
  async #openAllowances(batch: Pending[]): Promise<Set<string>> {
    const ids = batch.flatMap(({ item }) => (item.allowance ? [Buffer.from(item.allowance)] : []));
    if (ids.length === 0) return new Set();
    const { rows } = await this.#client.query(
      "SELECT id FROM ledger_allowances WHERE id = ANY($1) AND state = 'open' FOR SHARE",
      [ids],
    );
    return new Set(rows.map(({ id }) => toHex(id)));
  }

  /** Locks the reservations until the commit, so that nothing takes them over in between. */
  async #heldLeases(batch: Pending[]): Promise<Set<Pending>> {
    const reserved = batch.flatMap((pending) =>
      pending.item.idempotency ? [{ pending, row: pending.item.idempotency }] : [],
    );
    if (reserved.length === 0) return new Set();
    const { rows } = await this.#client.query(HELD_SQL, [
      uuidArray(reserved.map(({ row }) => row.tenantId)),
      uuidArray(reserved.map(({ row }) => row.accountId)),
      byteaArray(reserved.map(({ row }) => row.keyHash)),
      byteaArray(reserved.map(({ row }) => row.lease)),
    ]);
    return new Set(rows.map(({ n }) => reserved[n - 1]!.pending));
  }
}

function decodeRange(bytes: Uint8Array): CompactRange {
  try {
    return CompactRange.decode(bytes);
  } catch {
    throw new DatabaseError("log_corrupt", "the log's stored range is malformed");
  }
}
