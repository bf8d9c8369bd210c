/** `affidavit models keygen | sign | verify`: signatures of models in the form of OpenSSF Model Signing, offline. */
import { generateKeyPairSync } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fromUtf8 } from "../../../codec/index.ts";
import {
  ModelError,
  readModelSigner,
  signFolder,
  SIGNATURE_FILE,
  verifyFolder,
} from "../../../models/index.ts";
import {
  flags,
  onlyPositional,
  printJson,
  readInput,
  RefusedError,
  UsageError,
  type Command,
} from "../command.ts";
import { paint } from "../output.ts";

const MAX_KEY_BYTES = 64 * 1024;

const KEYGEN_HELP = `
affidavit models keygen FILE [flags]

Draws a key on P-256 for signing models: FILE (mode 0600) and FILE.pub, both PEM. Neither may exist.

  --json   one line for machines
`;

const SIGN_HELP = `
affidavit models sign FOLDER --key FILE [flags]

Signs every file of a model's folder into FOLDER/${SIGNATURE_FILE}, a Sigstore bundle that PyPI's model-signing reads too.

  --key FILE   private key on P-256, P-384 or P-521, PEM, without a password
  --json       one line for machines
`;

const VERIFY_HELP = `
affidavit models verify FOLDER --key FILE [flags]

Holds a model's folder against FOLDER/${SIGNATURE_FILE}: nothing missing, changed or added.

  --key FILE   public key, PEM; may be given several times, one of them must have signed
  --json       one line for machines
`;

export const modelsKeygen: Command = {
  summary: "draws a key for signing models",
  help: KEYGEN_HELP,
  run: keygen,
};
export const modelsSign: Command = { summary: "signs a model's folder", help: SIGN_HELP, run: sign };
export const modelsVerify: Command = {
  summary: "verifies a model's signature, offline",
  help: VERIFY_HELP,
  run: verify,
};

async function keygen(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, { json: { type: "boolean" } });
  const file = onlyPositional(positionals, "file to write");
  const { privateKey, publicKey } = generateKeyPairSync("ec", {
    namedCurve: "prime256v1",
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" },
  });
  try {
    await writeFile(file, privateKey, { mode: 0o600, flag: "wx" });
    await writeFile(`${file}.pub`, publicKey, { flag: "wx" });
  } catch (cause) {
    throw new UsageError(
      `${file} or ${file}.pub cannot be written: ${(cause as NodeJS.ErrnoException).code}`,
    );
  }
  const { hint } = readModelSigner(publicKey);
  if (values.json) printJson({ ok: true, code: "ok", file, publicKeyFile: `${file}.pub`, hint });
  else process.stdout.write(`${paint("green", "✓ drawn")}  ${file} and ${file}.pub\n`);
  return 0;
}

async function sign(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, { key: { type: "string" }, json: { type: "boolean" } });
  const folder = onlyPositional(positionals, "model folder");
  if (values.key === undefined) throw new UsageError("give the private --key");
  const key = fromUtf8(await readInput(values.key, MAX_KEY_BYTES));
  const signature = await refusing(() => signFolder(folder, key));
  const file = join(folder, SIGNATURE_FILE);
  await writeFile(file, signature);
  if (values.json) printJson({ ok: true, code: "ok", file });
  else process.stdout.write(`${paint("green", "✓ signed")}  ${file}\n`);
  return 0;
}

async function verify(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, {
    key: { type: "string", multiple: true },
    json: { type: "boolean" },
  });
  const folder = onlyPositional(positionals, "model folder");
  if (!values.key) throw new UsageError("give the public --key");
  const texts: string[] = [];
  for (const file of values.key) texts.push(fromUtf8(await readInput(file, MAX_KEY_BYTES)));
  const { hint } = await refusing(() => verifyFolder(folder, texts.map(readModelSigner)));
  if (values.json) printJson({ ok: true, code: "ok", hint });
  else process.stdout.write(`${paint("green", "✓ signed")}  by ${hint}\n`);
  return 0;
}

/** @throws RefusedError with the code of what does not hold; UsageError where the folder cannot be read */
async function refusing<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof ModelError) throw new RefusedError(cause.code, cause.message, { cause });
    const { code, path } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR" || code === "EACCES")
      throw new UsageError(`${path ?? "the folder"} cannot be read: ${code}`);
    throw cause;
  }
}
