/** Signs and verifies a model's folder: every file in it is named by the signature, and nothing else lies there. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import { ModelError } from "../errors.ts";
import { MAX_BUNDLE_BYTES, signStatement, verifyBundle, type ModelSigner } from "./bundle.ts";
import { buildStatement, IGNORED, parseStatement, type Resource } from "./statement.ts";

/** The signature's file in a model's folder. */
export const SIGNATURE_FILE = "model.sig";
const MAX_FILES = 65_536;
const MAX_DEPTH = 16;

/**
 * @returns the text of the signature file
 * @throws ModelError `model_key_invalid`, `model_folder_unsignable`
 */
export async function signFolder(directory: string, privateKeyPem: string): Promise<string> {
  const names = await filesOf(directory);
  if (names.length === 0) throw unsignable("the folder holds no file");
  const resources: Resource[] = [];
  for (const name of names) resources.push({ name, digest: await hashFile(join(directory, name)) });
  return signStatement(
    buildStatement(basename(resolve(directory)), resources, SIGNATURE_FILE),
    privateKeyPem,
  );
}

/**
 * Holds a folder against its signature.
 * @param known digests that need no reading, by file name: of weights that are checked when they are read
 * @throws ModelError `model_unsigned`, `model_signature_malformed`, `model_signer_unknown`, `model_signature_invalid`,
 *   `model_files_mismatch` (names the first file that is missing, unsigned or changed), `model_folder_unsignable`
 */
export async function verifyFolder(
  directory: string,
  signers: readonly ModelSigner[],
  known: ReadonlyMap<string, string> = new Map(),
): Promise<ModelSigner> {
  const { statement, signer } = verifyBundle(await readSignature(directory), signers);
  const signed = new Map(parseStatement(statement).map(({ name, digest }) => [name, digest]));
  for (const name of await filesOf(directory)) {
    const digest = signed.get(name);
    if (digest === undefined) throw mismatch(name, "is not signed");
    const actual = known.get(name) ?? (await hashFile(join(directory, name)));
    if (actual !== digest) throw mismatch(name, "is not what was signed");
    signed.delete(name);
  }
  const [missing] = signed.keys();
  if (missing !== undefined) throw mismatch(missing, "was signed and is missing");
  return signer;
}

/**
 * Holds a model that lies in no folder against its signature: these files were signed, and no other.
 * @param files SHA-256 by name
 * @throws ModelError as `verifyFolder` does
 */
export function verifyFiles(
  signature: string,
  signers: readonly ModelSigner[],
  files: ReadonlyMap<string, string>,
): ModelSigner {
  const { statement, signer } = verifyBundle(signature, signers);
  const signed = parseStatement(statement);
  for (const { name, digest } of signed) {
    const actual = files.get(name);
    if (actual === undefined) throw mismatch(name, "was signed and is missing");
    if (actual !== digest) throw mismatch(name, "is not what was signed");
  }
  const missing = [...files.keys()].find((name) => !signed.some((resource) => resource.name === name));
  if (missing !== undefined) throw mismatch(missing, "is not signed");
  return signer;
}

async function readSignature(directory: string): Promise<string> {
  const file = join(directory, SIGNATURE_FILE);
  try {
    if ((await stat(file)).size <= MAX_BUNDLE_BYTES) return await readFile(file, "utf8");
  } catch (cause) {
    throw new ModelError("model_unsigned", `${file} cannot be read`, { cause });
  }
  throw new ModelError("model_signature_malformed", `${file} is too large`);
}

/** Paths of all files but the signature and what git keeps, relative, with forward slashes. */
async function filesOf(directory: string): Promise<string[]> {
  const found: string[] = [];
  const walk = async (inner: string, depth: number): Promise<void> => {
    if (depth > MAX_DEPTH) throw unsignable("the folder is too deep");
    for (const entry of await readdir(join(directory, inner), { withFileTypes: true })) {
      const name = inner ? `${inner}/${entry.name}` : entry.name;
      if (IGNORED.includes(name) || name === SIGNATURE_FILE) continue;
      if (entry.isDirectory()) await walk(name, depth + 1);
      else if (entry.isFile()) found.push(name);
      else throw unsignable(`${name} is neither a file nor a folder`);
      if (found.length > MAX_FILES) throw unsignable("the folder holds too many files");
    }
  };
  await walk("", 0);
  return found;
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}

function mismatch(name: string, problem: string): ModelError {
  return new ModelError("model_files_mismatch", `${name} ${problem}`);
}

function unsignable(message: string): ModelError {
  return new ModelError("model_folder_unsignable", message);
}
