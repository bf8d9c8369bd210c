/** The growing end of the log's tree: what an append must know of the leaves before it. */
import { equal } from "../../codec/index.ts";
import { CompactRange, nodeHash, treeRoot } from "../../receipts/index.ts";
import { DatabaseError } from "./error.ts";

/** Hashes in a full tile, and the tree levels between a tile's hashes and its parent's (C2SP tlog-tiles). */
export const TILE_HASHES = 256;
export const TILE_HEIGHT = 8;

export interface TileRow {
  level: number;
  index: bigint;
  hashes: Uint8Array;
}

export interface Advance {
  edge: Edge;
  /** Tiles to write: full ones, and the partial last ones of levels above 0. */
  tiles: TileRow[];
}

/** The hash over 2^n hashes. */
export function foldComplete(hashes: readonly Uint8Array[]): Uint8Array {
  let row = hashes;
  while (row.length > 1)
    row = Array.from({ length: row.length / 2 }, (_, i) => nodeHash(row[2 * i]!, row[2 * i + 1]!));
  return row[0]!;
}

export function splitHashes(bytes: Uint8Array): Uint8Array[] {
  return Array.from({ length: bytes.length / 32 }, (_, i) => bytes.subarray(32 * i, 32 * i + 32));
}

/** Immutable: an append makes a new one, which counts once the database has committed it. */
export class Edge {
  readonly range: CompactRange;
  /** For each tile level, the hashes of its partial last tile. */
  readonly partials: readonly (readonly Uint8Array[])[];

  constructor(range: CompactRange, partials: readonly (readonly Uint8Array[])[]) {
    this.range = range;
    this.partials = partials;
  }

  get size(): bigint {
    return this.range.size;
  }

  append(leafHashes: readonly Uint8Array[]): Advance {
    const range = this.range.clone();
    const partials = this.partials.map((hashes) => [...hashes]);
    const tiles = new Map<string, TileRow>();
    const onNode = (level: number, index: bigint, hash: Uint8Array) => {
      if (level % TILE_HEIGHT !== 0) return;
      const tileLevel = level / TILE_HEIGHT;
      const hashes = (partials[tileLevel] ??= []);
      hashes.push(hash);
      const full = hashes.length === TILE_HASHES;
      if (full || tileLevel > 0) {
        const tile = index / BigInt(TILE_HASHES);
        tiles.set(`${tileLevel}/${tile}`, { level: tileLevel, index: tile, hashes: Buffer.concat(hashes) });
      }
      if (full) partials[tileLevel] = [];
    };
    for (const leaf of leafHashes) range.append(leaf, onNode);
    return { edge: new Edge(range, partials), tiles: [...tiles.values()] };
  }

  /** A complete subtree at the tree's right edge, from the partial tiles. */
  #node(level: number, index: bigint): Uint8Array {
    const tileLevel = Math.floor(level / TILE_HEIGHT);
    const count = 1 << (level % TILE_HEIGHT);
    const first = Number((index * BigInt(count)) % BigInt(TILE_HASHES));
    const hashes = this.partials[tileLevel]?.slice(first, first + count) ?? [];
    if (hashes.length !== count)
      throw new DatabaseError("log_corrupt", "the log's last tiles are incomplete");
    return foldComplete(hashes);
  }

  /**
   * Range, tiles and root as they were stored must agree. (All three could still be made up: the vault, which keeps the last
   * checkpoint it signed, is what notices that.)
   * @throws DatabaseError `log_corrupt`
   */
  check(size: bigint, root: Uint8Array): void {
    const sound = this.range.size === size && equal(this.range.root(), root);
    if (
      sound &&
      equal(
        treeRoot(size, (level, index) => this.#node(level, index)),
        root,
      )
    )
      return;
    throw new DatabaseError("log_corrupt", "the log's head, range and tiles disagree");
  }
}
