/** Models that tenants upload: kept as ciphertext, used by their own tenant and by whom it lets in. */
import type { Logger } from "pino";
import { CodecError, toHex } from "../../codec/index.ts";
import { ModelError } from "../../models/index.ts";
import {
  changeDirectory,
  DatabaseError,
  grantModel,
  removeUploadedModel,
  withdrawModel,
  type UploadedModelRow,
} from "../db/index.ts";
import { ServiceError } from "../problem.ts";
import type { PrivateModels } from "../services.ts";
import type { PrivateModel } from "./catalogue.ts";
import { loadUploaded } from "./uploaded.ts";
import { ModelUploads, type UploadParts } from "./uploads.ts";

export { ModelCatalogue } from "./catalogue.ts";

const MAX_GUESTS = 1000;

/** Finds what was uploaded before, and follows what is uploaded from now on, on whichever replica. */
export async function openPrivateModels(
  parts: UploadParts,
  log: Logger,
): Promise<PrivateModels & { expire(): Promise<number> }> {
  const { database, catalogue, directory } = parts;
  await directory.follow(async ({ uploaded }) =>
    catalogue.replaceUploaded(await loadAll(parts, uploaded, log)),
  );
  const uploads = new ModelUploads(parts);
  return {
    uploads,
    expire: () => uploads.expire(),
    guests(modelId, tenantId) {
      catalogue.requireOwn(modelId, tenantId);
      return [...directory.guests(modelId)].toSorted();
    },
    async allow(modelId, tenantId, guest) {
      catalogue.requireOwn(modelId, tenantId);
      if (directory.guests(modelId).size >= MAX_GUESTS)
        throw new ServiceError("model_quota_exceeded", "as many as may be let in are");
      await changeDirectory(database, (tx) => grantModel(tx, modelId, guest));
      await directory.refresh();
    },
    async deny(modelId, tenantId, guest) {
      catalogue.requireOwn(modelId, tenantId);
      await changeDirectory(database, (tx) => withdrawModel(tx, modelId, guest));
      await directory.refresh();
    },
    async remove(modelId, tenantId) {
      catalogue.requireOwn(modelId, tenantId);
      await removeUploadedModel(database, modelId);
      await directory.refresh();
    },
  };
}

/**
 * A tenant must not be able to send the service to any address that it likes.
 * @param allowed the operator's list; undefined: brokers on this machine, where the service serves that alone
 */
export function brokersAllowed(
  allowed: readonly string[] | undefined,
  servesThisMachine: boolean,
): (url: string) => boolean {
  if (allowed) return (url) => allowed.some((one) => new URL(one).href === new URL(url).href);
  return (url) => servesThisMachine && new URL(url).protocol === "http:";
}

/** A model whose row does not hold together keeps no other from being served. */
async function loadAll(
  parts: UploadParts,
  rows: readonly UploadedModelRow[],
  log: Logger,
): Promise<Map<string, PrivateModel>> {
  const known = parts.catalogue.uploaded();
  const loaded = new Map<string, PrivateModel>();
  for (const row of rows) {
    const name = toHex(row.modelId);
    const before = known.get(name);
    // Engine hosts know a model by its object: one that did not change stays the same.
    if (before && before.tenantId === row.tenantId && before.uploadId === row.uploadId) {
      loaded.set(name, before);
      continue;
    }
    try {
      const model = await loadUploaded(parts, row);
      loaded.set(name, { model, tenantId: row.tenantId, uploadId: row.uploadId });
    } catch (error) {
      if (!isDamage(error)) throw error;
      log.warn({ code: error.code, modelId: name }, "an uploaded model is left out");
    }
  }
  return loaded;
}

function isDamage(error: unknown): error is ModelError | CodecError | DatabaseError {
  if (error instanceof DatabaseError) return error.code === "log_corrupt";
  return error instanceof ModelError || error instanceof CodecError;
}
