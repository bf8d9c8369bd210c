/** Files that installed npm packages ship: weights and dictionaries that the zoo names but does not copy. */
import { readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { requiredAssets } from "../processing/index.ts";
import type { Assets, Processing } from "../processing/index.ts";

const MAX_PACKAGE_JSON_BYTES = 1 << 20;

type PackageFileErrorCode = "package_missing" | "package_version_mismatch" | "package_file_invalid";

export class PackageFileError extends Error {
  readonly code: PackageFileErrorCode;

  constructor(code: PackageFileErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "PackageFileError";
    this.code = code;
  }
}

export interface PackageFile {
  package: string;
  version: string;
  /** Relative, forward slashes. */
  file: string;
}

/**
 * A file of a package installed at or above `from`, the pinned version of it. Its content is not yet trusted: compare
 * its digest with the manifest's.
 * @throws PackageFileError
 */
export async function readPackageFile(
  { package: name, version, file }: PackageFile,
  maxBytes: number,
  from: string = import.meta.dirname,
): Promise<Uint8Array> {
  const folder = await findPackage(name, from);
  const installed: unknown = JSON.parse(
    (await readBounded(join(folder, "package.json"), MAX_PACKAGE_JSON_BYTES)).toString(),
  );
  const found =
    typeof installed === "object" && installed !== null && "version" in installed && installed.version;
  if (found !== version) {
    throw new PackageFileError(
      "package_version_mismatch",
      `${name} ${version} is needed, ${String(found)} is installed`,
    );
  }
  return readBounded(join(folder, file), maxBytes);
}

/**
 * The files that a model's post-processing needs, for `postprocess`, which checks their digests.
 * @throws PackageFileError
 */
export async function readAssets(processing: Processing): Promise<Assets> {
  const assets = new Map<string, Uint8Array>();
  for (const asset of requiredAssets(processing)) {
    assets.set(asset.sha256, await readPackageFile(asset, asset.bytes));
  }
  return assets;
}

/** Walks `node_modules` upwards: a package's `exports` hide its data files from `require.resolve`. */
async function findPackage(name: string, from: string): Promise<string> {
  for (let folder = from; ; folder = dirname(folder)) {
    const candidate = join(folder, "node_modules", name);
    if (await isFile(join(candidate, "package.json"))) return candidate;
    if (dirname(folder) === folder) throw new PackageFileError("package_missing", `${name} is not installed`);
  }
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}

async function readBounded(path: string, maxBytes: number): Promise<Buffer> {
  const found = await stat(path).catch((cause: unknown) => {
    throw new PackageFileError("package_file_invalid", `cannot read ${path}`, { cause });
  });
  if (!found.isFile() || found.size > maxBytes)
    throw new PackageFileError("package_file_invalid", `${path} is too large`);
  return readFile(path);
}
