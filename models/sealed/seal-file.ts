/** Seals a file of weights for a broker, and opens one: in segments, never whole beside its plaintext. */
import { createHash, randomUUID } from "node:crypto";
import { open, rename, rm, type FileHandle } from "node:fs/promises";
import { toHex } from "../../codec/index.ts";
import { ModelError } from "../errors.ts";
import { drawContentKey, wrapContentKey } from "./content-key.ts";
import {
  encodeDescription,
  MAX_HEAD_BYTES,
  parseHead,
  SEGMENT_BYTES,
  segmentCount,
  type SealedHead,
} from "./header.ts";
import { sealSegment, type ReadAt } from "./segments.ts";

export interface SealOptions {
  /** X25519, 32 bytes. */
  brokerKey: Uint8Array;
  /** 32 bytes. */
  modelId: Uint8Array;
  /** What the manifest says of the weights. */
  expected: Measured;
  /** Called after each segment. */
  onProgress?: (doneBytes: number, totalBytes: number) => void;
  signal?: AbortSignal;
}

/**
 * @param target is there whole or not at all
 * @throws ModelError `model_key_invalid`, `weights_digest_mismatch` where the source changed meanwhile; system errors
 */
export async function sealWeights(source: string, target: string, options: SealOptions): Promise<SealedHead> {
  const input = await open(source, "r");
  const aside = `${target}.${randomUUID()}`;
  try {
    const weights = await measure(input, options.signal);
    const { sha256, bytes } = options.expected;
    if (weights.sha256 !== sha256 || weights.bytes !== bytes)
      throw new ModelError("weights_digest_mismatch", "the weights are not those that the manifest names");
    const output = await open(aside, "wx", 0o600);
    let head: SealedHead;
    try {
      head = await writeSealed(input, output, weights, options);
      await output.sync();
    } finally {
      await output.close();
    }
    await rename(aside, target);
    return head;
  } finally {
    await input.close();
    await rm(aside, { force: true });
  }
}

/** The head, and its exact bytes. @throws ModelError `sealed_weights_malformed` */
export async function readSealedHead(read: ReadAt): Promise<{ head: SealedHead; bytes: Uint8Array }> {
  const start = new Uint8Array(MAX_HEAD_BYTES);
  const head = parseHead(start.subarray(0, await read(start, 0)));
  return { head, bytes: start.slice(0, head.byteLength) };
}

/** Fills `target`, as far as the file reaches. */
export async function readAt(file: FileHandle, target: Uint8Array, position: number): Promise<number> {
  let filled = 0;
  for (let read = 1; read > 0 && filled < target.length; filled += read) {
    read = (await file.read(target, filled, target.length - filled, position + filled)).bytesRead;
  }
  return filled;
}

/** SHA-256 in hex, and length. */
interface Measured {
  sha256: string;
  bytes: number;
}

async function measure(file: FileHandle, signal: AbortSignal | undefined): Promise<Measured> {
  const hash = createHash("sha256");
  const { size } = await file.stat();
  const segment = new Uint8Array(SEGMENT_BYTES);
  let bytes = 0;
  while (bytes < size) {
    signal?.throwIfAborted();
    const read = await readAt(file, segment, bytes);
    if (read === 0) break;
    hash.update(segment.subarray(0, read));
    bytes += read;
  }
  if (bytes === 0) throw new ModelError("weights_missing", "the file of weights is empty");
  return { sha256: hash.digest("hex"), bytes };
}

async function writeSealed(
  input: FileHandle,
  output: FileHandle,
  weights: Measured,
  { brokerKey, modelId, onProgress, signal }: SealOptions,
): Promise<SealedHead> {
  const { bytes: clear, digest } = encodeDescription({
    broker: toHex(brokerKey),
    modelId: toHex(modelId),
    segmentBytes: SEGMENT_BYTES,
    weights,
  });
  const contentKey = drawContentKey();
  const wrapped = await wrapContentKey(brokerKey, digest, contentKey);
  const head = parseHead(Buffer.concat([clear, wrapped]));
  await output.writev([clear, wrapped]);
  const hash = createHash("sha256");
  const segment = new Uint8Array(SEGMENT_BYTES);
  const count = segmentCount(weights.bytes);
  for (let index = 0; index < count; index++) {
    signal?.throwIfAborted();
    const plaintext = segment.subarray(0, Math.min(SEGMENT_BYTES, weights.bytes - index * SEGMENT_BYTES));
    await readAt(input, plaintext, index * SEGMENT_BYTES);
    hash.update(plaintext);
    await output.writev(sealSegment(contentKey, digest, index, index === count - 1, plaintext));
    onProgress?.(Math.min(weights.bytes, (index + 1) * SEGMENT_BYTES), weights.bytes);
  }
  contentKey.fill(0);
  if (hash.digest("hex") !== weights.sha256)
    throw new ModelError("weights_digest_mismatch", "the file of weights changed while it was sealed");
  return head;
}
