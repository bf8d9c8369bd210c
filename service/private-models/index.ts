/** Models that tenants upload: kept as ciphertext, used by their own tenant and by whom it lets in. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "pino";
import { equal, toHex } from "../../codec/index.ts";
import { loadModel, ModelError } from "../../models/index.ts";
import { grantModel, listUploadedModels, removeUploadedModel, withdrawModel } from "../db/index.ts";
import { ServiceError } from "../problem.ts";
import type { PrivateModels } from "../services.ts";
import { ModelUploads, modelsFolder, type UploadParts } from "./uploads.ts";

export { ModelCatalogue } from "./catalogue.ts";

const MAX_GUESTS = 1000;

/** Finds what was uploaded before, and takes uploads from now on. */
export async function openPrivateModels(
  parts: UploadParts,
  log: Logger,
): Promise<PrivateModels & { expire(): Promise<number> }> {
  const { database, catalogue, dataDirectory } = parts;
  await findUploaded(parts, log);
  const uploads = new ModelUploads(parts);
  return {
    uploads,
    expire: () => uploads.expire(),
    guests: (modelId, tenantId) => [...catalogue.requireOwn(modelId, tenantId).guests].toSorted(),
    async allow(modelId, tenantId, guest) {
      const { guests } = catalogue.requireOwn(modelId, tenantId);
      if (guests.size >= MAX_GUESTS)
        throw new ServiceError("model_quota_exceeded", "as many as may be let in are");
      await grantModel(database, modelId, guest);
      guests.add(guest);
    },
    async deny(modelId, tenantId, guest) {
      const { guests } = catalogue.requireOwn(modelId, tenantId);
      guests.delete(guest);
      await withdrawModel(database, modelId, guest);
    },
    async remove(modelId, tenantId) {
      catalogue.requireOwn(modelId, tenantId);
      catalogue.remove(modelId);
      await removeUploadedModel(database, modelId);
      await rm(join(modelsFolder(dataDirectory), toHex(modelId)), { recursive: true, force: true });
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

/** A model whose files are damaged or elsewhere keeps no other from being served. */
async function findUploaded(
  { database, catalogue, dataDirectory, releaseKey }: UploadParts,
  log: Logger,
): Promise<void> {
  for (const { modelId, tenantId, guests } of await listUploadedModels(database)) {
    try {
      const file = join(modelsFolder(dataDirectory), toHex(modelId), "manifest.json");
      const model = await loadModel(file, releaseKey);
      if (!model.sealed || !equal(model.modelId, modelId))
        throw new ModelError("sealed_folder_invalid", "the folder holds another model");
      catalogue.add({ model, tenantId, guests: new Set(guests) });
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
      log.warn({ code: error.code, modelId: toHex(modelId) }, "an uploaded model is left out");
    }
  }
}
