/**
 * The log as it is shown to others: only what a signed checkpoint covers. The database may hold more leaves; until a
 * checkpoint covers them nothing binds us to them, and so they are not shown.
 */
import { concat, fromHex } from "../codec/index.ts";
import {
  encodeEntryBundle,
  tileWidth,
  type LogProof,
  type SignedCheckpointStatement,
  type TileId,
} from "../receipts/index.ts";
import type { CheckpointFeed } from "./checkpoint-feed.ts";
import { storedCheckpointStatement } from "./checkpoint-store.ts";
import { bestCovering } from "./covering.ts";
import { findStatement, latestCheckpoint, readCheckpoint, type Database, type LogTree } from "./db/index.ts";
import type { TransparencyLog } from "./services.ts";
import { readingStored } from "./stored.ts";

export class PublishedLog implements TransparencyLog {
  readonly #database: Database;
  readonly #tree: LogTree;
  readonly #feed: CheckpointFeed;
  readonly #origin: string;
  readonly #witnesses: number;

  constructor(parts: {
    database: Database;
    tree: LogTree;
    feed: CheckpointFeed;
    origin: string;
    /** How many log witnesses are asked. */
    witnesses: number;
  }) {
    this.#database = parts.database;
    this.#tree = parts.tree;
    this.#feed = parts.feed;
    this.#origin = parts.origin;
    this.#witnesses = parts.witnesses;
  }

  async checkpoint(): Promise<string | undefined> {
    return (await latestCheckpoint(this.#database))?.note;
  }

  async checkpointStatement(): Promise<SignedCheckpointStatement | undefined> {
    const latest = await latestCheckpoint(this.#database);
    return latest && (await readingStored(async () => storedCheckpointStatement(latest.eip712)));
  }

  async tile(tile: TileId): Promise<Uint8Array | undefined> {
    const { level, index, width } = tile;
    const treeLevel = level === "entries" ? 0 : level;
    const isCovered = () => tileWidth(treeLevel, index, this.#feed.size < 0n ? 0n : this.#feed.size) >= width;
    if (!isCovered()) await this.#refresh();
    if (!isCovered()) return undefined;
    if (level === "entries") return encodeEntryBundle(await this.#tree.entries(index, width));
    return concat(...(await this.#tree.readTile(level, index, width)));
  }

  /** Another replica may have signed what this one does not know yet. */
  async #refresh(): Promise<void> {
    const latest = await latestCheckpoint(this.#database);
    if (latest) this.#feed.publish(latest.size);
  }

  inclusion(receiptId: string, size?: bigint): Promise<LogProof | undefined> {
    return readingStored(() => this.#inclusion(receiptId, size));
  }

  async #inclusion(receiptId: string, size?: bigint): Promise<LogProof | undefined> {
    const stored = await findStatement(this.#database, fromHex(receiptId, 32));
    if (!stored) return undefined;
    const { leafIndex } = stored;
    const checkpoint =
      size === undefined
        ? await bestCovering(this.#database, leafIndex + 1n, this.#witnesses)
        : await readCheckpoint(this.#database, size);
    if (!checkpoint || checkpoint.size <= leafIndex) return undefined;
    const proof = await this.#tree.inclusionProof(leafIndex, checkpoint.size);
    return { origin: this.#origin, leafIndex, proof, checkpoint: checkpoint.note };
  }

  async covered(receiptId: string, timeoutMs: number, signal: AbortSignal): Promise<boolean> {
    const stored = await findStatement(this.#database, fromHex(receiptId, 32));
    if (!stored) return false;
    if (this.#feed.size <= stored.leafIndex) await this.#refresh();
    return await this.#feed.reached(stored.leafIndex + 1n, timeoutMs, signal);
  }
}
