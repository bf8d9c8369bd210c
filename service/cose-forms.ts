/** A statement's place in the log as a COSE receipt (RFC 9942) or a SCITT transparent statement (RFC 9943). */
import { fromHex } from "../codec/index.ts";
import {
  encodeCoseReceipt,
  encodeTransparentStatement,
  leafData,
  parseCheckpoint,
} from "../receipts/index.ts";
import { findStatement, type Database } from "./db/index.ts";
import type { KeysetRecords } from "./keyset-records.ts";
import { ServiceError } from "./problem.ts";
import type { SessionHolder } from "./session.ts";

/** @throws ServiceError `receipt_not_found`, `inclusion_pending`; VaultError */
export async function coseForm(
  parts: { database: Database; sessions: SessionHolder; keysets: KeysetRecords },
  receiptId: string,
  form: "cose" | "scitt",
): Promise<Uint8Array> {
  const stored = await findStatement(parts.database, fromHex(receiptId, 32));
  if (!stored) throw new ServiceError("receipt_not_found");
  const place = await parts.keysets.logProof(stored.leafIndex);
  if (!place) throw new ServiceError("inclusion_pending", undefined, { headers: { "retry-after": "1" } });
  const { leafIndex, proof, checkpoint: note } = place;
  const leaf = leafData(stored.type, stored.digest, stored.keysetDigest, stored.signature);
  const { vault } = parts.sessions.current();
  const signed = await vault.signLeaf({ note, leaf, leafIndex, inclusionProof: proof });
  const { origin, size: treeSize } = parseCheckpoint(note);
  const log = { origin, publicKey: vault.info.logPublicKey };
  const receipt = encodeCoseReceipt(log, leaf, { leafIndex, treeSize, proof }, signed.receipt);
  return form === "cose" ? receipt : encodeTransparentStatement(log, leaf, signed.statement, [receipt]);
}
