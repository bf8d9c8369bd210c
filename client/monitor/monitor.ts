/**
 * Follows a log: reads every leaf, derives each signed root from them, and raises an alarm where the log contradicts
 * what it signed before, serves tiles that are not of its leaves, or holds a leaf that its rules forbid; and where the list of
 * revocations is not that of its leaves.
 */
import { equal, sha256, toHex, fromUtf8, CodecError } from "../../codec/index.ts";
import {
  leafHash,
  MAX_REVOCATIONS,
  parseCheckpoint,
  parseEntryBundle,
  parseKeyset,
  parseLeafData,
  ReceiptError,
  recoverSigner,
  tileWidth,
  verifyCheckpoint,
  type CompactRange,
  type Leaf,
  type SignedCheckpoint,
} from "../../receipts/index.ts";
import { StepFailure } from "../verification.ts";
import { requireCosigned, type RequiredWitnesses } from "../steps/witnesses.ts";
import { LogAlarm, type AlarmCode } from "./error.ts";
import { compareRevocations } from "./revocations.ts";
import type { LogSource } from "./source.ts";
import type { MonitorState } from "./state.ts";

const TILE = 256n;

export interface RoundOptions {
  witnesses?: RequiredWitnesses | undefined;
  /** Told after each tile of leaves. */
  onProgress?: (leaves: bigint, of: bigint) => void;
}

export interface Round {
  state: MonitorState;
  size: bigint;
  /** Leaves that this round read. */
  added: bigint;
}

/**
 * One look at the log: from the state of the last one to the state that it leaves. The state given is not changed.
 * @throws LogAlarm; AffidavitError where the log cannot be read, which says nothing about it
 */
export async function monitorRound(
  source: LogSource,
  state: MonitorState,
  options: RoundOptions = {},
): Promise<Round> {
  const text = await source.checkpoint();
  const next = alarming("checkpoint_invalid", {}, () => verifyCheckpoint(text, state.log));
  if (options.witnesses) requireWitnesses(text, options.witnesses);
  const before = state.range.size;
  compareHeads(state, next, text);
  const walk = new Walk(source, state, next);
  while (walk.range.size < next.size) {
    await walk.tile();
    options.onProgress?.(walk.range.size, next.size);
  }
  if (!equal(walk.range.root(), next.root)) {
    const evidence = [...(state.checkpoint ? [state.checkpoint] : []), text];
    const told = state.checkpoint
      ? "the leaves do not lead from the checkpoint seen before to this one: the log changed its past, or signed another tree"
      : "the leaves served do not have the root that was signed";
    throw new LogAlarm("fork", told, { evidence });
  }
  await walk.checkUpperTiles();
  const { range, keysets, revocations } = walk;
  const { log } = state;
  const { size } = next;
  const listed = compareRevocations(await source.revocations(), {
    log,
    checkpoint: text,
    size,
    leaves: revocations,
    listed: state.listed,
  });
  return {
    state: { log, range, checkpoint: text, keysets, revocations, listed },
    size,
    added: size - before,
  };
}

function requireWitnesses(checkpoint: string, witnesses: RequiredWitnesses): void {
  try {
    // A head states no time of its own.
    requireCosigned(checkpoint, witnesses, "that is served", 0n);
  } catch (error) {
    if (!(error instanceof StepFailure) && !(error instanceof ReceiptError)) throw error;
    throw new LogAlarm("cosignatures_missing", error.message, { evidence: [checkpoint] });
  }
}

/** A head that is smaller than one seen before, or of the same size and another root, needs no leaf to be wrong. */
function compareHeads({ checkpoint, range }: MonitorState, next: SignedCheckpoint, text: string): void {
  if (checkpoint === undefined) return;
  const seen = parseCheckpoint(checkpoint);
  const evidence = [checkpoint, text];
  if (next.size < seen.size) {
    throw new LogAlarm("rollback", `the log shrank from ${seen.size} leaves to ${next.size}`, { evidence });
  }
  if (next.size === range.size && !equal(next.root, seen.root))
    throw new LogAlarm("fork", `two roots were signed for a log of ${next.size} leaves`, { evidence });
}

function alarming<T>(code: AlarmCode, details: { leafIndex?: bigint }, check: () => T): T {
  try {
    return check();
  } catch (cause) {
    if (cause instanceof ReceiptError || cause instanceof CodecError)
      throw new LogAlarm(code, cause.message, { ...details, cause });
    throw cause;
  }
}

class Walk {
  readonly range: CompactRange;
  readonly keysets: Map<string, Uint8Array>;
  readonly revocations: Map<bigint, string>;
  readonly #source: LogSource;
  readonly #next: SignedCheckpoint;
  /** Hashes of levels above 0 that this walk finished, by `level/index of the tile`. */
  readonly #upper = new Map<string, { level: number; tile: bigint; hashes: Map<number, Uint8Array> }>();

  constructor(source: LogSource, state: MonitorState, next: SignedCheckpoint) {
    this.range = state.range.clone();
    this.keysets = new Map(state.keysets);
    this.revocations = new Map(state.revocations);
    this.#source = source;
    this.#next = next;
  }

  /** Reads the leaves of one tile that are not read yet. */
  async tile(): Promise<void> {
    const index = this.range.size / TILE;
    const width = tileWidth(0, index, this.#next.size);
    const [bundle, hashes] = await Promise.all([
      this.#source.tile({ level: "entries", index, width }),
      this.#source.tile({ level: 0, index, width }),
    ]);
    const entries = alarming("leaf_invalid", { leafIndex: this.range.size }, () =>
      parseEntryBundle(bundle, width),
    );
    if (hashes.length !== 32 * width)
      throw new LogAlarm("tile_mismatch", `tile 0/${index} is not ${width} hashes`);
    for (let i = Number(this.range.size % TILE); i < width; i++) {
      const hash = leafHash(entries[i]!);
      if (!equal(hash, hashes.subarray(32 * i, 32 * i + 32))) {
        const leafIndex = this.range.size;
        throw new LogAlarm("tile_mismatch", `entry ${leafIndex} is not what tile 0/${index} has`, {
          leafIndex,
        });
      }
      await this.#leaf(entries[i]!, hash);
      this.range.append(hash, (level, node, value) => this.#remember(level, node, value));
    }
  }

  #remember(level: number, node: bigint, hash: Uint8Array): void {
    if (level === 0 || level % 8 !== 0) return;
    const tile = node / TILE;
    const name = `${level / 8}/${tile}`;
    const entry = this.#upper.get(name) ?? { level: level / 8, tile, hashes: new Map() };
    entry.hashes.set(Number(node % TILE), hash);
    this.#upper.set(name, entry);
  }

  /** Whoever proves things from tiles reads these: they must be of the same leaves. */
  async checkUpperTiles(): Promise<void> {
    for (const { level, tile, hashes } of this.#upper.values()) {
      const width = tileWidth(level, tile, this.#next.size);
      const served = await this.#source.tile({ level, index: tile, width });
      const same = [...hashes].every(([i, hash]) => equal(served.subarray(32 * i, 32 * i + 32), hash));
      if (served.length !== 32 * width || !same)
        throw new LogAlarm("tile_mismatch", `tile ${level}/${tile} is not what its leaves give`);
    }
  }

  async #leaf(data: Uint8Array, hash: Uint8Array): Promise<void> {
    const leafIndex = this.range.size;
    const leaf = alarming("leaf_invalid", { leafIndex }, () => parseLeafData(data));
    const signer = alarming("leaf_signature_invalid", { leafIndex }, () =>
      recoverSigner(leaf.digest, leaf.signature),
    );
    const name = toHex(leaf.keysetDigest);
    if (leaf.type === "Keyset" && !this.keysets.has(name))
      this.keysets.set(name, await this.#readKeyset(leaf));
    const address = this.keysets.get(name);
    if (!address) {
      throw new LogAlarm(
        "keyset_not_logged",
        `leaf ${leafIndex} was signed under a keyset that the log does not have before it`,
        {
          leafIndex,
        },
      );
    }
    if (!equal(address, signer))
      throw new LogAlarm("leaf_signature_invalid", `leaf ${leafIndex} was not signed by its keyset's key`, {
        leafIndex,
      });
    if (leaf.type === "Revocation") this.#revocation(hash);
  }

  /** More than a list may hold cannot all be in it. */
  #revocation(hash: Uint8Array): void {
    const leafIndex = this.range.size;
    if (this.revocations.size >= MAX_REVOCATIONS) {
      const told = `the log has more than the ${MAX_REVOCATIONS} revocations that a list holds`;
      throw new LogAlarm("revocation_unlisted", told, { leafIndex });
    }
    this.revocations.set(leafIndex, toHex(hash));
  }

  /** The receipt address of a keyset that is being logged, by its published text. */
  async #readKeyset(leaf: Leaf): Promise<Uint8Array> {
    const leafIndex = this.range.size;
    const text = await this.#source.document(leaf.keysetDigest);
    if (!equal(sha256(text), leaf.keysetDigest))
      throw new LogAlarm("keyset_invalid", "the keyset served has another digest", { leafIndex });
    const keyset = alarming("keyset_invalid", { leafIndex }, () => parseKeyset(fromUtf8(text)));
    if (keyset.log.origin !== this.#next.origin)
      throw new LogAlarm("keyset_invalid", "the keyset is of another log", { leafIndex });
    return keyset.receiptAddress;
  }
}
