/** Weights files: where a manifest says they are, read whole, held to the manifest's digest before anyone uses them. */
import { open, realpath, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, isAbsolute, join, relative, sep } from "node:path";
import { fromHex, equal, sha256 } from "../codec/index.ts";
import { ModelError } from "./errors.ts";
import type { Manifest } from "./manifest.ts";

/** The file beside a manifest that holds the weights, where the manifest names no other. */
export const WEIGHTS_FILE = "model.onnx";

/**
 * Reads and checks the weights of a manifest that lies in `directory`.
 * @throws ModelError `weights_missing`, `weights_digest_mismatch`
 */
export async function readWeights(manifest: Manifest, directory: string): Promise<Uint8Array> {
  const path = await locate(manifest, directory);
  const bytes = await readExactly(path, manifest);
  checkDigest(manifest, bytes);
  return bytes;
}

/** @throws ModelError `weights_digest_mismatch` */
export function checkDigest({ name, weights }: Manifest, bytes: Uint8Array): void {
  if (bytes.length !== weights.bytes || !equal(sha256(bytes), fromHex(weights.sha256, 32))) {
    throw new ModelError(
      "weights_digest_mismatch",
      `the weights of ${name} are not those that its manifest names`,
    );
  }
}

async function locate(manifest: Manifest, directory: string): Promise<string> {
  const { source, name } = manifest;
  try {
    const root = "package" in source ? packageRoot(source.package, source.version) : directory;
    return await contained(root, source.file ?? WEIGHTS_FILE);
  } catch (cause) {
    if (cause instanceof ModelError) throw cause;
    throw new ModelError("weights_missing", `the weights of ${name} are not where its manifest says`, {
      cause,
    });
  }
}

/** The folder of an installed package, found as Node finds it but past its `exports`, which seldom name the weights. */
function packageRoot(name: string, version: string): string {
  const require = createRequire(import.meta.url);
  for (const folder of require.resolve.paths(name) ?? []) {
    const file = join(folder, name, "package.json");
    let found: { version?: unknown };
    try {
      found = require(file) as { version?: unknown };
    } catch {
      continue;
    }
    if (found.version === version) return dirname(file);
    const message = `${name} is installed as ${String(found.version)}, the manifest wants ${version}`;
    throw new ModelError("weights_missing", message);
  }
  throw new ModelError("weights_missing", `the package ${name} is not installed`);
}

/** A manifest may come from anyone: neither dots nor links may lead out of its folder. */
async function contained(root: string, file: string): Promise<string> {
  const realRoot = await realpath(root);
  const path = await realpath(join(realRoot, file));
  const inside = relative(realRoot, path);
  if (inside === ".." || inside.startsWith(`..${sep}`) || isAbsolute(inside)) {
    throw new ModelError("weights_missing", "the weights lie outside the folder of their manifest");
  }
  return path;
}

/** One byte more than announced is asked for, so that a longer file is seen without being read whole. */
async function readExactly(path: string, { name, weights }: Manifest): Promise<Uint8Array> {
  if (!(await stat(path)).isFile())
    throw new ModelError("weights_missing", `the weights of ${name} are not a file`);
  const bytes = new Uint8Array(weights.bytes + 1);
  const file = await open(path, "r");
  try {
    let filled = 0;
    for (let read = 1; read > 0 && filled < bytes.length; filled += read) {
      read = (await file.read(bytes, filled, bytes.length - filled)).bytesRead;
    }
    return bytes.subarray(0, filled);
  } finally {
    await file.close();
  }
}
