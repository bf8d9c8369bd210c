/**
 * The list of revocations against the log's own leaves. A list says nothing of its age, so that what counts is when it was
 * asked for: after a checkpoint was served, every revocation that it covers must be in it.
 */
import { toHex } from "../../codec/index.ts";
import {
  keysetDigest,
  leafData,
  leafHash,
  parseRevocations,
  ReceiptError,
  statementDigest,
  verifyRevocation,
  type NoteKey,
  type Revocation,
} from "../../receipts/index.ts";
import { LogAlarm } from "./error.ts";

/** Hex of the leaf's hash by leaf index. */
export type Leaves = ReadonlyMap<bigint, string>;

export interface Compared {
  log: NoteKey;
  /** The signed note whose leaves were read, and how many it covers. */
  checkpoint: string;
  size: bigint;
  /** The revocations among those leaves. */
  leaves: Leaves;
  /** What an earlier list held, with its place in the log, though its leaf was not read then. */
  listed: Leaves;
}

/**
 * @param text JSON text of `GET /v1/revocations`, asked for after the checkpoint
 * @returns what it lists that the checkpoint does not cover: the next round reads those leaves
 * @throws LogAlarm `revocations_invalid`, `revocation_not_logged`, `revocation_unlisted`
 */
export function compareRevocations(text: string, compared: Compared): Map<bigint, string> {
  const { log, checkpoint, size, leaves, listed } = compared;
  const ahead = new Map<bigint, string>();
  const seen = new Set<string>();
  for (const revocation of refusing(undefined, () => parseRevocations(text))) {
    const { leafIndex, checkpoint: note } = revocation.log;
    const evidence = [note, checkpoint];
    const name = refusing(leafIndex, () => leafOf(revocation));
    if (leafIndex < size && leaves.get(leafIndex) !== name) {
      const told = `the list has a revocation as leaf ${leafIndex}, which is another`;
      throw new LogAlarm("revocation_not_logged", told, { leafIndex, evidence });
    }
    refusing(leafIndex, () => verifyRevocation(revocation, log));
    if (leafIndex >= size) ahead.set(leafIndex, name);
    seen.add(name);
  }
  for (const [leafIndex, name] of [...leaves, ...listed]) {
    if (seen.has(name)) continue;
    const told = `leaf ${leafIndex} is a revocation that the list leaves out`;
    throw new LogAlarm("revocation_unlisted", told, { leafIndex, evidence: [checkpoint] });
  }
  return ahead;
}

function leafOf({ statement, signature, keyset }: Revocation): string {
  const digest = statementDigest("Revocation", statement);
  return toHex(leafHash(leafData("Revocation", digest, keysetDigest(keyset), signature)));
}

function refusing<T>(leafIndex: bigint | undefined, check: () => T): T {
  try {
    return check();
  } catch (cause) {
    if (!(cause instanceof ReceiptError)) throw cause;
    const details = leafIndex === undefined ? { cause } : { leafIndex, cause };
    throw new LogAlarm("revocations_invalid", `the list of revocations: ${cause.message}`, details);
  }
}
