/**
 * EHBP's client half: a body sealed by HPKE (RFC 9180) to a key of the service's verified keyset, and the answer that only
 * its sender can open. Headers stay in the clear, but for the salt. Specification: docs/spec/sealed.md.
 */
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from "@hpke/core";
import { concat, fromHex, toHex } from "../codec/index.ts";
import {
  chunkNonce,
  frameHeader,
  requestInfo,
  RESPONSE_NONCE_BYTES,
  responseExportLabel,
  responseKey,
  SALT_INFO,
  SealingError,
  splitFrames,
  EXPORT_BYTES,
} from "../sealing/index.ts";
import { AffidavitError } from "./errors.ts";

export interface SealedMessage {
  headers: Record<string, string>;
  body: Uint8Array<ArrayBuffer>;
  /**
   * The answer's body as the service wrote it; of an error that came in the clear the body as it is, which anybody on the way
   * may have written.
   * @throws AffidavitError `server_response_invalid`: a success in the clear, or an answer that does not open
   */
  open(status: number, headers: Headers, body: Uint8Array): Promise<Uint8Array>;
}

const suite = new CipherSuite({
  kem: new DhkemX25519HkdfSha256(),
  kdf: new HkdfSha256(),
  aead: new Aes256Gcm(),
});

/**
 * @param publicKey X25519, 32 bytes, of a keyset that was verified
 * @param salt of the request, 32 bytes: sealed by itself, since headers leave in the clear, and bound to this request
 * @throws AffidavitError `sealing_unavailable` where the platform has no X25519
 */
export async function sealMessage(
  publicKey: Uint8Array,
  body: Uint8Array,
  salt: Uint8Array,
): Promise<SealedMessage> {
  try {
    const recipientPublicKey = await suite.kem.deserializePublicKey(view(publicKey));
    const sender = await suite.createSenderContext({ recipientPublicKey, info: requestInfo("ehbp", 0) });
    const encapsulatedKey = new Uint8Array(sender.enc);
    const [ciphertext, secret, sealedSalt] = await Promise.all([
      sender.seal(view(body)),
      sender.export(responseExportLabel("ehbp"), EXPORT_BYTES),
      suite.seal({ recipientPublicKey, info: SALT_INFO }, view(salt), encapsulatedKey),
    ]);
    return {
      headers: {
        "Ehbp-Encapsulated-Key": toHex(encapsulatedKey),
        "Affidavit-Salt": toHex(new Uint8Array(sealedSalt.enc)) + toHex(new Uint8Array(sealedSalt.ct)),
      },
      body: view(concat(frameHeader(ciphertext.byteLength), new Uint8Array(ciphertext))),
      open: (status, headers, answer) =>
        openAnswer({ secret: new Uint8Array(secret), encapsulatedKey }, { status, headers, body: answer }),
    };
  } catch (cause) {
    throw new AffidavitError("sealing_unavailable", "this platform cannot seal a request", { cause });
  }
}

async function openAnswer(
  { secret, encapsulatedKey }: { secret: Uint8Array; encapsulatedKey: Uint8Array },
  { status, headers, body }: { status: number; headers: Headers; body: Uint8Array },
): Promise<Uint8Array> {
  const text = headers.get("ehbp-response-nonce");
  if (text === null) {
    if (status < 200 || status > 299) return body;
    throw unreadable("answer_not_sealed", "the answer to a sealed request came in the clear");
  }
  if (!/^[0-9a-f]{64}$/i.test(text))
    throw unreadable("answer_unreadable", "the answer's Ehbp-Response-Nonce is not 32 bytes of hex");
  const { key, baseNonce } = responseKey(secret, encapsulatedKey, fromHex(text, RESPONSE_NONCE_BYTES));
  try {
    const { subtle } = crypto;
    const aead = await subtle.importKey("raw", view(key), "AES-GCM", false, ["decrypt"]);
    const chunks = splitFrames(body).map((ciphertext, i) =>
      subtle.decrypt({ name: "AES-GCM", iv: view(chunkNonce(baseNonce, i)) }, aead, view(ciphertext)),
    );
    return concat(...(await Promise.all(chunks)).map((chunk) => new Uint8Array(chunk)));
  } catch (cause) {
    if (!(cause instanceof SealingError) && !(cause instanceof DOMException)) throw cause;
    throw unreadable("answer_unreadable", "the sealed answer does not open", cause);
  }
}

function unreadable(detail: string, message: string, cause?: unknown): AffidavitError {
  return new AffidavitError("server_response_invalid", message, { detail, cause });
}

/** What WebCrypto takes: nothing here lies in shared memory. */
function view(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes as Uint8Array<ArrayBuffer>;
}
