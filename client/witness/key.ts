/**
 * A witness's key: one line `PRIVATE+KEY+<name>+<key id>+<base64(0x04 ‖ seed)>`, the form that tools for signed notes
 * share. The file is made at the first start, mode 0600.
 */
import { createPrivateKey, createPublicKey, randomBytes, sign } from "node:crypto";
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { concat, equal, fromBase64, fromHex, toBase64, utf8 } from "../../codec/index.ts";
import {
  cosignatureMessage,
  formatVerifierKey,
  NOTE_TYPE_COSIGNATURE,
  noteKeyId,
  noteSignatureLine,
  packCosignature,
} from "../../receipts/index.ts";
import { WitnessError } from "./error.ts";

const PREFIX = "PRIVATE+KEY+";
const MAX_FILE_BYTES = 1024;
/** PrivateKeyInfo of RFC 8410 section 7, up to the seed. */
const PKCS8_PREFIX = fromHex("302e020100300506032b657004220420");

export interface WitnessKey {
  name: string;
  /** For whoever is to believe this witness. */
  verifierKey: string;
  /** A signature line with its newline (c2sp.org/tlog-cosignature). */
  cosign(noteText: string, timestampSeconds: bigint): string;
}

/** @param seed32 the Ed25519 seed @throws ReceiptError `note_invalid` for a name that no key may have */
export function witnessKey(name: string, seed32: Uint8Array): WitnessKey {
  const der = Buffer.from(concat(PKCS8_PREFIX, seed32));
  const key = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  const spki = createPublicKey(key).export({ format: "der", type: "spki" });
  const publicKey = new Uint8Array(spki.subarray(spki.length - 32));
  const keyId = noteKeyId(name, NOTE_TYPE_COSIGNATURE, publicKey);
  return {
    name,
    verifierKey: formatVerifierKey(NOTE_TYPE_COSIGNATURE, { name, publicKey }),
    cosign(noteText, timestampSeconds) {
      const signature = sign(null, cosignatureMessage(noteText, timestampSeconds), key);
      return noteSignatureLine(name, keyId, packCosignature(timestampSeconds, signature));
    },
  };
}

function idOf(name: string, seed32: Uint8Array): string {
  // Private and public key share the id of the public one.
  const [, id] = witnessKey(name, seed32).verifierKey.split("+");
  return id!;
}

/**
 * The key of a file, made where there is none.
 * @param name for a new key; an existing one keeps its own
 * @throws WitnessError `key_file_invalid`, `key_file_unsafe`; ReceiptError `note_invalid`
 */
export async function openWitnessKey(path: string, name: string): Promise<WitnessKey> {
  const existing = await readKeyFile(path);
  if (existing !== undefined) return parseKeyLine(existing);
  const seed = randomBytes(32);
  const line = `${PREFIX}${name}+${idOf(name, seed)}+${toBase64(concat(Uint8Array.of(NOTE_TYPE_COSIGNATURE), seed))}\n`;
  const file = await open(path, "wx", 0o600);
  try {
    await file.writeFile(line);
    await file.sync();
  } finally {
    await file.close();
  }
  return witnessKey(name, seed);
}

async function readKeyFile(path: string): Promise<string | undefined> {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      const { mode, size } = await file.stat();
      if ((mode & 0o077) !== 0)
        throw new WitnessError("key_file_unsafe", "others may read the key file: chmod 600");
      if (size > MAX_FILE_BYTES) throw new WitnessError("key_file_invalid", "the key file is too long");
      return await file.readFile("utf8");
    } finally {
      await file.close();
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    if (error instanceof WitnessError) throw error;
    throw new WitnessError("key_file_invalid", "the key file cannot be read", { cause: error });
  }
}

function parseKeyLine(text: string): WitnessKey {
  const line = text.endsWith("\n") ? text.slice(0, -1) : text;
  const [name = "", id = "", ...encoded] = line.startsWith(PREFIX)
    ? line.slice(PREFIX.length).split("+")
    : [];
  try {
    const bytes = fromBase64(encoded.join("+"));
    if (bytes.length === 33 && bytes[0] === NOTE_TYPE_COSIGNATURE) {
      const seed = bytes.slice(1);
      if (equal(utf8(id), utf8(idOf(name, seed)))) return witnessKey(name, seed);
    }
  } catch {
    // Told below, without repeating what the file holds.
  }
  throw new WitnessError("key_file_invalid", "the key file holds no witness key");
}
