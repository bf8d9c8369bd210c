/** The log key's COSE signatures for a leaf (RFC 9942, RFC 9943), given only where a checkpoint of its own holds the leaf. */
import { coseReceiptMessage, scittStatementMessage } from "../../receipts/index.ts";
import type { LeafSignatures, LoggedLeaf } from "../wire/operations.ts";
import type { Ed25519Key } from "./ed25519.ts";
import { readLoggedLeaf } from "./logged-leaf.ts";

/**
 * Says nothing that the note and the proof do not say already.
 * @throws VaultError `checkpoint_foreign`, `leaf_not_included`
 */
export function signLeaf(logKey: Ed25519Key, origin: string, logged: LoggedLeaf): LeafSignatures {
  const log = { origin, publicKey: logKey.publicKey };
  const { root } = readLoggedLeaf(logKey, origin, logged);
  return {
    receipt: logKey.sign(coseReceiptMessage(log, logged.leaf, root)),
    statement: logKey.sign(scittStatementMessage(log, logged.leaf)),
  };
}
