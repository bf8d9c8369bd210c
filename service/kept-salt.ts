/** The salt of a receipt whose caller chose none: the vault makes it again. */
import { equal, fromHex } from "../codec/index.ts";
import { decodeStatement, SaltedDigests } from "../receipts/index.ts";
import { findStatement, type Database } from "./db/index.ts";
import type { SessionHolder } from "./session.ts";

/** @returns 32 bytes; undefined where there is no such receipt, or its digests are under a salt of the caller's */
export async function keptSalt(
  database: Database,
  sessions: SessionHolder,
  receiptId: string,
): Promise<Uint8Array | undefined> {
  const stored = await findStatement(database, fromHex(receiptId, 32));
  if (!stored || stored.accountId === null) return undefined;
  if (stored.type !== "InferenceStatement" && stored.type !== "Aborted") return undefined;
  const { requestId, requester } = decodeStatement(stored.type, stored.words);
  const salt = await sessions.current().vault.defaultSalt(requestId);
  const account = `account:${stored.accountId}`;
  return equal(new SaltedDigests(salt).requesterDigest(account), requester) ? salt : undefined;
}
