/** Signs log heads, each only as an extension of the last one signed. */
import { equal, sha256, utf8 } from "../../codec/index.ts";
import {
  checkpointText,
  EMPTY_ROOT,
  formatNote,
  NOTE_TYPE_ED25519,
  noteKeyId,
  ReceiptError,
  statementDigest,
  verifyCheckpoint,
  verifyConsistency,
  type CheckpointStatement,
  type NoteKey,
} from "../../receipts/index.ts";
import { VaultError } from "../error.ts";
import type { CheckpointRequest, LastCheckpoint, Eip712Checkpoint } from "../wire/operations.ts";
import type { CheckpointState } from "./checkpoint-state.ts";
import type { Ed25519Key } from "./ed25519.ts";
import type { Keysets } from "./keysets.ts";
import type { Signer } from "./signer.ts";

interface Parts {
  signer: Signer;
  logKey: Ed25519Key;
  keysets: Keysets;
  nowMs: () => number;
  /** Returns when the state is on disk. */
  save: (state: CheckpointState) => Promise<void>;
}

type Signed = NonNullable<CheckpointState["last"]>;

export class Checkpoints {
  readonly #parts: Parts;
  #state: CheckpointState;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(parts: Parts, state: CheckpointState) {
    this.#parts = parts;
    this.#state = state;
  }

  /** What was signed last, as it is on disk. */
  get state(): CheckpointState {
    return this.#state;
  }

  last(): LastCheckpoint | null {
    return this.#state.last && { size: this.#state.last.size, root: this.#state.last.root };
  }

  /**
   * One at a time: each is judged against the one before it, which is on disk by then.
   * @throws VaultError `keyset_missing`, `keyset_expired`, `origin_mismatch`, `first_checkpoint_must_be_empty`,
   * `checkpoint_previous_mismatch`, `checkpoint_rollback`, `checkpoint_fork`
   */
  sign(request: CheckpointRequest): Promise<{ note: string; eip712: Eip712Checkpoint }> {
    const signed = this.#turn.then(() => this.#signNext(request));
    this.#turn = signed.catch(() => undefined);
    return signed;
  }

  /**
   * Goes on from a checkpoint of this log key that somebody kept, where it is newer than the last one known here: a key
   * directory restored from an old backup would else sign another log from there. The key's own signature is all that
   * is believed, so whoever hands the note over can only move the vault forward, to where the key has been.
   * @throws VaultError `keyset_missing`, `keyset_expired`, `origin_mismatch`, `checkpoint_foreign`, `checkpoint_fork`
   */
  adopt(note: string): Promise<LastCheckpoint> {
    const adopted = this.#turn.then(() => this.#adoptNext(note));
    this.#turn = adopted.catch(() => undefined);
    return adopted;
  }

  async #adoptNext(note: string): Promise<LastCheckpoint> {
    const { origin } = this.#parts.keysets.current(this.#parts.nowMs());
    const originDigest = sha256(utf8(origin));
    const { size, root } = readOwn(note, { name: origin, publicKey: this.#parts.logKey.publicKey });
    const last = this.#state.last;
    if (last && !equal(last.originDigest, originDigest)) throw new VaultError("origin_mismatch");
    if (last?.size === size && !equal(last.root, root)) throw new VaultError("checkpoint_fork");
    if (last && last.size >= size) return { size: last.size, root: last.root };
    const state = { ...this.#state, last: { originDigest, size, root } };
    await this.#parts.save(state);
    this.#state = state;
    return { size, root };
  }

  async #signNext(request: CheckpointRequest): Promise<{ note: string; eip712: Eip712Checkpoint }> {
    const keyset = this.#parts.keysets.current(this.#parts.nowMs());
    const next = { originDigest: sha256(utf8(keyset.origin)), size: request.size, root: request.root };
    const last = this.#state.last;
    requireExtension(last, next, request);
    const statement: CheckpointStatement = {
      origin: keyset.origin,
      size: request.size,
      root: request.root,
      keysetDigest: keyset.digest,
      timeMs: BigInt(this.#parts.nowMs()),
    };
    const state = { ...this.#state, last: next };
    // Where this fails nothing was released, so what memory holds stays true whichever state is on disk.
    if (last?.size !== next.size) await this.#parts.save(state);
    this.#state = state;
    return this.#signBoth(statement);
  }

  #signBoth(statement: CheckpointStatement): { note: string; eip712: Eip712Checkpoint } {
    const digest = statementDigest("Checkpoint", statement);
    const note = signNote(checkpointText(statement), statement.origin, this.#parts.logKey);
    return { note, eip712: { ...statement, digest, signature: this.#parts.signer.sign(digest) } };
  }
}

function readOwn(note: string, key: NoteKey): { size: bigint; root: Uint8Array } {
  try {
    return verifyCheckpoint(note, key);
  } catch (error) {
    if (!(error instanceof ReceiptError)) throw error;
    const isOther = error.code === "checkpoint_origin_mismatch";
    throw new VaultError(isOther ? "origin_mismatch" : "checkpoint_foreign");
  }
}

function signNote(text: string, origin: string, logKey: Ed25519Key): string {
  const keyId = noteKeyId(origin, NOTE_TYPE_ED25519, logKey.publicKey);
  return formatNote({ text, signatures: [{ keyName: origin, keyId, signature: logKey.sign(utf8(text)) }] });
}

function requireExtension(last: Signed | null, next: Signed, request: CheckpointRequest): void {
  if (!last) {
    const empty = next.size === 0n && equal(next.root, EMPTY_ROOT) && request.consistencyProof.length === 0;
    if (!empty) throw new VaultError("first_checkpoint_must_be_empty");
    return;
  }
  if (!equal(last.originDigest, next.originDigest)) throw new VaultError("origin_mismatch");
  if (next.size < last.size) throw new VaultError("checkpoint_rollback");
  if (request.previousSize !== null && request.previousSize !== last.size) {
    throw new VaultError("checkpoint_previous_mismatch");
  }
  try {
    verifyConsistency(last.size, next.size, last.root, next.root, request.consistencyProof);
  } catch (error) {
    throw error instanceof ReceiptError ? new VaultError("checkpoint_fork") : error;
  }
}
