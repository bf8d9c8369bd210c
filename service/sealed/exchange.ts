/** One EHBP exchange: the body that came sealed, and the answer that leaves sealed. */
import { toHex } from "../../codec/index.ts";
import { RESPONSE_NONCE_BYTES, responseKey, SealingError } from "../../sealing/index.ts";
import type { RequestKeys } from "../../vault/index.ts";
import { ServiceError } from "../problem.ts";
import { BodyOpener } from "./body-opener.ts";
import { BodySealer } from "./body-sealer.ts";
import { keyUnknown } from "./key-unknown.ts";

export interface ExchangeParts {
  /** What the request may be sealed with; at least one. */
  keys: readonly RequestKeys[];
  encapsulatedKey: Uint8Array;
  randomBytes(length: number): Uint8Array;
}

export class SealedExchange {
  readonly #parts: ExchangeParts;
  /** Which of the keys it is; undefined while the body may show any. */
  #used: RequestKeys | undefined;

  constructor(parts: ExchangeParts) {
    this.#parts = parts;
    if (parts.keys.length === 1) this.#used = parts.keys[0];
  }

  /** The caller's, unsealed: 32 bytes; undefined where none was sent. */
  get salt(): Uint8Array | undefined {
    return this.#used?.salt ?? undefined;
  }

  bodyOpener(): Pick<BodyOpener, "push" | "end"> {
    const opener = new BodyOpener(this.#parts.keys, (used) => (this.#used = used));
    return {
      push: (piece, plain) => refusing(opener, () => opener.push(piece, plain)),
      end: () => refusing(opener, () => opener.end()),
    };
  }

  /**
   * The answer with its body sealed, its status and headers as they were; one of known length in one piece, any other as it
   * comes. A salt that the vault made does not leave in the clear.
   * @throws ServiceError `sealed_key_unknown` where the request ended before its body showed what it is sealed to
   */
  async seal(answer: Response): Promise<Response> {
    const { encapsulatedKey, randomBytes } = this.#parts;
    if (!this.#used) throw keyUnknown("ehbp");
    const nonce = randomBytes(RESPONSE_NONCE_BYTES);
    const sealer = new BodySealer(responseKey(this.#used.responseSecret, encapsulatedKey, nonce));
    const headers = new Headers(answer.headers);
    headers.set("ehbp-response-nonce", toHex(nonce));
    headers.delete("affidavit-salt");
    const isWhole = headers.has("content-length");
    headers.delete("content-length");
    const { status } = answer;
    if (answer.body === null) return new Response(null, { status, headers });
    if (!isWhole) return new Response(answer.body.pipeThrough(sealer.stream()), { status, headers });
    const body = sealer.seal(new Uint8Array(await answer.arrayBuffer())) as Buffer<ArrayBuffer>;
    headers.set("content-length", String(body.length));
    return new Response(body, { status, headers });
  }
}

/** One answer for every reason why a first frame does not open, so that none can be told from another. */
function refusing(opener: Pick<BodyOpener, "opened">, work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof SealingError)) throw error;
    if (error.code === "sealed_message_unreadable" && opener.opened === 0) throw keyUnknown("ehbp");
    throw new ServiceError("sealed_body_invalid", error.message);
  }
}
