/** The configuration folder's keys: the owner's, which signs which circuit proves a model, and the administrator's. */
import { join } from "node:path";
import { ed25519 } from "@noble/curves/ed25519.js";
import type { Owner } from "../balances/client.ts";
import { fromHex, toHex } from "../codec/index.ts";
import { ConfigError } from "./config.ts";
import { provideSecret } from "./secret-file.ts";

/** The Ed25519 seed in hex, and a line feed. */
export const OWNER_KEY_FILE = "owner.key";
/** As `affidavit admin keygen` writes one: scheme, colon, 64 hex digits, line feed. */
const ADMIN_KEY_FILE = "admin.key";

const drawSeed = (): string => toHex(ed25519.utils.randomSecretKey());

/**
 * The public key of the configuration folder's owner key, which is made where there is none: signs for models that name no
 * owner of their own.
 * @returns 32 bytes
 * @throws ConfigError `setting_invalid` where the file is not such a key
 */
export async function provideOwnerKey(configDirectory: string): Promise<Uint8Array> {
  return await publicKeyOf(join(configDirectory, OWNER_KEY_FILE), "");
}

/**
 * The public key of the configuration folder's administrator, which is made where there is none.
 * @throws ConfigError `setting_invalid` where the file is not such a key
 */
export async function provideAdminKey(configDirectory: string): Promise<Owner> {
  return { scheme: "ed25519", key: await publicKeyOf(join(configDirectory, ADMIN_KEY_FILE), "ed25519:") };
}

async function publicKeyOf(file: string, prefix: string): Promise<Uint8Array> {
  const text = await provideSecret(file, () => `${prefix}${drawSeed()}\n`);
  const seed = text.startsWith(prefix) ? text.slice(prefix.length) : "";
  if (!/^[0-9a-f]{64}\n?$/.test(seed))
    throw new ConfigError(
      "setting_invalid",
      ["AFFIDAVIT_CONFIG_DIR"],
      `${file} is not ${prefix}64 hex digits`,
    );
  return ed25519.getPublicKey(fromHex(seed.trim(), 32));
}
