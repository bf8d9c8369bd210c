/** Verifier keys (c2sp.org/signed-note): `<name>+<key id, 8 hex digits>+<base64(type ‖ public key)>`, on one line. */
import { CodecError, concat, equal, fromBase64, fromHex, toBase64, toHex } from "../codec/index.ts";
import { ReceiptError } from "./error.ts";
import { NOTE_TYPE_COSIGNATURE, NOTE_TYPE_ED25519, noteKeyId, type NoteKey } from "./note.ts";

/** What a key signs: notes of a log (0x01), or cosignatures of a log witness (0x04). */
export type VerifierKeyType = typeof NOTE_TYPE_ED25519 | typeof NOTE_TYPE_COSIGNATURE;

const MAX_LENGTH = 512;

function invalid(message: string, options?: ErrorOptions): ReceiptError {
  return new ReceiptError("note_invalid", message, options);
}

/** @throws ReceiptError `note_invalid` */
export function formatVerifierKey(type: VerifierKeyType, { name, publicKey }: NoteKey): string {
  const keyId = toHex(noteKeyId(name, type, publicKey));
  return `${name}+${keyId}+${toBase64(concat(Uint8Array.of(type), publicKey))}`;
}

/**
 * A key as it was configured. That the key is whose name it bears is the configuration's word.
 * @throws ReceiptError `note_invalid`, also where the key is of another type than wanted
 */
export function parseVerifierKey(text: string, type: VerifierKeyType): NoteKey {
  const [name = "", keyId = "", ...rest] = text.length > MAX_LENGTH ? [] : text.split("+");
  try {
    // base64 may hold plus signs of its own.
    const encoded = fromBase64(rest.join("+"));
    const publicKey = encoded.slice(1);
    if (encoded[0] !== type) throw invalid("the verifier key is of another type");
    if (!equal(fromHex(keyId, 4), noteKeyId(name, type, publicKey)) || keyId !== keyId.toLowerCase())
      throw invalid("the verifier key's id is not that of its name and key");
    return { name, publicKey };
  } catch (cause) {
    if (cause instanceof CodecError) throw invalid("not a verifier key: name+id+base64", { cause });
    throw cause;
  }
}
