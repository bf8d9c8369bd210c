/**
 * A log witness (c2sp.org/tlog-witness): cosigns a checkpoint only where it extends the last one that it cosigned, which
 * is on disk before the signature exists. Without a server, so that it can be put into one.
 */
import { equal } from "../../codec/index.ts";
import {
  EMPTY_ROOT,
  parseAddCheckpoint,
  parseCheckpoint,
  ReceiptError,
  TLOG_SIZE_MEDIA_TYPE,
  verifyCheckpoint,
  verifyConsistency,
  type AddCheckpoint,
  type NoteKey,
  type SignedCheckpoint,
} from "../../receipts/index.ts";
import type { WitnessKey } from "./key.ts";
import { LogState, type HeldCheckpoint } from "./state.ts";

export interface WitnessAnswer {
  status: 200 | 400 | 403 | 404 | 409 | 422;
  contentType: string;
  body: string;
  /** Why it was refused, for the witness's own log. */
  refusal?: "malformed" | "unknown_origin" | "not_signed" | "old_size" | "fork" | "inconsistent";
}

export interface WitnessOptions {
  key: WitnessKey;
  /** The logs it cosigns for: the origin is the key's name. */
  logs: readonly NoteKey[];
  stateDirectory: string;
  nowMs?: () => number;
}

const TEXT = "text/plain; charset=utf-8";

function refuse(
  status: WitnessAnswer["status"],
  refusal: WitnessAnswer["refusal"] & string,
  why: string,
): WitnessAnswer {
  return { status, contentType: TEXT, body: `${why}\n`, refusal };
}

/** A 409 tells the size from which the next proof must start. */
function conflict(held: HeldCheckpoint | undefined, refusal: "old_size" | "fork"): WitnessAnswer {
  return { status: 409, contentType: TLOG_SIZE_MEDIA_TYPE, body: `${held?.size ?? 0n}\n`, refusal };
}

interface Log {
  key: NoteKey;
  state: LogState;
  turn: Promise<unknown>;
}

export class Witness {
  readonly #key: WitnessKey;
  readonly #logs: ReadonlyMap<string, Log>;
  readonly #nowMs: () => number;

  private constructor(options: WitnessOptions, logs: ReadonlyMap<string, Log>) {
    this.#key = options.key;
    this.#logs = logs;
    this.#nowMs = options.nowMs ?? Date.now;
  }

  /** @throws WitnessError `state_unwritable`, `state_invalid` */
  static async open(options: WitnessOptions): Promise<Witness> {
    const logs = new Map<string, Log>();
    for (const key of options.logs) {
      const state = await LogState.open(options.stateDirectory, key.name);
      await state.held();
      logs.set(key.name, { key, state, turn: Promise.resolve() });
    }
    return new Witness(options, logs);
  }

  get verifierKey(): string {
    return this.#key.verifierKey;
  }

  /** The signed note that it cosigned last, with its cosignature as of then; undefined for a log it does not know or never saw. */
  async held(origin: string): Promise<string | undefined> {
    return (await this.#logs.get(origin)?.state.held())?.text;
  }

  /**
   * Answers the body of `POST /add-checkpoint`.
   * @throws WitnessError `state_invalid`, and the file system's errors: nothing was signed then
   */
  async addCheckpoint(body: string): Promise<WitnessAnswer> {
    let request: AddCheckpoint;
    let origin: string;
    try {
      request = parseAddCheckpoint(body);
      origin = parseCheckpoint(request.checkpoint).origin;
    } catch (error) {
      if (error instanceof ReceiptError) return refuse(400, "malformed", error.message);
      throw error;
    }
    const log = this.#logs.get(origin);
    if (!log) return refuse(404, "unknown_origin", "this witness does not follow a log of this origin");
    // One at a time a log: what was cosigned last must not change between its comparison and its replacement.
    const answer = log.turn.then(() => this.#judge(log, request));
    log.turn = answer.catch(() => undefined);
    return await answer;
  }

  async #judge({ key, state }: Log, request: AddCheckpoint): Promise<WitnessAnswer> {
    let checkpoint: SignedCheckpoint;
    try {
      checkpoint = verifyCheckpoint(request.checkpoint, key);
    } catch (error) {
      if (error instanceof ReceiptError) return refuse(403, "not_signed", error.message);
      throw error;
    }
    if (request.oldSize > checkpoint.size)
      return refuse(400, "malformed", "the old size is above the checkpoint's: a log does not shrink");
    const held = await state.held();
    if (request.oldSize !== (held?.size ?? 0n)) return conflict(held, "old_size");
    const refusal = extension(held, checkpoint, request.proof);
    if (refusal) {
      await state.keepEvidence(request.checkpoint);
      return refusal === "fork"
        ? conflict(held, "fork")
        : refuse(
            422,
            "inconsistent",
            "the proof does not lead from the checkpoint cosigned last to this one",
          );
    }
    const time = BigInt(Math.floor(this.#nowMs() / 1000));
    const isNew = !held || held.size !== checkpoint.size;
    const line = () => this.#key.cosign(checkpoint.note.text, time);
    if (isNew && !(await state.advance(held?.sequence, request.checkpoint)))
      return conflict(await state.held(), "old_size");
    return { status: 200, contentType: TEXT, body: line() };
  }
}

/** Why the checkpoint does not extend the held one. */
function extension(
  held: HeldCheckpoint | undefined,
  next: SignedCheckpoint,
  proof: readonly Uint8Array[],
): "fork" | "inconsistent" | undefined {
  if (held && held.size === next.size && !equal(held.root, next.root)) return "fork";
  try {
    verifyConsistency(held?.size ?? 0n, next.size, held?.root ?? EMPTY_ROOT, next.root, proof);
    return undefined;
  } catch (error) {
    if (error instanceof ReceiptError) return "inconsistent";
    throw error;
  }
}
