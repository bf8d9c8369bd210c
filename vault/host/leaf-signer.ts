/** The log key's COSE signatures for a leaf (RFC 9942, RFC 9943), given only where a checkpoint of its own holds the leaf. */
import {
  coseReceiptMessage,
  leafHash,
  parseLeafData,
  ReceiptError,
  scittStatementMessage,
  verifyCheckpoint,
  verifyInclusion,
} from "../../receipts/index.ts";
import { VaultError } from "../error.ts";
import type { LeafSignatures, LoggedLeaf } from "../wire/operations.ts";
import type { Ed25519Key } from "./ed25519.ts";

/**
 * Says nothing that the note and the proof do not say already, so it needs no memory: any checkpoint will do that this
 * log key signed for this origin.
 * @throws VaultError `checkpoint_foreign`, `leaf_not_included`
 */
export function signLeaf(logKey: Ed25519Key, origin: string, logged: LoggedLeaf): LeafSignatures {
  const log = { origin, publicKey: logKey.publicKey };
  const { size, root } = readCheckpoint(logged.note, { name: origin, publicKey: logKey.publicKey });
  try {
    parseLeafData(logged.leaf);
    verifyInclusion(leafHash(logged.leaf), logged.leafIndex, size, logged.inclusionProof, root);
  } catch (error) {
    throw error instanceof ReceiptError ? new VaultError("leaf_not_included", { cause: error }) : error;
  }
  return {
    receipt: logKey.sign(coseReceiptMessage(log, logged.leaf, root)),
    statement: logKey.sign(scittStatementMessage(log, logged.leaf)),
  };
}

function readCheckpoint(note: string, key: Parameters<typeof verifyCheckpoint>[1]) {
  try {
    return verifyCheckpoint(note, key);
  } catch (error) {
    throw error instanceof ReceiptError ? new VaultError("checkpoint_foreign", { cause: error }) : error;
  }
}
