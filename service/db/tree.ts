/** Nodes and proofs of the log's tree from stored tiles. */
import type { Pool } from "pg";
import {
  consistencyProof,
  inclusionProof,
  leafHash,
  planConsistency,
  planInclusion,
  rangeNodes,
  treeRoot,
} from "../../receipts/index.ts";
import type { LeafRange, NodeId } from "../../receipts/index.ts";
import { TILE_HASHES, TILE_HEIGHT, foldComplete, splitHashes } from "./edge.ts";
import { DatabaseError, toDatabaseError } from "./error.ts";

const ENTRIES_SQL =
  "SELECT leaf_data FROM log_entries WHERE leaf_index >= $1 AND leaf_index < $2 ORDER BY leaf_index";
const CACHED_TILES = 512;
const TILE = BigInt(TILE_HASHES);

interface TilePart {
  tileLevel: number;
  tile: bigint;
  first: number;
  count: number;
}

/** Which hashes of which tile lie under a node. */
function partOf({ level, index }: NodeId): TilePart {
  const tileLevel = Math.floor(level / TILE_HEIGHT);
  const count = 1 << (level % TILE_HEIGHT);
  const start = index * BigInt(count);
  return { tileLevel, tile: start / TILE, first: Number(start % TILE), count };
}

export class LogTree {
  readonly #pool: Pool;
  /** Full tiles never change. */
  readonly #full = new Map<string, Uint8Array[]>();

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  async size(): Promise<bigint> {
    return (await this.head()).size;
  }

  /** Size and root as committed. The row is the database's word: the vault signs only what is consistent with its own. */
  async head(): Promise<{ size: bigint; root: Uint8Array; epoch: bigint }> {
    const rows = await this.#query("log-head", "SELECT size, root, epoch FROM log_head WHERE id = 1", []);
    const row = rows[0] as { size: string; root: Buffer; epoch: string } | undefined;
    if (!row) throw new DatabaseError("log_corrupt", "the log has no head");
    return { size: BigInt(row.size), root: row.root, epoch: BigInt(row.epoch) };
  }

  /** Leaf data, 131 bytes. @throws DatabaseError `log_range` */
  async leaf(index: bigint): Promise<Uint8Array> {
    const rows = await this.#query("log-leaf", "SELECT leaf_data FROM log_entries WHERE leaf_index = $1", [
      index.toString(),
    ]);
    if (!rows[0]) throw new DatabaseError("log_range", "the log has no such leaf");
    return rows[0]["leaf_data"] as Uint8Array;
  }

  /**
   * Leaf data, 131 bytes each, of the first `width` entries (1 to 256) of a bundle.
   * @throws DatabaseError `log_range` where the log is not that long yet
   */
  async entries(index: bigint, width: number = TILE_HASHES): Promise<Uint8Array[]> {
    const first = index * TILE;
    const range = [first.toString(), (first + BigInt(width)).toString()];
    const rows = await this.#query("log-edge", ENTRIES_SQL, range);
    if (rows.length !== width) throw new DatabaseError("log_range", "the log has no such entries");
    return rows.map((row) => row["leaf_data"] as Uint8Array);
  }

  /**
   * The first `width` hashes of a tile (C2SP tlog-tiles: 256 of the tree level 8 × level), from 1 to 256.
   * @throws DatabaseError `log_range` where the log is not that long yet
   */
  async readTile(level: number, index: bigint, width: number = TILE_HASHES): Promise<Uint8Array[]> {
    const name = `${level}/${index}`;
    const cached = this.#full.get(name);
    const hashes = cached ?? (await this.#loadTile(level, index));
    if (hashes.length < width) throw new DatabaseError("log_range", "the log has no such tile");
    if (!cached && hashes.length === TILE_HASHES) {
      if (this.#full.size >= CACHED_TILES) this.#full.delete(this.#full.keys().next().value!);
      this.#full.set(name, hashes);
    }
    return hashes.slice(0, width);
  }

  async #loadTile(level: number, index: bigint): Promise<Uint8Array[]> {
    const stored = await this.#query(
      "log-tile",
      "SELECT hashes FROM log_tiles WHERE level = $1 AND index = $2",
      [level, index.toString()],
    );
    if (stored[0]) return splitHashes(stored[0]["hashes"] as Uint8Array);
    if (level > 0) return [];
    const range = [(index * TILE).toString(), ((index + 1n) * TILE).toString()];
    const entries = await this.#query("log-edge", ENTRIES_SQL, range);
    return entries.map((row) => leafHash(row["leaf_data"] as Uint8Array));
  }

  /** The hash over the complete subtree of leaves index × 2^level to (index + 1) × 2^level. @throws DatabaseError `log_range` */
  async readNode(level: number, index: bigint): Promise<Uint8Array> {
    const { tileLevel, tile, first, count } = partOf({ level, index });
    const hashes = await this.readTile(tileLevel, tile, first + count);
    return foldComplete(hashes.slice(first));
  }

  /** @throws DatabaseError `log_range`; ReceiptError `tree_position_invalid` */
  async inclusionProof(index: bigint, size: bigint): Promise<Uint8Array[]> {
    const node = await this.#fetch(planInclusion(index, size));
    return inclusionProof(index, size, node);
  }

  /** @throws DatabaseError `log_range`; ReceiptError `tree_position_invalid` */
  async consistencyProof(first: bigint, second: bigint): Promise<Uint8Array[]> {
    const node = await this.#fetch(planConsistency(first, second));
    return consistencyProof(first, second, node);
  }

  /** The root of the first `size` leaves. @throws DatabaseError `log_range` */
  async root(size: bigint): Promise<Uint8Array> {
    return treeRoot(size, await this.#fetch([{ start: 0n, end: size }]));
  }

  /** Reads each tile that the plan needs once: at most one a tile level and side. */
  async #fetch(ranges: readonly LeafRange[]): Promise<(level: number, index: bigint) => Uint8Array> {
    const nodes = ranges.flatMap(rangeNodes);
    const widths = new Map<string, { level: number; tile: bigint; width: number }>();
    for (const part of nodes.map(partOf)) {
      const name = `${part.tileLevel}/${part.tile}`;
      const width = Math.max(part.first + part.count, widths.get(name)?.width ?? 0);
      widths.set(name, { level: part.tileLevel, tile: part.tile, width });
    }
    const tiles = new Map<string, Uint8Array[]>();
    // At once: what a proof costs is the round trips.
    await Promise.all(
      [...widths].map(async ([name, { level, tile, width }]) =>
        tiles.set(name, await this.readTile(level, tile, width)),
      ),
    );
    return (level, index) => {
      const { tileLevel, tile, first, count } = partOf({ level, index });
      return foldComplete(tiles.get(`${tileLevel}/${tile}`)!.slice(first, first + count));
    };
  }

  async #query(name: string, text: string, values: unknown[]): Promise<Record<string, unknown>[]> {
    try {
      return (await this.#pool.query({ name, text, values })).rows;
    } catch (error) {
      throw toDatabaseError(error);
    }
  }
}
