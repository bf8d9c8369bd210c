/** An uploaded model as a replica loads it. Its row is hostile: id, manifest, broker and signature are held against each other anew. */
import { equal, fromUtf8, toHex } from "../../codec/index.ts";
import {
  brokerUrlSchema,
  ModelError,
  modelId as idOf,
  openSealedModel,
  parseCanonicalManifest,
  verifyFiles,
  type LoadedModel,
  type Manifest,
  type ModelSigner,
  type ReleaseKey,
} from "../../models/index.ts";
import { readDocument, type Database, type UploadedModelRow } from "../db/index.ts";
import { openParts } from "./parts-reader.ts";

export interface UploadedParts {
  database: Database;
  releaseKey: ReleaseKey;
  /** Brokers that the service may be sent to. */
  allowsBroker: (url: string) => boolean;
  /** Who must have signed it; undefined: nobody. */
  signers: readonly ModelSigner[] | undefined;
}

/** @throws ModelError why it is not served; DatabaseError */
export async function loadUploaded(parts: UploadedParts, row: UploadedModelRow): Promise<LoadedModel> {
  const { database, releaseKey } = parts;
  const { uploadId, broker: brokerUrl } = row;
  const text = await readDocument(database, row.modelId);
  if (!text) throw new ModelError("manifest_invalid", "its manifest is not stored");
  const manifestText = fromUtf8(text);
  const manifest = parseCanonicalManifest(manifestText);
  const modelId = idOf(manifestText);
  if (!equal(modelId, row.modelId)) throw new ModelError("manifest_invalid", "another model's manifest");
  if (!brokerUrlSchema.safeParse(brokerUrl).success || !parts.allowsBroker(brokerUrl))
    throw new ModelError("model_key_unavailable", "it names a broker that may not be asked");
  requireSigned(parts.signers, { manifest, modelId, signature: row.signature });
  const model = { manifest, manifestText, modelId };
  const weights = () =>
    openSealedModel(() => openParts(database.orm, uploadId), { ...model, brokerUrl }, releaseKey);
  return { ...model, sealed: true, weights };
}

/**
 * Manifest (in its canonical form) and weights in the clear are what an uploaded model's signature names.
 * @throws ModelError `model_unsigned` and what `verifyFiles` throws
 */
export function requireSigned(
  signers: readonly ModelSigner[] | undefined,
  { manifest, modelId, signature }: { manifest: Manifest; modelId: Uint8Array; signature: string | null },
): void {
  if (!signers) return;
  if (signature === null) throw new ModelError("model_unsigned", "the service takes signed models alone");
  const files = new Map([
    ["manifest.json", toHex(modelId)],
    ["model.onnx", manifest.weights.sha256],
  ]);
  verifyFiles(signature, signers, files);
}
