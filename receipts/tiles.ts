/** Tiles (c2sp.org/tlog-tiles): paths, which tile holds a node, and entry bundles. A tile is 256 hashes of one level. */
import { ReceiptError } from "./error.ts";
import { MAX_TREE_SIZE } from "./merkle.ts";

export const TILE_HEIGHT = 8;
export const TILE_WIDTH = 256;
const MAX_LEVEL = 63;
const MAX_PATH_LENGTH = 64;

/** `level` in steps of 8 tree levels, or `entries` for leaf data; `width` 256 for a full tile, 1 to 255 for a partial one. */
export interface TileId {
  level: number | "entries";
  index: bigint;
  width: number;
}

function invalid(message: string): ReceiptError {
  return new ReceiptError("tile_invalid", message);
}

function checkTile({ level, index, width }: TileId): void {
  if (level !== "entries" && (!Number.isInteger(level) || level < 0 || level > MAX_LEVEL)) {
    throw invalid("a tile's level is from 0 to 63");
  }
  if (index < 0n || index > MAX_TREE_SIZE) throw invalid("a tile's index is from 0 to 2^63 - 1");
  if (!Number.isInteger(width) || width < 1 || width > TILE_WIDTH)
    throw invalid("a tile's width is from 1 to 256");
}

/**
 * The path below the log's prefix, such as `tile/0/x001/x234/067.p/8`.
 * @throws ReceiptError `tile_invalid`
 */
export function tilePath(tile: TileId): string {
  checkTile(tile);
  const digits = tile.index.toString();
  const padded = digits.padStart(Math.ceil(digits.length / 3) * 3, "0");
  const elements = padded.match(/[0-9]{3}/g)!;
  const last = elements.pop()!;
  const directories = elements.map((element) => `x${element}/`).join("");
  const partial = tile.width === TILE_WIDTH ? "" : `.p/${tile.width}`;
  return `tile/${tile.level}/${directories}${last}${partial}`;
}

/**
 * A path back to its tile; only the spelling that `tilePath` makes.
 * @throws ReceiptError `tile_invalid`
 */
export function parseTilePath(path: string): TileId {
  if (path.length > MAX_PATH_LENGTH) throw invalid("the path is too long");
  const match = /^tile\/([0-9]{1,2}|entries)\/((?:x[0-9]{3}\/)*[0-9]{3})(?:\.p\/([0-9]{1,3}))?$/.exec(path);
  if (match === null) throw invalid("not a tile's path");
  const [, level = "", index = "", width] = match;
  const tile: TileId = {
    level: level === "entries" ? level : Number(level),
    index: BigInt(index.replaceAll("x", "").replaceAll("/", "")),
    width: width === undefined ? TILE_WIDTH : Number(width),
  };
  if (tilePath(tile) !== path) throw invalid("not the path's only spelling");
  return tile;
}

export interface TilePlace {
  level: number;
  index: bigint;
  /** Hashes of the tile, from `offset` to before `offset + count`, that fold into the node: 1 for a node of the tile's own level. */
  offset: number;
  count: number;
}

/**
 * Where a tree node (level 0: leaf hashes) is to be found: in the tile whose level is the next lower multiple of 8.
 * @throws ReceiptError `tile_invalid`
 */
export function tileOfNode(level: number, index: bigint): TilePlace {
  if (!Number.isInteger(level) || level < 0 || level > MAX_LEVEL || index < 0n || index > MAX_TREE_SIZE) {
    throw invalid("no such node");
  }
  const tileLevel = Math.floor(level / TILE_HEIGHT);
  const height = level % TILE_HEIGHT;
  const first = index << BigInt(height);
  return {
    level: tileLevel,
    index: first >> BigInt(TILE_HEIGHT),
    offset: Number(first & 255n),
    count: 1 << height,
  };
}

/**
 * How many hashes the tile has in a tree of this size: 0 where it does not exist, 256 where it is full.
 * @param level the tile's level; 0 for `entries`
 */
export function tileWidth(level: number, index: bigint, treeSize: bigint): number {
  const nodes = treeSize >> BigInt(TILE_HEIGHT * level);
  const width = nodes - (index << BigInt(TILE_HEIGHT));
  if (width <= 0n) return 0;
  return width >= 256n ? TILE_WIDTH : Number(width);
}

/**
 * Entries as a bundle: each u16 big-endian length ‖ bytes.
 * @throws ReceiptError `tile_invalid`
 */
export function encodeEntryBundle(entries: readonly Uint8Array[]): Uint8Array {
  if (entries.length === 0 || entries.length > TILE_WIDTH) throw invalid("a bundle has 1 to 256 entries");
  if (entries.some((entry) => entry.length > 0xffff)) throw invalid("an entry is longer than 65,535 bytes");
  const bundle = new Uint8Array(entries.reduce((sum, entry) => sum + 2 + entry.length, 0));
  let offset = 0;
  for (const entry of entries) {
    new DataView(bundle.buffer).setUint16(offset, entry.length);
    bundle.set(entry, offset + 2);
    offset += 2 + entry.length;
  }
  return bundle;
}

/**
 * A bundle back to its entries, as views.
 * @throws ReceiptError `tile_invalid` where there are not exactly `width` of them
 */
export function parseEntryBundle(bundle: Uint8Array, width: number): Uint8Array[] {
  const view = new DataView(bundle.buffer, bundle.byteOffset, bundle.length);
  const entries: Uint8Array[] = [];
  let offset = 0;
  while (offset < bundle.length) {
    if (entries.length === width || bundle.length - offset < 2)
      throw invalid("the bundle does not fit its width");
    const end = offset + 2 + view.getUint16(offset);
    if (end > bundle.length) throw invalid("an entry is cut off");
    entries.push(bundle.subarray(offset + 2, end));
    offset = end;
  }
  if (entries.length !== width) throw invalid("the bundle does not fit its width");
  return entries;
}
