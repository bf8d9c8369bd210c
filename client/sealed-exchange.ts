/**
 * EHBP's client half: a body sealed by HPKE (RFC 9180) to a key of the service's verified keyset, and the answer that only
 * its sender can open. Headers stay in the clear, but for the salt. Specification: docs/spec/sealed.md.
 */
import type { SenderContext } from "@hpke/core";
import { concat, fromHex, toHex } from "../codec/index.ts";
import {
  chunkNonce,
  frameHeader,
  openAead,
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
import { suite } from "./hpke-suite.ts";

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

/** What sealing needs that no body and no salt is needed for. Good for one message. */
interface Prepared {
  encapsulatedKey: Uint8Array<ArrayBuffer>;
  /** Exported for the answer: 32 bytes. */
  secret: Uint8Array;
  body: SenderContext;
  salt: SenderContext;
}

/** Seals to one key. The key agreements of the next message are made while this one is on its way. */
export class Sealer {
  /** X25519: 32 bytes. */
  readonly publicKey: Uint8Array;
  #recipient: Promise<CryptoKey> | undefined;
  #next: Promise<Prepared> | undefined;

  /** @param publicKey X25519, 32 bytes, of a keyset that was verified */
  constructor(publicKey: Uint8Array) {
    this.publicKey = publicKey;
  }

  /**
   * @param salt of the request, 32 bytes: sealed by itself, since headers leave in the clear, and bound to this request
   * @throws AffidavitError `sealing_unavailable` where the platform has no X25519
   */
  async seal(body: Uint8Array, salt: Uint8Array): Promise<SealedMessage> {
    const taken = this.#next ?? this.#prepare();
    this.#next = undefined;
    try {
      const { encapsulatedKey, secret, ...senders } = await taken;
      const [ciphertext, sealedSalt] = await Promise.all([
        senders.body.seal(view(body)),
        senders.salt.seal(view(salt), encapsulatedKey),
      ]);
      setTimeout(() => this.#prepareNext());
      return {
        headers: {
          "Ehbp-Encapsulated-Key": toHex(encapsulatedKey),
          "Affidavit-Salt": toHex(new Uint8Array(senders.salt.enc)) + toHex(new Uint8Array(sealedSalt)),
        },
        body: view(concat(frameHeader(ciphertext.byteLength), new Uint8Array(ciphertext))),
        open: (status, headers, answer) =>
          openAnswer({ secret, encapsulatedKey }, { status, headers, body: answer }),
      };
    } catch (cause) {
      throw new AffidavitError("sealing_unavailable", "this platform cannot seal a request", { cause });
    }
  }

  async #prepare(): Promise<Prepared> {
    this.#recipient ??= suite.kem.deserializePublicKey(view(this.publicKey));
    const recipientPublicKey = await this.#recipient;
    const [body, salt] = await Promise.all([
      suite.createSenderContext({ recipientPublicKey, info: requestInfo("ehbp", 0) }),
      suite.createSenderContext({ recipientPublicKey, info: SALT_INFO }),
    ]);
    const secret = new Uint8Array(await body.export(responseExportLabel("ehbp"), EXPORT_BYTES));
    return { encapsulatedKey: new Uint8Array(body.enc), secret, body, salt };
  }

  #prepareNext(): void {
    if (this.#next) return;
    this.#next = this.#prepare();
    // Who takes it hears of a failure.
    this.#next.catch(() => undefined);
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
    const chunks = splitFrames(body).map((ciphertext, i) =>
      openAead({ key, nonce: chunkNonce(baseNonce, i) }, ciphertext),
    );
    return concat(...(await Promise.all(chunks)));
  } catch (cause) {
    if (!(cause instanceof SealingError)) throw cause;
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
