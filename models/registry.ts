/**
 * The models that a service offers. A models folder holds `<any>/manifest.json` or `<any>/<any>/manifest.json`, each with
 * its weights as `weights.ts` finds them; what a folder is called means nothing.
 */
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { toHex } from "../codec/index.ts";
import type { LoadedModel } from "./engines/engine.ts";
import { inspectGraph } from "./engines/inspect.ts";
import { ModelError } from "./errors.ts";
import { compareVersions, manifestText, modelId, parseManifest } from "./manifest.ts";
import type { Manifest } from "./manifest.ts";
import {
  openSealedFile,
  openSealedModel,
  readBrokerUrl,
  SEALED_FILE,
  type ReleaseKey,
} from "./sealed/sealed-folder.ts";
import { SIGNATURE_FILE, verifyFolder, type ModelSigner } from "./signing/index.ts";
import { checkDigest, readWeights, WEIGHTS_FILE } from "./weights.ts";

const MANIFEST_FILE = "manifest.json";
const MAX_FOLDERS = 4096;

/** A folder of models, and who must have signed each of them; without `signers` no signature is asked for. */
export interface ModelFolder {
  directory: string;
  signers?: readonly ModelSigner[];
}

export class ModelRegistry {
  /** Versions of one name, the highest first. */
  readonly #models = new Map<string, LoadedModel[]>();

  /**
   * Reads every manifest below the folders; a folder that does not exist holds none. Weights are read later, when an
   * engine asks for them.
   * @throws ModelError `manifest_invalid`, naming the file; `model_exists` where two manifests share name and version;
   *   `sealed_folder_invalid`; what `verifyFolder` throws, naming the folder
   * @param releaseKey asks for the keys of sealed weights, at each load
   */
  static async load(
    sources: readonly (string | ModelFolder)[],
    releaseKey?: ReleaseKey,
  ): Promise<ModelRegistry> {
    const registry = new ModelRegistry();
    for (const source of sources) {
      const { directory, signers } = typeof source === "string" ? { directory: source } : source;
      for (const file of await findManifests(directory)) {
        const model = await loadModel(file, releaseKey);
        if (signers) await requireSigned(dirname(file), model, signers);
        registry.add(model);
      }
    }
    return registry;
  }

  /** @throws ModelError `model_exists` where another model has its name and version; the same one again is no matter */
  add(model: LoadedModel): void {
    const { name, version } = model.manifest;
    const versions = this.#models.get(name) ?? [];
    const known = versions.find((other) => compareVersions(other.manifest.version, version) === 0);
    if (known) {
      if (toHex(known.modelId) === toHex(model.modelId)) return;
      throw new ModelError("model_exists", `${name}/${version} has two different manifests`);
    }
    versions.push(model);
    versions.sort((a, b) => compareVersions(b.manifest.version, a.manifest.version));
    this.#models.set(name, versions);
  }

  /** Every model: by name, then the highest version first. */
  list(): LoadedModel[] {
    const names = [...this.#models.keys()].sort();
    return names.flatMap((name) => this.#models.get(name)!);
  }

  /** Without a version: the highest. */
  get(name: string, version?: string): LoadedModel | undefined {
    const versions = this.#models.get(name);
    if (version === undefined) return versions?.[0];
    return versions?.find((model) => model.manifest.version === version);
  }

  /** @throws ModelError `model_not_found` */
  require(name: string, version?: string): LoadedModel {
    const found = this.get(name, version);
    if (found) return found;
    throw new ModelError("model_not_found", "no such model, or no such version of it");
  }
}

/**
 * The model of one manifest file. Weights that are sealed open by `releaseKey` alone.
 * @throws ModelError `manifest_invalid`, `sealed_folder_invalid`
 */
export async function loadModel(
  manifestFile: string,
  releaseKey: ReleaseKey = noBroker,
): Promise<LoadedModel> {
  let manifest: Manifest;
  try {
    manifest = parseManifest(await readFile(manifestFile, "utf8"));
  } catch (cause) {
    const reason = cause instanceof ModelError ? cause.message : "the file cannot be read";
    throw new ModelError("manifest_invalid", `${manifestFile}: ${reason}`, { cause });
  }
  const text = manifestText(manifest);
  const directory = dirname(manifestFile);
  const model = { manifest, manifestText: text, modelId: modelId(text), directory };
  if (!(await hasFile(directory, SEALED_FILE)))
    return { ...model, weights: () => readWeights(manifest, directory) };
  const brokerUrl = await readBrokerUrl(directory);
  const weights = () => openSealedModel(() => openSealedFile(directory), { ...model, brokerUrl }, releaseKey);
  return { ...model, sealed: true, weights };
}

async function noBroker(): Promise<never> {
  throw new ModelError("model_key_unavailable", "nobody here may ask the owner's broker");
}

/** The weights are not read here: they are held to the manifest's digest whenever an engine asks for them. */
async function requireSigned(
  directory: string,
  { manifest: { weights, source }, sealed }: LoadedModel,
  signers: readonly ModelSigner[],
): Promise<void> {
  const elsewhere = "package" in source || sealed;
  const known = elsewhere ? undefined : new Map([[source.file ?? WEIGHTS_FILE, weights.sha256]]);
  try {
    await verifyFolder(directory, signers, known);
  } catch (cause) {
    if (!(cause instanceof ModelError)) throw cause;
    throw new ModelError(cause.code, `${directory}: ${cause.message}`, { cause });
  }
}

/**
 * Puts a model into a models folder, once its weights have the manifest's digest and an engine host has found in its
 * graph what the manifest says. The native code that reads the graph runs in a process of its own.
 * @throws ModelError `manifest_invalid`, `weights_digest_mismatch`, `graph_invalid`, `graph_mismatch`, `engine_crashed`,
 *   `engine_timeout`, `model_exists`
 */
export async function addModel(
  directory: string,
  onnx: Uint8Array,
  manifest: Manifest,
  signature?: string,
): Promise<LoadedModel> {
  const text = manifestText(parseManifest(manifestText(manifest)));
  if ("package" in manifest.source || (manifest.source.file ?? WEIGHTS_FILE) !== WEIGHTS_FILE) {
    throw new ModelError(
      "manifest_invalid",
      `source: an added model's weights are kept as ${WEIGHTS_FILE} beside its manifest`,
    );
  }
  checkDigest(manifest, onnx);
  await inspectGraph(manifest, onnx);
  const parent = join(directory, manifest.name);
  const target = join(parent, manifest.version);
  await mkdir(parent, { recursive: true });
  // Written aside and renamed: a model is there whole or not at all.
  const aside = await mkdtemp(join(directory, ".adding-"));
  try {
    await writeFile(join(aside, WEIGHTS_FILE), onnx);
    await writeFile(join(aside, MANIFEST_FILE), text);
    if (signature !== undefined) await writeFile(join(aside, SIGNATURE_FILE), signature);
    await rename(aside, target);
  } catch (cause) {
    await rm(aside, { recursive: true, force: true });
    return existing(target, text, cause);
  }
  return loadModel(join(target, MANIFEST_FILE));
}

/** The same model added again is the same model. */
async function existing(target: string, text: string, cause: unknown): Promise<LoadedModel> {
  const model = await loadModel(join(target, MANIFEST_FILE)).catch(() => undefined);
  if (model?.manifestText === text) return model;
  if (model === undefined) throw cause;
  throw new ModelError(
    "model_exists",
    `${model.manifest.name}/${model.manifest.version} exists with another manifest`,
  );
}

async function findManifests(directory: string): Promise<string[]> {
  const found: string[] = [];
  for (const folder of await folders(directory)) {
    if (await hasFile(folder, MANIFEST_FILE)) found.push(join(folder, MANIFEST_FILE));
    for (const inner of await folders(folder)) {
      if (await hasFile(inner, MANIFEST_FILE)) found.push(join(inner, MANIFEST_FILE));
    }
  }
  return found;
}

async function folders(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw new ModelError("manifest_invalid", `${directory}: the folder cannot be read`, { cause: error });
  });
  const names = entries
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith("."))
    .map(({ name }) => name);
  if (names.length > MAX_FOLDERS) throw new ModelError("manifest_invalid", `${directory}: too many folders`);
  return names.sort().map((name) => join(directory, name));
}

async function hasFile(folder: string, file: string): Promise<boolean> {
  const entries = await readdir(folder, { withFileTypes: true });
  return entries.some((entry) => entry.isFile() && entry.name === file);
}
