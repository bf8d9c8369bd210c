/**
 * Uploads of sealed weights, in parts that follow one another: `uploads/<id>` grows in the data directory, and becomes
 * `uploaded-models/<model id>/` once its digest and its head are what was announced. What a crash leaves behind is a shorter
 * file, which the next part goes on from, or a folder that no row names, which the next upload of the model replaces.
 */
import { createHash, randomUUID } from "node:crypto";
import { constants, createReadStream } from "node:fs";
import { mkdir, mkdtemp, open, rename, rm, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { equal, toHex } from "../../codec/index.ts";
import {
  BROKER_FILE,
  checkHead,
  ModelError,
  parseManifest,
  loadModel,
  manifestText,
  modelId as idOf,
  readSealedHead,
  SEALED_FILE,
  sealedByteLength,
  sealedLengths,
  type LoadedModel,
  type Manifest,
  type ReleaseKey,
} from "../../models/index.ts";
import {
  beginUpload,
  extendUpload,
  findUpload,
  finishUpload,
  hasUploadedModel,
  removeExpiredUploads,
  removeUpload,
  type Database,
  type UploadRow,
} from "../db/index.ts";
import { ServiceError } from "../problem.ts";
import type { NewUpload, UploadView } from "../services.ts";
import type { ModelCatalogue } from "./catalogue.ts";

/** After its last part. */
const LIFETIME_MS = 24 * 3_600_000;
const MAX_UPLOADS = 8;

export interface UploadParts {
  database: Database;
  dataDirectory: string;
  catalogue: ModelCatalogue;
  releaseKey: ReleaseKey;
  /** Bytes that one tenant may store, uploads under way included. */
  quotaBytes: number;
  /** Brokers that the service may be sent to. */
  allowsBroker: (url: string) => boolean;
  nowMs: () => number;
}

export class ModelUploads {
  readonly #parts: UploadParts;
  /** Uploads and models that a request is at work on. */
  readonly #busy = new Set<string>();

  constructor(parts: UploadParts) {
    this.#parts = parts;
  }

  /**
   * Begins one, or answers with the one that the tenant began of the same file.
   * @throws ServiceError `request_invalid`, `broker_not_allowed`, `model_quota_exceeded`; ModelError `model_exists`
   */
  async begin(tenantId: string, wanted: NewUpload): Promise<UploadView> {
    const { database, catalogue, quotaBytes, allowsBroker } = this.#parts;
    const manifest = readManifest(wanted.manifest);
    const text = manifestText(manifest);
    const modelId = idOf(text);
    const { least, most } = sealedLengths(manifest.weights.bytes);
    if (wanted.bytes < least || wanted.bytes > most)
      throw new ServiceError("request_invalid", "body.bytes: not the length of these weights sealed");
    if (!allowsBroker(wanted.brokerUrl)) throw new ServiceError("broker_not_allowed");
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
        expiresAt: this.#expiry(),
      },
      { bytes: BigInt(quotaBytes), uploads: MAX_UPLOADS },
    );
    if (!row) throw new ServiceError("model_quota_exceeded");
    await mkdir(join(this.#parts.dataDirectory, "uploads"), { recursive: true, mode: 0o700 });
    return await this.#view(row);
  }

  /** @throws ServiceError `upload_not_found` */
  async find(tenantId: string, id: string): Promise<UploadView> {
    return await this.#view(await this.#require(tenantId, id));
  }

  /**
   * Stores a part that follows what came before.
   * @throws ServiceError `upload_not_found`, `upload_busy`, `upload_offset_mismatch`
   */
  async put(tenantId: string, id: string, offset: number, part: Uint8Array): Promise<UploadView> {
    const row = await this.#require(tenantId, id);
    return await this.#alone(id, async () => {
      const received = await this.#received(id);
      if (offset !== received || BigInt(offset + part.length) > row.bytes)
        throw new ServiceError("upload_offset_mismatch", `the next part starts at byte ${received}`);
      const file = await open(this.#file(id), constants.O_WRONLY | constants.O_CREAT, 0o600);
      try {
        for (let done = 0; done < part.length;)
          done += (await file.write(part, done, part.length - done, offset + done)).bytesWritten;
      } finally {
        await file.close();
      }
      const expiresAt = this.#expiry();
      await extendUpload(this.#parts.database, id, expiresAt);
      return await this.#view({ ...row, expiresAt });
    });
  }

  /** @throws ServiceError `upload_not_found`, `upload_busy` */
  async remove(tenantId: string, id: string): Promise<void> {
    await this.#require(tenantId, id);
    await this.#alone(id, () => this.#drop(id));
  }

  /**
   * Makes a model of it, which its tenant can use at once.
   * @throws ServiceError `upload_not_found`, `upload_busy`, `upload_incomplete`, `upload_digest_mismatch`; ModelError
   *   `model_exists`, `sealed_weights_malformed`, `weights_digest_mismatch`
   */
  async complete(tenantId: string, id: string): Promise<LoadedModel> {
    const { database, catalogue } = this.#parts;
    const row = await this.#require(tenantId, id);
    return await this.#alone(id, () =>
      this.#alone(toHex(row.modelId), async () => {
        await this.#check(row);
        catalogue.check({ manifest: parseManifest(row.manifest), modelId: row.modelId }, tenantId);
        if (await hasUploadedModel(database, row.modelId)) throw exists();
        const model = await this.#install(row);
        if (!(await finishUpload(database, row))) throw exists();
        catalogue.add({ model, tenantId, guests: new Set() });
        return model;
      }),
    );
  }

  /** Erases uploads whose time is over. @returns how many */
  async expire(): Promise<number> {
    const ids = await removeExpiredUploads(this.#parts.database, new Date(this.#parts.nowMs()));
    for (const id of ids) await rm(this.#file(id), { force: true });
    return ids.length;
  }

  async #check(row: UploadRow): Promise<void> {
    const path = this.#file(row.id);
    if (BigInt(await this.#received(row.id)) !== row.bytes) throw new ServiceError("upload_incomplete");
    const hash = createHash("sha256");
    for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 }))
      hash.update(chunk as Buffer);
    if (!equal(hash.digest(), row.sha256)) {
      // No part can be told from another that is wrong: it starts again.
      await truncate(path, 0);
      throw new ServiceError("upload_digest_mismatch");
    }
    const file = await open(path, "r");
    try {
      const head = await readSealedHead(file);
      checkHead(head, parseManifest(row.manifest), row.modelId);
      if (BigInt(sealedByteLength(head)) !== row.bytes)
        throw new ModelError("sealed_weights_malformed", "the file is not as long as it says");
      await file.datasync();
    } finally {
      await file.close();
    }
  }

  async #install({ id, modelId, manifest, broker }: UploadRow): Promise<LoadedModel> {
    const root = modelsFolder(this.#parts.dataDirectory);
    await mkdir(root, { recursive: true, mode: 0o700 });
    const target = join(root, toHex(modelId));
    await rm(target, { recursive: true, force: true });
    const aside = await mkdtemp(join(root, ".adding-"));
    await writeFile(join(aside, "manifest.json"), manifest, { flush: true });
    await writeFile(join(aside, BROKER_FILE), JSON.stringify({ url: broker }), { flush: true });
    await rename(this.#file(id), join(aside, SEALED_FILE));
    await rename(aside, target);
    return await loadModel(join(target, "manifest.json"), this.#parts.releaseKey);
  }

  async #drop(id: string): Promise<void> {
    await removeUpload(this.#parts.database, id);
    await rm(this.#file(id), { force: true });
  }

  async #alone<T>(name: string, work: () => Promise<T>): Promise<T> {
    if (this.#busy.has(name)) throw new ServiceError("upload_busy");
    this.#busy.add(name);
    try {
      return await work();
    } finally {
      this.#busy.delete(name);
    }
  }

  async #require(tenantId: string, id: string): Promise<UploadRow> {
    const row = await findUpload(this.#parts.database, id, tenantId);
    if (row && row.expiresAt.getTime() > this.#parts.nowMs()) return row;
    throw new ServiceError("upload_not_found");
  }

  async #view({ id, modelId, bytes, expiresAt }: UploadRow): Promise<UploadView> {
    const receivedBytes = await this.#received(id);
    return { id, modelId, bytes: Number(bytes), receivedBytes, expiresAt };
  }

  async #received(id: string): Promise<number> {
    const found = await stat(this.#file(id)).catch(() => undefined);
    return found?.size ?? 0;
  }

  #file(id: string): string {
    return join(this.#parts.dataDirectory, "uploads", id);
  }

  #expiry(): Date {
    return new Date(this.#parts.nowMs() + LIFETIME_MS);
  }
}

/** Where uploaded models lie, each in a folder of its model id. */
export function modelsFolder(dataDirectory: string): string {
  return join(dataDirectory, "uploaded-models");
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
