/** API keys: made here, shown once, stored as their SHA-256. */
import { randomBytes, randomUUID } from "node:crypto";
import { and, count, desc, eq, isNotNull, isNull } from "drizzle-orm";
import { sha256, toBase64Url, toHex, utf8 } from "../../codec/index.ts";
import type { Database } from "./connect.ts";
import { toDatabaseError, guarded } from "./error.ts";
import { DEFAULT_TENANT } from "./columns.ts";
import { apiKeys } from "./schema.ts";

const KEY_BYTES = 32;
const SHOWN_CHARACTERS = 8;
const PREFIX = "aff_";
const LISTED = 1000;

export interface NewApiKey {
  label: string;
  scopes: string[];
  tenantId?: string;
  /** An account that other keys have already; by default a new one. */
  accountId?: string;
  expiresAt?: Date;
}

export interface ApiKeyView {
  id: string;
  tenantId: string;
  accountId: string;
  prefix: string;
  label: string;
  scopes: string[];
  createdAt: Date;
  revokedAt: Date | null;
  expiresAt: Date | null;
}

/** A live key as a request needs it. */
export interface ApiKeyHolder {
  account: { accountId: string; tenantId: string; keyId: string };
  scopes: string[];
  /** The stored digest, 32 bytes. */
  digest: Uint8Array;
}

/** The database, or a transaction in it. */
interface Querying {
  orm: Pick<Database["orm"], "insert" | "select" | "update">;
}

/** @returns the key's text, which is kept nowhere, and its row */
export async function createApiKey(
  database: Querying,
  wanted: NewApiKey,
): Promise<{ key: string; row: ApiKeyView }> {
  const key = PREFIX + toBase64Url(randomBytes(KEY_BYTES));
  const [row] = await guarded(
    database.orm
      .insert(apiKeys)
      .values({
        id: randomUUID(),
        tenantId: wanted.tenantId ?? DEFAULT_TENANT,
        accountId: wanted.accountId ?? randomUUID(),
        keyHash: sha256(utf8(key)),
        prefix: key.slice(0, PREFIX.length + SHOWN_CHARACTERS),
        label: wanted.label,
        scopes: wanted.scopes,
        expiresAt: wanted.expiresAt ?? null,
      })
      .returning(VIEW),
  );
  return { key, row: row! };
}

/**
 * Takes in a key that was made elsewhere. One that is known stays as it is: a revoked one too.
 * @param digest SHA-256 of the key's text, 32 bytes
 */
export async function adoptApiKey(
  database: Database,
  digest: Uint8Array,
  { label, scopes }: { label: string; scopes: string[] },
): Promise<void> {
  const row = {
    id: randomUUID(),
    tenantId: DEFAULT_TENANT,
    accountId: randomUUID(),
    keyHash: digest,
    prefix: "",
  };
  await guarded(
    database.orm
      .insert(apiKeys)
      .values({ ...row, label, scopes })
      .onConflictDoNothing({ target: apiKeys.keyHash }),
  );
}

const VIEW = {
  id: apiKeys.id,
  tenantId: apiKeys.tenantId,
  accountId: apiKeys.accountId,
  prefix: apiKeys.prefix,
  label: apiKeys.label,
  scopes: apiKeys.scopes,
  createdAt: apiKeys.createdAt,
  revokedAt: apiKeys.revokedAt,
  expiresAt: apiKeys.expiresAt,
};

/** @returns whether there was such a live key */
export async function revokeApiKey(
  database: Querying,
  id: string,
  tenantId: string = DEFAULT_TENANT,
): Promise<boolean> {
  const rows = await guarded(
    database.orm
      .update(apiKeys)
      .set({ revokedAt: new Date() })
      .where(and(eq(apiKeys.id, id), eq(apiKeys.tenantId, tenantId), isNull(apiKeys.revokedAt)))
      .returning({ id: apiKeys.id }),
  );
  return rows.length > 0;
}

/** Keys of the tenant that are not revoked, then revoked ones, the newest first: a thousand at most. */
export function listApiKeys(database: Database, tenantId: string = DEFAULT_TENANT): Promise<ApiKeyView[]> {
  return guarded(
    database.orm
      .select(VIEW)
      .from(apiKeys)
      .where(eq(apiKeys.tenantId, tenantId))
      .orderBy(isNotNull(apiKeys.revokedAt), desc(apiKeys.createdAt))
      .limit(LISTED),
  );
}

/** Keys of the tenant that are not revoked, expired ones among them. */
export async function countLiveApiKeys(database: Querying, tenantId: string): Promise<number> {
  const [row] = await guarded(
    database.orm
      .select({ live: count() })
      .from(apiKeys)
      .where(and(eq(apiKeys.tenantId, tenantId), isNull(apiKeys.revokedAt))),
  );
  return row!.live;
}

/** Whether the tenant ever had a key of this account: accounts are known by their keys alone. */
export async function hasAccount(database: Querying, tenantId: string, accountId: string): Promise<boolean> {
  const rows = await guarded(
    database.orm
      .select({ id: apiKeys.id })
      .from(apiKeys)
      .where(and(eq(apiKeys.tenantId, tenantId), eq(apiKeys.accountId, accountId)))
      .limit(1),
  );
  return rows.length > 0;
}

interface Cached {
  found: Promise<(ApiKeyHolder & { expiresAtMs: number }) | undefined>;
  untilMs: number;
}

const CACHED_MS = 1000;
const CACHED_KEYS = 10_000;

/**
 * Finds keys by digest. An answer, also "no such key", is remembered for a second: that is how long a revoked key can still
 * work, on every replica. Times are the service's clock.
 */
export class ApiKeyFinder {
  readonly #database: Database;
  readonly #now: () => number;
  readonly #cache = new Map<string, Cached>();

  constructor(database: Database, now: () => number = Date.now) {
    this.#database = database;
    this.#now = now;
  }

  /** @param digest SHA-256 of the key's text: 32 bytes. @throws DatabaseError `database_unavailable` */
  async find(digest: Uint8Array): Promise<ApiKeyHolder | undefined> {
    const name = toHex(digest);
    const now = this.#now();
    let cached = this.#cache.get(name);
    if (!cached || cached.untilMs <= now) {
      cached = { found: this.#load(digest), untilMs: now + CACHED_MS };
      this.#cache.delete(name);
      if (this.#cache.size >= CACHED_KEYS) this.#cache.delete(this.#cache.keys().next().value!);
      this.#cache.set(name, cached);
    }
    try {
      const holder = await cached.found;
      return holder && holder.expiresAtMs > now ? holder : undefined;
    } catch (error) {
      this.#cache.delete(name);
      throw toDatabaseError(error);
    }
  }

  async #load(digest: Uint8Array) {
    const { rows } = await this.#database.pool.query({
      name: "api-key",
      text: `SELECT id, tenant_id, account_id, key_hash, scopes, expires_at FROM api_keys WHERE key_hash = $1 AND revoked_at IS NULL`,
      values: [Buffer.from(digest)],
    });
    const row = rows[0];
    if (!row) return undefined;
    return {
      account: {
        accountId: row.account_id as string,
        tenantId: row.tenant_id as string,
        keyId: row.id as string,
      },
      scopes: row.scopes as string[],
      digest: row.key_hash as Uint8Array,
      expiresAtMs: row.expires_at ? (row.expires_at as Date).getTime() : Number.POSITIVE_INFINITY,
    };
  }
}
