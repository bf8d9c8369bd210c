/**
 * The head of a file of sealed weights: whose weights, for which broker, cut how. Specification: docs/spec/sealed-models.md.
 *
 * `magic (8) ‖ length of the JSON u32 ‖ JSON (JCS) ‖ encapsulated key (32) ‖ wrapped content key (48)`, integers big-endian.
 */
import { z } from "zod";
import { CodecError, concat, equal, fromUtf8, jcs, sha256, utf8 } from "../../codec/index.ts";
import { ModelError } from "../errors.ts";

export const MAGIC = utf8("AFFWGHT1");
export const SEGMENT_BYTES = 1024 * 1024;
export const TAG_BYTES = 16;
export const WRAPPED_KEY_BYTES = 32 + 32 + TAG_BYTES;
const MAX_JSON_BYTES = 4096;
/** The longest head, in bytes. */
export const MAX_HEAD_BYTES = MAGIC.length + 4 + MAX_JSON_BYTES + WRAPPED_KEY_BYTES;

const hex32 = z.string().regex(/^[0-9a-f]{64}$/);
const descriptionSchema = z.strictObject({
  /** X25519 key of the broker that may open the content key. */
  broker: hex32,
  /** SHA-256 of the canonical manifest. */
  modelId: hex32,
  segmentBytes: z.literal(SEGMENT_BYTES),
  weights: z.strictObject({
    sha256: hex32,
    bytes: z
      .int()
      .min(1)
      .max(2 ** 31 - 1),
  }),
});

/** What a file of sealed weights says of itself, in the clear and bound to every segment. */
export type SealedDescription = z.infer<typeof descriptionSchema>;

export interface SealedHead {
  description: SealedDescription;
  /** SHA-256 of magic, length and JSON, 32 bytes: additional data of the wrapped key and of every segment. */
  digest: Uint8Array;
  /** Encapsulated key (32) ‖ content key sealed to the broker (48). */
  wrappedKey: Uint8Array;
  /** Where the segments start. */
  byteLength: number;
}

export function encodeDescription(description: SealedDescription): { bytes: Uint8Array; digest: Uint8Array } {
  const json = utf8(jcs(description));
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, json.length);
  const bytes = concat(MAGIC, length, json);
  return { bytes, digest: sha256(bytes) };
}

/**
 * Reads the head at the start of `bytes`. Nothing in it is authenticated before a segment opened under its digest.
 * @param bytes at least the head, at most what one likes
 * @throws ModelError `sealed_weights_malformed`
 */
export function parseHead(bytes: Uint8Array): SealedHead {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < 12 || !equal(bytes.subarray(0, 8), MAGIC)) throw malformed("no sealed weights");
  const jsonBytes = view.getUint32(8);
  const end = 12 + jsonBytes;
  if (jsonBytes > MAX_JSON_BYTES || bytes.length < end + WRAPPED_KEY_BYTES)
    throw malformed("the head is cut off");
  const description = parseDescription(bytes.subarray(12, end));
  return {
    description,
    digest: sha256(bytes.subarray(0, end)),
    wrappedKey: bytes.slice(end, end + WRAPPED_KEY_BYTES),
    byteLength: end + WRAPPED_KEY_BYTES,
  };
}

function parseDescription(bytes: Uint8Array): SealedDescription {
  let text: string;
  let value: unknown;
  try {
    text = fromUtf8(bytes);
    value = JSON.parse(text);
  } catch (cause) {
    if (cause instanceof CodecError || cause instanceof SyntaxError)
      throw malformed("the head is no JSON", cause);
    throw cause;
  }
  const result = descriptionSchema.safeParse(value);
  if (!result.success || jcs(result.data) !== text) throw malformed("the head is not of this format");
  return result.data;
}

/** Segments of weights of so many bytes: none is empty, so the last one is full or shorter. */
export function segmentCount(weightsBytes: number): number {
  return Math.ceil(weightsBytes / SEGMENT_BYTES);
}

/** Of the whole file. */
export function sealedByteLength({ description, byteLength }: SealedHead): number {
  return byteLength + description.weights.bytes + segmentCount(description.weights.bytes) * TAG_BYTES;
}

/** Bounds of the length of a sealed file, whatever its head says. */
export function sealedLengths(weightsBytes: number): { least: number; most: number } {
  const body = weightsBytes + segmentCount(weightsBytes) * TAG_BYTES;
  return { least: body + MAGIC.length + 4 + WRAPPED_KEY_BYTES, most: body + MAX_HEAD_BYTES };
}

export function malformed(message: string, cause?: unknown): ModelError {
  return new ModelError("sealed_weights_malformed", message, { cause });
}
