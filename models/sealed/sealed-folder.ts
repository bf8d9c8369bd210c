/**
 * A model folder whose weights are sealed: `weights.sealed` beside the manifest, and `broker.json`, `{"url": "https://…"}`,
 * which says who may open their key.
 */
import { open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { toHex } from "../../codec/index.ts";
import { ModelError } from "../errors.ts";
import type { Manifest } from "../manifest.ts";
import type { SealedHead } from "./header.ts";
import { readAt, readSealedHead } from "./seal-file.ts";
import { openSegments, type ReadAt } from "./segments.ts";

export const SEALED_FILE = "weights.sealed";
export const BROKER_FILE = "broker.json";
const MAX_BROKER_FILE_BYTES = 8192;

/** A content key is wanted for one load. */
export interface KeyWanted {
  brokerUrl: string;
  /** 32 bytes. */
  modelId: Uint8Array;
  /** Exact bytes of the head of the sealed file. */
  head: Uint8Array;
}

/**
 * Gets the content key (32 bytes) from the owner's broker. Whoever asks wipes it.
 * @throws ModelError `model_key_refused`, `model_key_unavailable`, `broker_message_malformed`
 */
export type ReleaseKey = (wanted: KeyWanted) => Promise<Uint8Array>;

/** What is said and answered travels sealed, but who is asked must be who the owner named: TLS, or this machine. */
export const brokerUrlSchema = z
  .url({ protocol: /^https?$/ })
  .max(2048)
  .refine((text) => {
    const { protocol, hostname, username, search, hash } = new URL(text);
    const isPlain = username === "" && search === "" && hash === "";
    return isPlain && (protocol === "https:" || ["127.0.0.1", "[::1]", "localhost"].includes(hostname));
  }, "https://…, or http://… on this machine");

const brokerSchema = z.strictObject({ url: brokerUrlSchema });

/** @throws ModelError `sealed_folder_invalid` */
export async function readBrokerUrl(directory: string): Promise<string> {
  const path = join(directory, BROKER_FILE);
  let value: unknown;
  try {
    value = JSON.parse((await readFile(path, "utf8")).slice(0, MAX_BROKER_FILE_BYTES));
  } catch (cause) {
    throw new ModelError("sealed_folder_invalid", `${path} cannot be read`, { cause });
  }
  const result = brokerSchema.safeParse(value);
  if (result.success) return result.data.url;
  const { path: place, message } = result.error.issues[0]!;
  throw new ModelError("sealed_folder_invalid", `${path}: ${place.join(".")}: ${message}`);
}

/** Where a sealed file is read from. */
export interface SealedReader {
  readAt: ReadAt;
  close(): Promise<void>;
}

/** @throws ModelError `weights_missing` */
export async function openSealedFile(directory: string): Promise<SealedReader> {
  const path = join(directory, SEALED_FILE);
  const file = await open(path).catch((cause: unknown) => {
    throw new ModelError("weights_missing", `${path} cannot be read`, { cause });
  });
  return { readAt: (target, position) => readAt(file, target, position), close: () => file.close() };
}

/**
 * The weights in the clear, in memory alone: the key is asked for anew at every call and wiped before it returns.
 * @throws ModelError `weights_missing`, `weights_digest_mismatch` where the file is of other weights than the manifest's,
 *   `sealed_weights_malformed`, `sealed_weights_unreadable`, and what `releaseKey` throws
 */
export async function openSealedModel(
  openReader: () => Promise<SealedReader>,
  { manifest, modelId, brokerUrl }: { manifest: Manifest; modelId: Uint8Array; brokerUrl: string },
  releaseKey: ReleaseKey,
): Promise<Uint8Array> {
  const reader = await openReader();
  try {
    const { head, bytes } = await readSealedHead(reader.readAt);
    checkHead(head, manifest, modelId);
    const contentKey = await releaseKey({ brokerUrl, modelId, head: bytes });
    try {
      return await openSegments(head, contentKey, reader.readAt);
    } finally {
      contentKey.fill(0);
    }
  } finally {
    await reader.close();
  }
}

/**
 * Opening holds the weights to the head; here the head is held to the manifest.
 * @throws ModelError `sealed_weights_malformed`, `weights_digest_mismatch`
 */
export function checkHead(
  { description }: SealedHead,
  { name, weights }: Manifest,
  modelId: Uint8Array,
): void {
  if (description.modelId !== toHex(modelId))
    throw new ModelError("sealed_weights_malformed", `the sealed weights are not for ${name}`);
  const { sha256, bytes } = description.weights;
  if (sha256 !== weights.sha256 || bytes !== weights.bytes)
    throw new ModelError("weights_digest_mismatch", `the weights of ${name} are not its manifest's`);
}
