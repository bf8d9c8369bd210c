/**
 * Idempotency keys. A reservation belongs to whoever holds its lease; one whose holder died is taken over by a repetition of the
 * same request once the lease has run out. Completing one is part of the append (see `Completion`). Times are the database's.
 */
import { randomBytes } from "node:crypto";
import type { Database } from "./connect.ts";
import { DatabaseError, toDatabaseError } from "./error.ts";

const LEASE_BYTES = 16;
const TRIES = 3;

export interface IdempotencyKey {
  tenantId: string;
  accountId: string;
  /** SHA-256 of the caller's key: 32 bytes. */
  keyHash: Uint8Array;
}

/** `tag` is the stored request's; the caller compares it with its own, in constant time, before anything else. */
export type Reservation =
  | { state: "reserved"; lease: Uint8Array }
  | { state: "busy"; tag: Uint8Array; retryAfterMs: number }
  | { state: "done"; tag: Uint8Array; ciphertext: Uint8Array; receiptDigest: Uint8Array }
  | { state: "gone"; tag: Uint8Array; receiptDigest: Uint8Array };

const RESERVE_SQL = `
INSERT INTO idempotency AS i (tenant_id, account_id, key_hash, state, tag, lease, lease_expires_at, expires_at)
VALUES ($1, $2, $3, 'reserved', $4, $5, now() + $6 * interval '1 millisecond', now() + $7 * interval '1 millisecond')
ON CONFLICT (tenant_id, account_id, key_hash) DO UPDATE
SET lease = EXCLUDED.lease, lease_expires_at = EXCLUDED.lease_expires_at, expires_at = EXCLUDED.expires_at
WHERE i.state = 'reserved' AND i.lease_expires_at <= now() AND i.tag = EXCLUDED.tag
RETURNING 1`;

const READ_SQL = `
SELECT state, tag, receipt_digest, CASE WHEN expires_at > now() THEN ciphertext END AS ciphertext,
  ceil(extract(epoch FROM lease_expires_at - now()) * 1000)::float8 AS left_ms
FROM idempotency WHERE tenant_id = $1 AND account_id = $2 AND key_hash = $3`;

const RELEASE_SQL = `DELETE FROM idempotency WHERE tenant_id = $1 AND account_id = $2 AND key_hash = $3 AND lease = $4 AND state = 'reserved'`;

const RENEW_SQL = `UPDATE idempotency SET lease_expires_at = now() + $5 * interval '1 millisecond'
WHERE tenant_id = $1 AND account_id = $2 AND key_hash = $3 AND lease = $4 AND state = 'reserved'`;

function parameters({ tenantId, accountId, keyHash }: IdempotencyKey): unknown[] {
  return [tenantId, accountId, Buffer.from(keyHash)];
}

/** What is stored under the key; undefined where nothing is. @throws DatabaseError */
export async function readReservation(
  database: Database,
  key: IdempotencyKey,
): Promise<Exclude<Reservation, { state: "reserved" }> | undefined> {
  const { rows } = await query(database, "idempotency-read", READ_SQL, parameters(key));
  const row = rows[0];
  if (!row) return undefined;
  const tag = row["tag"] as Uint8Array;
  if (row["state"] === "reserved")
    return { state: "busy", tag, retryAfterMs: Math.max(0, row["left_ms"] as number) };
  const receiptDigest = row["receipt_digest"] as Uint8Array;
  const ciphertext = row["ciphertext"] as Uint8Array | null;
  return ciphertext
    ? { state: "done", tag, ciphertext, receiptDigest }
    : { state: "gone", tag, receiptDigest };
}

/**
 * @param wanted `tag`: 32 bytes that name the request; `leaseMs`: longer than any request may take
 * @throws DatabaseError `database_unavailable`, `database_failed`
 */
export async function reserve(
  database: Database,
  key: IdempotencyKey,
  wanted: { tag: Uint8Array; leaseMs: number; ttlMs: number },
): Promise<Reservation> {
  for (let tries = 0; tries < TRIES; tries++) {
    const lease = randomBytes(LEASE_BYTES);
    const values = [...parameters(key), Buffer.from(wanted.tag), lease, wanted.leaseMs, wanted.ttlMs];
    const { rows } = await query(database, "idempotency-reserve", RESERVE_SQL, values);
    if (rows.length === 1) return { state: "reserved", lease };
    const found = await readReservation(database, key);
    if (found) return found;
    // It was released between the two statements: the key is free again.
  }
  throw new DatabaseError("database_unavailable", "the idempotency key changes hands too fast");
}

/** Gives the key free, for a request that ended without an answer to keep. @returns whether the lease was still held */
export async function release(database: Database, key: IdempotencyKey, lease: Uint8Array): Promise<boolean> {
  const { rowCount } = await query(database, "idempotency-release", RELEASE_SQL, [
    ...parameters(key),
    Buffer.from(lease),
  ]);
  return rowCount === 1;
}

/** @returns whether the lease was still held */
export async function renew(
  database: Database,
  key: IdempotencyKey,
  lease: Uint8Array,
  leaseMs: number,
): Promise<boolean> {
  const { rowCount } = await query(database, "idempotency-renew", RENEW_SQL, [
    ...parameters(key),
    Buffer.from(lease),
    leaseMs,
  ]);
  return rowCount === 1;
}

/**
 * Erases answers whose time is over (their keys still name the receipt) and reservations that nobody took over.
 * @returns how many rows changed
 */
export async function expireReservations(database: Database): Promise<number> {
  const done = await query(
    database,
    "idempotency-expire",
    "UPDATE idempotency SET ciphertext = NULL WHERE state = 'done' AND expires_at <= now() AND ciphertext IS NOT NULL",
    [],
  );
  const dead = await query(
    database,
    "idempotency-abandon",
    "DELETE FROM idempotency WHERE state = 'reserved' AND expires_at <= now() AND lease_expires_at <= now()",
    [],
  );
  return (done.rowCount ?? 0) + (dead.rowCount ?? 0);
}

async function query(database: Database, name: string, text: string, values: unknown[]) {
  try {
    return await database.pool.query<Record<string, unknown>>({ name, text, values });
  } catch (error) {
    throw toDatabaseError(error);
  }
}
