/** The installation's owner key: signs which circuit proves a model, for models that name no owner of their own. */
import { mkdir, open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { ed25519 } from "@noble/curves/ed25519.js";
import { fromHex, toHex } from "../codec/index.ts";
import { ConfigError } from "./config.ts";

/** The Ed25519 seed in hex, and a line feed. */
export const OWNER_KEY_FILE = "owner.key";

/**
 * The public key of the configuration folder's owner key, which is made (mode 0600) where there is none.
 * @returns 32 bytes
 * @throws ConfigError `setting_invalid` where the file is not such a key
 */
export async function provideOwnerKey(configDirectory: string): Promise<Uint8Array> {
  const file = join(configDirectory, OWNER_KEY_FILE);
  await mkdir(configDirectory, { recursive: true, mode: 0o700 });
  const text = (await readFile(file, "utf8").catch(absent)) ?? (await make(file));
  if (!/^[0-9a-f]{64}\n?$/.test(text))
    throw new ConfigError("setting_invalid", ["AFFIDAVIT_CONFIG_DIR"], `${file} is not 64 hex digits`);
  return ed25519.getPublicKey(fromHex(text.trim(), 32));
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
}

/** Of several that start at once, one makes it. */
async function make(file: string): Promise<string> {
  const text = `${toHex(ed25519.utils.randomSecretKey())}\n`;
  try {
    const handle = await open(file, "wx", 0o600);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    return text;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    return await readFile(file, "utf8");
  }
}
