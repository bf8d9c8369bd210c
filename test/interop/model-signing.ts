/** PyPI's model-signing, the reference implementation: verifies what we sign, and we verify what it signs. */
import { spawnSync } from "node:child_process";
import { appendFile, cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { pythonWith } from "./python.ts";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

export async function modelSigningInterop(): Promise<"passed" | "failed"> {
  const python = pythonWith(here("model-signing-requirements.txt"));
  const folder = await mkdtemp(join(tmpdir(), "model-signing-"));
  const model = join(folder, "model");
  const [key, publicKey] = [join(folder, "key.pem"), join(folder, "key.pem.pub")];
  const affidavit = (...words: string[]) => [process.execPath, here("../../client/cli/main.ts"), ...words];
  const theirs = (...words: string[]) => [python, "-m", "model_signing", ...words];
  const theirVerify = theirs("verify", "key", model, "--public_key", publicKey, ...signature(model));
  const ourVerify = affidavit("models", "verify", model, "--key", publicKey);
  try {
    await cp(here("../../models/zoo/digits"), model, { recursive: true });
    const steps: [string, number, string[]][] = [
      ["we draw a key", 0, affidavit("models", "keygen", key)],
      ["we sign", 0, affidavit("models", "sign", model, "--key", key)],
      ["they verify", 0, theirVerify],
      ["they sign", 0, theirs("sign", "key", model, "--private_key", key, ...signature(model))],
      ["we verify", 0, ourVerify],
    ];
    const tampered: typeof steps = [
      ["they refuse a changed file", 1, theirVerify],
      ["we refuse a changed file", 1, ourVerify],
    ];
    if (!steps.every(run)) return "failed";
    await appendFile(join(model, "README.md"), "changed");
    return tampered.every(run) ? "passed" : "failed";
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function signature(model: string): string[] {
  return ["--signature", join(model, "model.sig")];
}

function run([what, wanted, [command, ...args]]: [string, number, string[]]): boolean {
  const { status, stdout, stderr } = spawnSync(command!, args, { encoding: "utf8", timeout: 60_000 });
  const ok = status === wanted;
  process.stdout.write(`model-signing: ${what}: ${ok ? "ok" : `exit ${status}\n${stdout}${stderr}`}\n`);
  return ok;
}
