/** The body of `POST /add-checkpoint` (c2sp.org/tlog-witness): old size, consistency proof, empty line, signed checkpoint. */
import { CodecError, fromBase64, toBase64 } from "../codec/index.ts";
import { parseCheckpoint } from "./checkpoint.ts";
import { ReceiptError } from "./error.ts";
import { MAX_TREE_SIZE } from "./merkle.ts";
import { MAX_NOTE_LENGTH } from "./note.ts";

export interface AddCheckpoint {
  /** The size that the witness is taken to hold; 0 where it holds none. */
  oldSize: bigint;
  /** RFC 9162 section 2.1.4, from the old size to the checkpoint's. */
  proof: Uint8Array[];
  /** The signed note. */
  checkpoint: string;
}

const MAX_HASHES = 63;
const MAX_HEAD_LENGTH = 32 + MAX_HASHES * 48;
/** Characters of the longest body. */
export const MAX_ADD_CHECKPOINT_LENGTH = MAX_HEAD_LENGTH + MAX_NOTE_LENGTH;

function invalid(message: string): ReceiptError {
  return new ReceiptError("add_checkpoint_invalid", message);
}

/** @throws ReceiptError `add_checkpoint_invalid`, and what `parseCheckpoint` throws */
export function formatAddCheckpoint({ oldSize, proof, checkpoint }: AddCheckpoint): string {
  const text = [`old ${oldSize}`, ...proof.map(toBase64), "", checkpoint].join("\n");
  parseAddCheckpoint(text);
  return text;
}

function readHash(line: string): Uint8Array {
  try {
    const hash = fromBase64(line);
    if (hash.length === 32) return hash;
  } catch (error) {
    if (!(error instanceof CodecError)) throw error;
  }
  throw invalid("a proof line is not base64 of 32 bytes");
}

/**
 * Text to its parts; nothing is verified.
 * @throws ReceiptError `add_checkpoint_invalid`, and what `parseCheckpoint` throws
 */
export function parseAddCheckpoint(text: string): AddCheckpoint {
  if (text.length > MAX_ADD_CHECKPOINT_LENGTH) throw invalid("the body is too long");
  const split = text.indexOf("\n\n");
  if (split < 0 || split > MAX_HEAD_LENGTH) throw invalid("no empty line before the checkpoint");
  const [first = "", ...hashes] = text.slice(0, split).split("\n");
  const old = /^old (0|[1-9][0-9]{0,18})$/.exec(first);
  if (old === null || BigInt(old[1]!) > MAX_TREE_SIZE) throw invalid("no old size");
  if (hashes.length > MAX_HASHES) throw invalid("more than 63 proof lines");
  const checkpoint = text.slice(split + 2);
  parseCheckpoint(checkpoint);
  return { oldSize: BigInt(old[1]!), proof: hashes.map(readHash), checkpoint };
}

/** The media type of a 409's body: the size the witness holds, and a newline. */
export const TLOG_SIZE_MEDIA_TYPE = "text/x.tlog.size";
