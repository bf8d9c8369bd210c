/**
 * The key file sealed under a key that the TEE's platform gives to this application alone: `magic (8) ‖ version u32 ‖ nonce (12) ‖ AES-256-GCM of
 * the key file, additional data magic and version ‖ tag (16)`. A copy of the folder is then worth nothing elsewhere, and is whole on every
 * instance of the application.
 */
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { CollectorError, dstackKey } from "../../attestation/attest/index.ts";
import { equal, hkdfSha256, utf8 } from "../../codec/index.ts";
import { VaultError } from "../error.ts";
import { keepSecret } from "./secret-memory.ts";

const MAGIC = utf8("AFFWRAP\0");
const VERSION = 1;
const HEAD_BYTES = 12;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
export const WRAP_BYTES: number = HEAD_BYTES + NONCE_BYTES + TAG_BYTES;
/** What dstack's key is asked for by. */
const DSTACK_NAME = "affidavit/key-file";

export interface KeyWrap {
  seal(file: Uint8Array): Uint8Array;
  /** @throws VaultError `key_file_invalid` */
  open(sealed: Buffer): Buffer;
}

/**
 * @param setting `none`, `dstack`, or `dstack:` and the path of its socket
 * @returns undefined for none
 * @throws VaultError `key_wrap_unavailable`
 */
export async function openKeyWrap(
  setting: string,
  log: (line: string) => void,
): Promise<KeyWrap | undefined> {
  if (setting === "none") return undefined;
  const [, path] = /^dstack(?::(\/.+))?$/.exec(setting) ?? [];
  try {
    return keyWrap(await dstackKey({ socketPath: path, name: DSTACK_NAME }));
  } catch (cause) {
    if (!(cause instanceof CollectorError)) throw cause;
    log(`key file: ${cause.message} [${cause.code}]`);
    throw new VaultError("key_wrap_unavailable", { cause });
  }
}

/** @param platformKey 32 bytes, which are wiped */
export function keyWrap(platformKey: Uint8Array): KeyWrap {
  const key = keepSecret(hkdfSha256(platformKey, utf8("affidavit.v1.key-file"), 32));
  platformKey.fill(0);
  const head = Buffer.alloc(HEAD_BYTES);
  head.set(MAGIC);
  head.writeUInt32LE(VERSION, 8);
  return {
    seal(file) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(head);
      return Buffer.concat([head, nonce, cipher.update(file), cipher.final(), cipher.getAuthTag()]);
    },
    open(sealed) {
      const end = sealed.length - TAG_BYTES;
      try {
        const nonce = sealed.subarray(HEAD_BYTES, HEAD_BYTES + NONCE_BYTES);
        const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG_BYTES });
        decipher.setAAD(sealed.subarray(0, HEAD_BYTES)).setAuthTag(sealed.subarray(end));
        const file = decipher.update(sealed.subarray(HEAD_BYTES + NONCE_BYTES, end));
        decipher.final();
        return file;
      } catch (cause) {
        throw new VaultError("key_file_invalid", { cause });
      }
    },
  };
}

export function isWrapped(file: Uint8Array): boolean {
  return equal(file.subarray(0, MAGIC.length), MAGIC);
}
