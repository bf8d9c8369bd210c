/** Checkpoints (c2sp.org/tlog-checkpoint): origin, size and root of a log as the text of a signed note. */
import { CodecError, concat, equal, fromBase64, sha256, toBase64, utf8 } from "../codec/index.ts";
import { ReceiptError } from "./error.ts";
import { EMPTY_ROOT, MAX_TREE_SIZE } from "./merkle.ts";
import type { Note, NoteKey } from "./note.ts";
import { NOTE_TYPE_COSIGNATURE, parseNote, signaturesBy, verifyEd25519, verifyNote } from "./note.ts";

export interface Checkpoint {
  origin: string;
  size: bigint;
  /** 32 bytes. */
  root: Uint8Array;
  /** Opaque lines after the third; ours have none. */
  extensions: string[];
}

export interface SignedCheckpoint extends Checkpoint {
  note: Note;
}

export interface Cosignature {
  name: string;
  /** When the log witness saw this head as the largest, Unix time in seconds, by its own clock. */
  timestampSeconds: bigint;
}

const MAX_LINE_LENGTH = 1024;
const MAX_EXTENSIONS = 16;

function invalid(message: string, options?: ErrorOptions): ReceiptError {
  return new ReceiptError("checkpoint_invalid", message, options);
}

function checkOrigin(origin: string): void {
  if (origin.length === 0 || origin.length > 255 || !origin.isWellFormed() || /[\p{Cc}]/u.test(origin)) {
    throw invalid("an origin is 1 to 255 characters of one line");
  }
}

/**
 * The note text: three lines, each with its newline. Its UTF-8 bytes are what the log key signs.
 * @throws ReceiptError `checkpoint_invalid`
 */
export function checkpointText({ origin, size, root }: Omit<Checkpoint, "extensions">): string {
  checkOrigin(origin);
  if (size < 0n || size > MAX_TREE_SIZE || root.length !== 32) throw invalid("size or root is out of range");
  return `${origin}\n${size}\n${toBase64(root)}\n`;
}

/**
 * The evidence nonce that ties a keyset to a log head: sha256 of the note text without signatures, 32 bytes.
 * Takes a text that `parseCheckpointText` accepts.
 */
export function checkpointNonce(text: string): Uint8Array {
  return sha256(utf8(text));
}

/**
 * Note text to origin, size and root. Nothing is verified.
 * @throws ReceiptError `checkpoint_invalid`
 */
export function parseCheckpointText(text: string): Checkpoint {
  if (text.length > (MAX_EXTENSIONS + 3) * MAX_LINE_LENGTH || !text.endsWith("\n") || !text.isWellFormed()) {
    throw invalid("too long, or no newline at the end");
  }
  const [origin = "", size = "", root = "", ...extensions] = text.slice(0, -1).split("\n");
  checkOrigin(origin);
  if (!/^(0|[1-9][0-9]{0,18})$/.test(size)) throw invalid("the size is not a decimal number up to 2^63 - 1");
  const treeSize = BigInt(size);
  if (treeSize > MAX_TREE_SIZE) throw invalid("the size is above 2^63 - 1");
  if (extensions.length > MAX_EXTENSIONS) throw invalid("too many extension lines");
  if (extensions.some((line) => line.length === 0 || line.length > MAX_LINE_LENGTH)) {
    throw invalid("an extension line is empty or too long");
  }
  let hash: Uint8Array;
  try {
    hash = fromBase64(root);
  } catch (cause) {
    if (cause instanceof CodecError) throw invalid("the root is not base64", { cause });
    throw cause;
  }
  if (hash.length !== 32) throw invalid("the root is not 32 bytes");
  if (treeSize === 0n && !equal(hash, EMPTY_ROOT)) throw invalid("the root of an empty log is another");
  return { origin, size: treeSize, root: hash, extensions };
}

/**
 * Signed note to checkpoint. No signature is verified.
 * @throws ReceiptError `checkpoint_invalid`, `note_invalid`, `note_limit`
 */
export function parseCheckpoint(text: string): SignedCheckpoint {
  const note = parseNote(text);
  return { ...parseCheckpointText(note.text), note };
}

/**
 * A checkpoint that the log of this name and key signed. That the head is the newest, or the only one of its size, is
 * not shown: see `verifyCosignatures`.
 * @throws ReceiptError `checkpoint_origin_mismatch`, `note_signature_missing`, `note_signature_invalid`, and what
 *   `parseCheckpoint` throws
 */
export function verifyCheckpoint(text: string, log: NoteKey): SignedCheckpoint {
  const checkpoint = parseCheckpoint(text);
  if (checkpoint.origin !== log.name) {
    throw new ReceiptError("checkpoint_origin_mismatch", "the checkpoint is of another log");
  }
  verifyNote(checkpoint.note, log);
  return checkpoint;
}

/** The message of a `cosignature/v1`: header line, time line, note text (c2sp.org/tlog-cosignature, Ed25519). */
export function cosignatureMessage(noteText: string, timestampSeconds: bigint): Uint8Array {
  return utf8(`cosignature/v1\ntime ${timestampSeconds}\n${noteText}`);
}

/**
 * The signature bytes of a cosignature line: u64 big-endian time ‖ Ed25519 signature (64).
 * @throws ReceiptError `note_invalid`
 */
export function packCosignature(timestampSeconds: bigint, signature64: Uint8Array): Uint8Array {
  if (timestampSeconds < 0n || timestampSeconds > MAX_TREE_SIZE || signature64.length !== 64) {
    throw new ReceiptError("note_invalid", "a cosignature is a time up to 2^63 - 1 and 64 bytes");
  }
  const time = new Uint8Array(8);
  new DataView(time.buffer).setBigUint64(0, timestampSeconds);
  return concat(time, signature64);
}

/**
 * Which of the known log witnesses cosigned, and when they say so; unknown ones are ignored. How many are enough, and
 * how old a time may be, is the caller's policy.
 * @throws ReceiptError `note_signature_invalid` where a known witness's line does not verify
 */
export function verifyCosignatures(note: Note, witnesses: readonly NoteKey[]): Cosignature[] {
  const found: Cosignature[] = [];
  for (const witness of witnesses) {
    let newest: bigint | undefined;
    for (const { signature } of signaturesBy(note, witness, NOTE_TYPE_COSIGNATURE)) {
      const time = signature.length === 72 ? readTime(signature) : -1n;
      const message = cosignatureMessage(note.text, time);
      if (
        time < 0n ||
        time > MAX_TREE_SIZE ||
        !verifyEd25519(signature.subarray(8), message, witness.publicKey)
      ) {
        throw new ReceiptError("note_signature_invalid", "a known log witness's signature does not verify");
      }
      if (newest === undefined || time > newest) newest = time;
    }
    if (newest !== undefined) found.push({ name: witness.name, timestampSeconds: newest });
  }
  return found;
}

function readTime(signature: Uint8Array): bigint {
  return new DataView(signature.buffer, signature.byteOffset, 8).getBigUint64(0);
}
