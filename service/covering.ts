/** Which of the checkpoints that cover a leaf a proof should lead to: one that log witnesses cosigned, if there is one. */
import {
  checkpointCovering,
  checkpointsFrom,
  latestCheckpoint,
  type CheckpointRow,
  type Database,
} from "./db/index.ts";
import { cosignatureLines } from "./witnessing.ts";

/** Witnesses cosign the newest head alone, so one that was away left gaps; the next few checkpoints are looked at. */
const CANDIDATES = 32;

/**
 * The smallest checkpoint of at least `size` leaves with the most cosignatures.
 * @param witnesses how many cosignatures there can be
 */
export async function bestCovering(
  database: Database,
  size: bigint,
  witnesses: number,
): Promise<CheckpointRow | undefined> {
  const first = await checkpointCovering(database, size);
  if (!first || isComplete(first.note, witnesses)) return first;
  const newest = await latestCheckpoint(database);
  const rows = [...(await checkpointsFrom(database, size, CANDIDATES)), ...(newest ? [newest] : [])];
  const counts = rows.map(({ note }) => cosignatureLines(note).length);
  return rows[counts.indexOf(Math.max(...counts))];
}

export function isComplete(note: string, witnesses: number): boolean {
  return cosignatureLines(note).length >= witnesses;
}
