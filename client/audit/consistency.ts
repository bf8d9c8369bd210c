/** Consistency proofs from a log's tiles (c2sp.org/tlog-tiles). */
import {
  consistencyProof,
  nodeHash,
  planConsistency,
  rangeNodes,
  tileOfNode,
  tileWidth,
} from "../../receipts/index.ts";
import type { LogSource } from "../monitor/source.ts";

/** A consistency proof from the log's tiles; whether it holds is for the verifier to see. */
export async function fetchConsistency(
  source: LogSource,
  first: bigint,
  second: bigint,
): Promise<Uint8Array[]> {
  const nodes = new Map<string, Uint8Array>();
  for (const { level, index } of planConsistency(first, second).flatMap(rangeNodes)) {
    const place = tileOfNode(level, index);
    const width = tileWidth(place.level, place.index, second);
    const tile = await source.tile({ level: place.level, index: place.index, width });
    let row = Array.from({ length: place.count }, (_, i) => {
      const start = 32 * (place.offset + i);
      return tile.subarray(start, start + 32);
    });
    while (row.length > 1)
      row = Array.from({ length: row.length / 2 }, (_, i) => nodeHash(row[2 * i]!, row[2 * i + 1]!));
    nodes.set(`${level}/${index}`, row[0]!);
  }
  return consistencyProof(first, second, (level, index) => nodes.get(`${level}/${index}`)!);
}
