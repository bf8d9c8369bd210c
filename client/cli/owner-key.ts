/** Files of keys that sign for a person: an account's owner, an administrator. `<scheme>:<64 hex digits>` and a line feed, mode 0600. */
import { randomBytes } from "node:crypto";
import { ownerSigner, type OwnerScheme, type OwnerSigner } from "../../balances/client.ts";
import { CodecError, fromHex, fromUtf8, toHex } from "../../codec/index.ts";
import { readInput, UsageError } from "./command.ts";
import { replaceFile } from "./replace-file.ts";

const MAX_KEY_FILE_BYTES = 256;

/** @throws UsageError */
export async function readOwnerKey(file: string): Promise<OwnerSigner> {
  const match = /^(secp256k1|ed25519):([0-9a-f]{64})\n?$/.exec(
    textOf(await readInput(file, MAX_KEY_FILE_BYTES)),
  );
  if (!match) throw new UsageError(`${file} is no key that keygen made`);
  return ownerSigner(match[1] as OwnerScheme, fromHex(match[2]!, 32));
}

function textOf(bytes: Uint8Array): string {
  try {
    return fromUtf8(bytes);
  } catch (error) {
    if (error instanceof CodecError) return "";
    throw error;
  }
}

/** @throws UsageError for another scheme */
export async function makeOwnerKey(file: string, scheme: string): Promise<OwnerSigner> {
  if (scheme !== "secp256k1" && scheme !== "ed25519")
    throw new UsageError("--scheme takes secp256k1 or ed25519");
  const secretKey = new Uint8Array(randomBytes(32));
  const signer = ownerSigner(scheme, secretKey);
  await replaceFile(file, `${scheme}:${toHex(secretKey)}\n`, 0o600);
  return signer;
}
