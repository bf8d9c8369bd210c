/**
 * Signed notes (c2sp.org/signed-note): a text that ends in a newline, an empty line, then one line a signature:
 * `— <key name> <base64( key id (4) ‖ signature )>`. Ed25519 only: type 0x01, and 0x04 for timestamped cosignatures.
 */
import { ed25519 } from "@noble/curves/ed25519.js";
import { CodecError, concat, equal, fromBase64, sha256, toBase64, utf8 } from "../codec/index.ts";
import { ReceiptError } from "./error.ts";

export interface NoteSignature {
  keyName: string;
  /** 4 bytes. */
  keyId: Uint8Array;
  /** What follows the key id; its form depends on the key's type. */
  signature: Uint8Array;
}

export interface Note {
  /** What is signed, with its final newline. */
  text: string;
  signatures: NoteSignature[];
}

/** A key a verifier was configured with. */
export interface NoteKey {
  name: string;
  /** Ed25519, 32 bytes. */
  publicKey: Uint8Array;
}

export const NOTE_TYPE_ED25519 = 0x01;
export const NOTE_TYPE_COSIGNATURE = 0x04;
export const MAX_NOTE_LENGTH = 131_072;
/** The specification wants at least 16 accepted. */
export const MAX_NOTE_SIGNATURES = 64;

const MAX_NAME_LENGTH = 255;
const SIGNATURE_START = "\u2014 ";

function invalid(message: string): ReceiptError {
  return new ReceiptError("note_invalid", message);
}

function checkKeyName(name: string): void {
  if (
    name.length === 0 ||
    name.length > MAX_NAME_LENGTH ||
    !name.isWellFormed() ||
    /[\s\u0085+\p{Cc}]/u.test(name)
  ) {
    throw invalid("a key name is 1 to 255 characters without spaces, plus or control characters");
  }
}

function checkText(text: string): void {
  if (!text.isWellFormed() || !text.endsWith("\n"))
    throw invalid("a note's text is well-formed and ends in a newline");
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x20 && unit !== 0x0a) throw invalid("a control character");
  }
}

/**
 * The first 4 bytes of sha256(name ‖ 0x0A ‖ type ‖ public key).
 * @param type `NOTE_TYPE_ED25519` or `NOTE_TYPE_COSIGNATURE`
 * @throws ReceiptError `note_invalid`
 */
export function noteKeyId(name: string, type: number, publicKey: Uint8Array): Uint8Array {
  checkKeyName(name);
  if (publicKey.length !== 32) throw invalid("an Ed25519 key is 32 bytes");
  return sha256(utf8(name), Uint8Array.of(0x0a, type), publicKey).slice(0, 4);
}

/**
 * One signature line with its newline.
 * @throws ReceiptError `note_invalid`
 */
export function noteSignatureLine(keyName: string, keyId: Uint8Array, signature: Uint8Array): string {
  checkKeyName(keyName);
  if (keyId.length !== 4 || signature.length === 0)
    throw invalid("a key id is 4 bytes, a signature not empty");
  return `${SIGNATURE_START}${keyName} ${toBase64(concat(keyId, signature))}\n`;
}

/**
 * The whole note.
 * @throws ReceiptError `note_invalid`, `note_limit`
 */
export function formatNote({ text, signatures }: Note): string {
  checkText(text);
  const lines = signatures.map(({ keyName, keyId, signature }) =>
    noteSignatureLine(keyName, keyId, signature),
  );
  const note = `${text}\n${lines.join("")}`;
  if (lines.length === 0) throw invalid("a note has at least one signature");
  if (lines.length > MAX_NOTE_SIGNATURES || note.length > MAX_NOTE_LENGTH) {
    throw new ReceiptError("note_limit", "the note is too long");
  }
  return note;
}

function parseSignatureLine(line: string): NoteSignature {
  const [name, encoded, ...rest] = line.slice(SIGNATURE_START.length).split(" ");
  if (!line.startsWith(SIGNATURE_START) || name === undefined || encoded === undefined || rest.length > 0) {
    throw invalid("a signature line is not of the form: em dash, name, base64");
  }
  checkKeyName(name);
  let bytes: Uint8Array;
  try {
    bytes = fromBase64(encoded);
  } catch (cause) {
    if (cause instanceof CodecError)
      throw new ReceiptError("note_invalid", "a signature is not base64", { cause });
    throw cause;
  }
  if (bytes.length < 5) throw invalid("a signature is shorter than 5 bytes");
  return { keyName: name, keyId: bytes.slice(0, 4), signature: bytes.slice(4) };
}

/**
 * Note to text and signatures; no signature is verified.
 * @throws ReceiptError `note_invalid`, `note_limit`
 */
export function parseNote(note: string): Note {
  if (note.length > MAX_NOTE_LENGTH) throw new ReceiptError("note_limit", "the note is too long");
  checkText(note);
  const split = note.lastIndexOf("\n\n");
  if (split < 1) throw invalid("no empty line before the signatures");
  const lines = note.slice(split + 2, -1).split("\n");
  if (lines.length > MAX_NOTE_SIGNATURES) throw new ReceiptError("note_limit", "too many signatures");
  return { text: note.slice(0, split + 1), signatures: lines.map(parseSignatureLine) };
}

/** RFC 8032 verification, strict about encodings; never throws. */
export function verifyEd25519(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean {
  if (signature.length !== 64 || publicKey.length !== 32) return false;
  try {
    return ed25519.verify(signature, message, publicKey, { zip215: false });
  } catch {
    return false;
  }
}

/** The signatures of a note under a key's name and id. */
export function signaturesBy(note: Note, key: NoteKey, type: number): NoteSignature[] {
  const keyId = noteKeyId(key.name, type, key.publicKey);
  return note.signatures.filter(
    (signature) => signature.keyName === key.name && equal(signature.keyId, keyId),
  );
}

/**
 * Returns only where the note has a signature by this key and every such one is valid.
 * @throws ReceiptError `note_signature_missing`, `note_signature_invalid`
 */
export function verifyNote(note: Note, key: NoteKey): void {
  const found = signaturesBy(note, key, NOTE_TYPE_ED25519);
  if (found.length === 0) throw new ReceiptError("note_signature_missing", "no signature by this key");
  const message = utf8(note.text);
  for (const { signature } of found) {
    if (!verifyEd25519(signature, message, key.publicKey)) {
      throw new ReceiptError("note_signature_invalid", "a signature by this key does not verify");
    }
  }
}
