/** Models at the start: those of the folders, those that tenants uploaded, and who may use them. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Logger } from "pino";
import { utf8 } from "../codec/index.ts";
import {
  ModelError,
  ModelRegistry,
  readModelSigner,
  type ModelSigner,
  type ReleaseKey,
} from "../models/index.ts";
import { ConfigError, type Config } from "./config.ts";
import { documentOf, putDocuments, type Database } from "./db/index.ts";
import { brokersAllowed, ModelCatalogue, openPrivateModels } from "./private-models/index.ts";
import { TenantDirectory } from "./tenants/index.ts";

export interface OpenModelsParts {
  config: Config;
  database: Database;
  releaseKey: ReleaseKey;
  /** Whether it serves this machine alone. */
  servesThisMachine: boolean;
  log: Logger;
}

export interface OpenedModels {
  directory: TenantDirectory;
  ofFolders: ModelRegistry;
  /** All of them. */
  models: ModelCatalogue;
  privateModels: Awaited<ReturnType<typeof openPrivateModels>>;
}

/** @throws ConfigError; ModelError; DatabaseError */
export async function openModels(parts: OpenModelsParts): Promise<OpenedModels> {
  const { config, database, releaseKey, log } = parts;
  const signers = config.modelSigners && (await Promise.all(config.modelSigners.map(readSigner)));
  const ofFolders = await openFolders(parts, signers);
  const directory = await TenantDirectory.open({ database, onError: tenantErrors(log) });
  try {
    const models = new ModelCatalogue(ofFolders, directory);
    const uploads = {
      database,
      directory,
      catalogue: models,
      releaseKey,
      signers,
      quotaBytes: config.modelQuotaBytes,
      allowsBroker: brokersAllowed(config.modelBrokers, parts.servesThisMachine),
      nowMs: Date.now,
    };
    return { directory, ofFolders, models, privateModels: await openPrivateModels(uploads, log) };
  } catch (error) {
    await directory.close();
    throw error;
  }
}

/** What goes wrong between requests: the next look tries again. */
export function tenantErrors(log: Logger): (error: unknown) => void {
  return (error) => log.warn({ err: error }, "tenants could not be looked up or told of");
}

/** @throws ConfigError; ModelError `model_key_invalid` */
async function readSigner(file: string): Promise<ModelSigner> {
  try {
    return readModelSigner(await readFile(file, "utf8"));
  } catch (cause) {
    if (cause instanceof ModelError) throw cause;
    throw new ConfigError("setting_invalid", ["AFFIDAVIT_MODEL_SIGNERS"], "a key file cannot be read");
  }
}

async function openFolders(
  { config, database, releaseKey }: OpenModelsParts,
  signers: readonly ModelSigner[] | undefined,
): Promise<ModelRegistry> {
  const zoo = fileURLToPath(new URL("../models/zoo", import.meta.url));
  const added = config.modelsDirectory ?? join(config.dataDirectory, "models");
  const folders = [zoo, { directory: added, ...(signers && { signers }) }];
  const models = await ModelRegistry.load(folders, releaseKey);
  const manifests = models.list().map(({ manifestText }) => documentOf("manifest", utf8(manifestText)));
  await putDocuments(database, manifests);
  return models;
}
