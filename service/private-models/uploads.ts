/**
 * Uploads of sealed weights, in parts that follow one another. All of it is in the database: whichever replica a part reaches, it
 * goes on where the last one ended, and a crash leaves behind whole parts.
 */
import { createHash, randomUUID } from "node:crypto";
import { equal } from "../../codec/index.ts";
import {
  checkHead,
  ModelError,
  parseManifest,
  manifestText,
  modelId as idOf,
  readSealedHead,
  sealedByteLength,
  sealedLengths,
  type Manifest,
} from "../../models/index.ts";
import {
  addPart,
  beginUpload,
  findUpload,
  finishUpload,
  listParts,
  readPart,
  receivedOf,
  removeExpiredUploads,
  removeParts,
  removeUpload,
  UploadHeld,
  withUpload,
  type Transaction,
  type UploadRow,
} from "../db/index.ts";
import { ServiceError } from "../problem.ts";
import type { ModelView, NewUpload, UploadView } from "../services.ts";
import type { TenantDirectory } from "../tenants/index.ts";
import type { ModelCatalogue } from "./catalogue.ts";
import { openParts } from "./parts-reader.ts";
import { requireSigned, type UploadedParts } from "./uploaded.ts";

/** After its last part. */
const LIFETIME_MS = 24 * 3_600_000;
const MAX_UPLOADS = 8;
const MAX_PARTS = 4096;

export interface UploadParts extends UploadedParts {
  directory: TenantDirectory;
  catalogue: ModelCatalogue;
  /** Bytes that one tenant may store, uploads under way included. */
  quotaBytes: number;
  nowMs: () => number;
}

export class ModelUploads {
  readonly #parts: UploadParts;

  constructor(parts: UploadParts) {
    this.#parts = parts;
  }

  /**
   * Begins one, or answers with the one that the tenant began of the same file.
   * @throws ServiceError `request_invalid`, `broker_not_allowed`, `model_quota_exceeded`; ModelError `model_exists`, and why its
   *   signature does not hold where one is wanted
   */
  async begin(tenantId: string, wanted: NewUpload): Promise<UploadView> {
    const { database, catalogue, quotaBytes, allowsBroker, signers } = this.#parts;
    const manifest = readManifest(wanted.manifest);
    const text = manifestText(manifest);
    const modelId = idOf(text);
    const { least, most } = sealedLengths(manifest.weights.bytes);
    if (wanted.bytes < least || wanted.bytes > most)
      throw new ServiceError("request_invalid", "body.bytes: not the length of these weights sealed");
    if (!allowsBroker(wanted.brokerUrl)) throw new ServiceError("broker_not_allowed");
    const signature = wanted.signature ?? null;
    requireSigned(signers, { manifest, modelId, signature });
    catalogue.check({ manifest, modelId }, tenantId);
    const row = await beginUpload(
      database,
      {
        id: randomUUID(),
        tenantId,
        modelId,
        manifest: text,
        broker: wanted.brokerUrl,
        bytes: BigInt(wanted.bytes),
        sha256: wanted.sha256,
        signature,
        expiresAt: this.#expiry(),
      },
      { bytes: BigInt(quotaBytes), uploads: MAX_UPLOADS },
    );
    if (!row) throw new ServiceError("model_quota_exceeded");
    return await this.#view(row);
  }

  /** @throws ServiceError `upload_not_found` */
  async find(tenantId: string, id: string): Promise<UploadView> {
    return await this.#view(await this.#require(tenantId, id));
  }

  /**
   * Stores a part that follows what came before.
   * @throws ServiceError `upload_not_found`, `upload_busy`, `upload_offset_mismatch`, `model_quota_exceeded`
   */
  async put(tenantId: string, id: string, offset: number, part: Uint8Array): Promise<UploadView> {
    const row = await this.#require(tenantId, id);
    const expiresAt = this.#expiry();
    return await this.#held(row, async (tx) => {
      const { bytes: received, parts } = await receivedOf(tx, id);
      const start = BigInt(offset);
      if (start !== received || start + BigInt(part.length) > row.bytes)
        throw new ServiceError("upload_offset_mismatch", `the next part starts at byte ${received}`);
      if (parts >= MAX_PARTS)
        throw new ServiceError("model_quota_exceeded", `at most ${MAX_PARTS} parts: send larger ones`);
      if (part.length > 0) await addPart(tx, row, { start, bytes: part, expiresAt });
      return toView({ ...row, expiresAt }, received + BigInt(part.length));
    });
  }

  /** @throws ServiceError `upload_not_found`, `upload_busy` */
  async remove(tenantId: string, id: string): Promise<void> {
    const row = await this.#require(tenantId, id);
    await this.#held(row, (tx) => removeUpload(tx, id));
  }

  /**
   * Makes a model of it, which its tenant can use at once here, and within a second on other replicas.
   * @throws ServiceError `upload_not_found`, `upload_busy`, `upload_incomplete`, `upload_digest_mismatch`; ModelError
   *   `model_exists`, `sealed_weights_malformed`, `weights_digest_mismatch`
   */
  async complete(tenantId: string, id: string): Promise<ModelView> {
    const { database, catalogue, directory } = this.#parts;
    const row = await this.#require(tenantId, id);
    const manifest = parseManifest(row.manifest);
    const check = async (tx: Transaction): Promise<void> => {
      await checkFile(tx, row, manifest);
      await directory.refresh();
      catalogue.check({ manifest, modelId: row.modelId }, tenantId);
    };
    try {
      if (!(await finishUpload(database, row, check))) throw exists();
    } catch (error) {
      // No part can be told from another that is wrong: it starts again.
      if (error instanceof ServiceError && error.code === "upload_digest_mismatch")
        await this.#held(row, (tx) => removeParts(tx, id));
      throw error instanceof UploadHeld ? new ServiceError("upload_busy") : error;
    }
    await directory.refresh();
    return catalogue.requireOwn(row.modelId, tenantId).model;
  }

  /** Erases uploads whose time is over. @returns how many */
  async expire(): Promise<number> {
    return await removeExpiredUploads(this.#parts.database, new Date(this.#parts.nowMs()));
  }

  async #held<T>(row: UploadRow, work: (tx: Transaction) => Promise<T>): Promise<T> {
    try {
      return await withUpload(this.#parts.database, row, work);
    } catch (error) {
      throw error instanceof UploadHeld ? new ServiceError("upload_busy") : error;
    }
  }

  async #require(tenantId: string, id: string): Promise<UploadRow> {
    const row = await findUpload(this.#parts.database, id, tenantId);
    if (row && row.expiresAt.getTime() > this.#parts.nowMs()) return row;
    throw new ServiceError("upload_not_found");
  }

  async #view(row: UploadRow): Promise<UploadView> {
    return toView(row, (await receivedOf(this.#parts.database.orm, row.id)).bytes);
  }

  #expiry(): Date {
    return new Date(this.#parts.nowMs() + LIFETIME_MS);
  }
}

/** @throws ServiceError `upload_incomplete`, `upload_digest_mismatch`; ModelError */
async function checkFile(tx: Transaction, row: UploadRow, manifest: Manifest): Promise<void> {
  const hash = createHash("sha256");
  let length = 0;
  for (const { start } of await listParts(tx, row.id)) {
    const part = await readPart(tx, row.id, start);
    if (!part || start !== length) throw new ServiceError("upload_digest_mismatch");
    hash.update(part);
    length += part.length;
  }
  if (BigInt(length) !== row.bytes) throw new ServiceError("upload_incomplete");
  if (!equal(hash.digest(), row.sha256)) throw new ServiceError("upload_digest_mismatch");
  const reader = await openParts(tx, row.id);
  const { head } = await readSealedHead(reader.readAt);
  checkHead(head, manifest, row.modelId);
  if (BigInt(sealedByteLength(head)) !== row.bytes)
    throw new ModelError("sealed_weights_malformed", "the file is not as long as it says");
}

function toView({ id, modelId, bytes, expiresAt }: UploadRow, received: bigint): UploadView {
  return { id, modelId, bytes: Number(bytes), receivedBytes: Number(received), expiresAt };
}

function readManifest(text: string): Manifest {
  try {
    return parseManifest(text);
  } catch (cause) {
    if (!(cause instanceof ModelError)) throw cause;
    throw new ServiceError("request_invalid", `body.manifest: ${cause.message}`);
  }
}

function exists(): ModelError {
  return new ModelError("model_exists", "the model was uploaded before");
}
