/** Whether the log holds a leaf, by what this log key itself signed. */
import {
  leafHash,
  parseLeafData,
  ReceiptError,
  verifyCheckpoint,
  verifyInclusion,
} from "../../receipts/index.ts";
import { VaultError } from "../error.ts";
import type { LoggedLeaf } from "../wire/operations.ts";
import type { Ed25519Key } from "./ed25519.ts";

/**
 * The leaf's content, and the root of the checkpoint that holds it. Any checkpoint will do that this log key signed for this
 * origin, so it needs no memory.
 * @throws VaultError `checkpoint_foreign`, `leaf_not_included`
 */
export function readLoggedLeaf(
  logKey: Ed25519Key,
  origin: string,
  logged: LoggedLeaf,
): ReturnType<typeof parseLeafData> & { root: Uint8Array } {
  const { size, root } = readCheckpoint(logKey, origin, logged.note);
  try {
    const leaf = parseLeafData(logged.leaf);
    verifyInclusion(leafHash(logged.leaf), logged.leafIndex, size, logged.inclusionProof, root);
    return { ...leaf, root };
  } catch (error) {
    throw error instanceof ReceiptError ? new VaultError("leaf_not_included", { cause: error }) : error;
  }
}

/** A checkpoint that this log key signed for this origin. @throws VaultError `checkpoint_foreign` */
export function readCheckpoint(logKey: Ed25519Key, origin: string, note: string) {
  try {
    return verifyCheckpoint(note, { name: origin, publicKey: logKey.publicKey });
  } catch (error) {
    throw error instanceof ReceiptError ? new VaultError("checkpoint_foreign", { cause: error }) : error;
  }
}
