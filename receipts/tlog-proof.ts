/** `c2sp.org/tlog-proof@v1`: an inclusion proof and the checkpoint it leads to, as one text that verifies offline. */
import { CodecError, fromBase64, toBase64 } from "../codec/index.ts";
import type { SignedCheckpoint } from "./checkpoint.ts";
import { parseCheckpoint, verifyCheckpoint } from "./checkpoint.ts";
import { ReceiptError } from "./error.ts";
import { verifyInclusion } from "./merkle-verify.ts";
import type { NoteKey } from "./note.ts";
import { MAX_NOTE_LENGTH } from "./note.ts";

export interface TlogProof {
  /** Opaque and not authenticated; at most 4,096 bytes. */
  extra: Uint8Array | null;
  index: bigint;
  /** Hashes of 32 bytes from the leaf's sibling up. */
  proof: Uint8Array[];
  /** The signed note, as the log issued it. */
  checkpoint: string;
}

const HEADER = "c2sp.org/tlog-proof@v1";
const MAX_EXTRA_BYTES = 4096;
const MAX_PROOF_HASHES = 63;
const MAX_HEAD_LENGTH = 12_288;

function invalid(message: string, options?: ErrorOptions): ReceiptError {
  return new ReceiptError("proof_text_invalid", message, options);
}

/** @throws ReceiptError `proof_text_invalid`, and what `parseCheckpoint` throws */
export function formatTlogProof({ extra, index, proof, checkpoint }: TlogProof): string {
  const lines = [HEADER];
  if (extra !== null) lines.push(`extra ${toBase64(extra)}`);
  lines.push(`index ${index}`, ...proof.map(toBase64), "", checkpoint);
  const text = lines.join("\n");
  parseTlogProof(text);
  return text;
}

function readBase64(text: string, what: string): Uint8Array {
  try {
    return fromBase64(text);
  } catch (cause) {
    if (cause instanceof CodecError) throw invalid(`${what} is not base64`, { cause });
    throw cause;
  }
}

function readHash(line: string): Uint8Array {
  const hash = readBase64(line, "a hash");
  if (hash.length !== 32) throw invalid("a hash is not 32 bytes");
  return hash;
}

/**
 * Text to its parts; neither proof nor signatures are verified.
 * @throws ReceiptError `proof_text_invalid`, and what `parseCheckpoint` throws
 */
export function parseTlogProof(text: string): TlogProof {
  if (text.length > MAX_NOTE_LENGTH + MAX_HEAD_LENGTH) throw invalid("the text is too long");
  const split = text.indexOf("\n\n");
  if (split < 0 || split > MAX_HEAD_LENGTH) throw invalid("no empty line before the checkpoint");
  const [header, ...lines] = text.slice(0, split).split("\n");
  if (header !== HEADER) throw invalid("not a tlog-proof of version 1");
  let extra: Uint8Array | null = null;
  if (lines[0]?.startsWith("extra ")) extra = readBase64(lines.shift()!.slice("extra ".length), "extra");
  if (extra !== null && extra.length > MAX_EXTRA_BYTES) throw invalid("extra is too long");
  const index = /^index (0|[1-9][0-9]{0,18})$/.exec(lines.shift() ?? "");
  if (index === null) throw invalid("no index");
  if (lines.length > MAX_PROOF_HASHES) throw invalid("too many hashes");
  const checkpoint = text.slice(split + 2);
  parseCheckpoint(checkpoint);
  return { extra, index: BigInt(index[1]!), proof: lines.map(readHash), checkpoint };
}

/**
 * The checkpoint, where this log signed it and the leaf is in its tree. Cosignatures are the caller's to judge.
 * @param leaf the leaf hash, 32 bytes
 * @throws ReceiptError `inclusion_invalid`, `tree_position_invalid`, and what `verifyCheckpoint` throws
 */
export function verifyTlogProof(proof: TlogProof, leaf: Uint8Array, log: NoteKey): SignedCheckpoint {
  const checkpoint = verifyCheckpoint(proof.checkpoint, log);
  verifyInclusion(leaf, proof.index, checkpoint.size, proof.proof, checkpoint.root);
  return checkpoint;
}
