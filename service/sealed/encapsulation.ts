/** Encapsulated requests and answers of Oblivious HTTP (RFC 9458 sections 4.3 and 4.4). */
import { createCipheriv, createDecipheriv } from "node:crypto";
import {
  AEAD_TAG_BYTES,
  ENCAPSULATED_KEY_BYTES,
  encodeBinaryResponse,
  parseBinaryRequest,
  readRequestHeader,
  REQUEST_HEADER_BYTES,
  responseKey,
  SealingError,
  type AeadId,
  type AeadKey,
  type BinaryRequest,
} from "../../sealing/index.ts";
import type { RequestKeys } from "../../vault/index.ts";
import { ServiceError } from "../problem.ts";
import type { Sealing } from "./sealing.ts";
import type { ExchangeParts } from "./exchange.ts";
import { exporting, keyUnknown } from "./key-unknown.ts";

const CIPHERTEXT_AT = REQUEST_HEADER_BYTES + ENCAPSULATED_KEY_BYTES;
/** Of one hop, or said by the message's own framing (RFC 9292 section 3.6, RFC 9110 section 7.6.1). */
const HOP_FIELDS = new Set(["connection", "keep-alive", "te", "transfer-encoding", "upgrade", "host"]);

/**
 * Header (7) ‖ encapsulated key (32) ‖ ciphertext, to the request inside.
 * @throws ServiceError `ohttp_key_unknown`, `ohttp_request_invalid`, `sealed_replayed`
 */
export async function openEncapsulated(
  sealing: Sealing,
  message: Uint8Array,
): Promise<{ request: BinaryRequest; keys: RequestKeys; encapsulatedKey: Uint8Array }> {
  if (message.length < CIPHERTEXT_AT + AEAD_TAG_BYTES)
    throw new ServiceError("ohttp_request_invalid", "an encapsulated request is longer");
  const encapsulatedKey = message.subarray(REQUEST_HEADER_BYTES, CIPHERTEXT_AT);
  const head = { ...readHeader(message), protocol: "ohttp", encapsulatedKey, sealedSalt: null } as const;
  const [keys] = await exporting("ohttp", () => sealing.exportKeys(head));
  if (!keys) throw keyUnknown("ohttp");
  const plain = open({ key: keys.key, baseNonce: keys.baseNonce }, message.subarray(CIPHERTEXT_AT));
  return { request: readRequest(plain), keys, encapsulatedKey };
}

function readHeader(message: Uint8Array): { keyId: number; aeadId: AeadId } {
  try {
    return readRequestHeader(message);
  } catch (error) {
    if (error instanceof SealingError) throw keyUnknown("ohttp");
    throw error;
  }
}

function open({ key, baseNonce }: AeadKey, sealed: Uint8Array): Uint8Array {
  const end = sealed.length - AEAD_TAG_BYTES;
  const decipher = createDecipheriv(cipherOf(key), key, baseNonce);
  decipher.setAuthTag(sealed.subarray(end));
  try {
    const plain = decipher.update(sealed.subarray(0, end));
    decipher.final();
    return new Uint8Array(plain.buffer, plain.byteOffset, plain.length);
  } catch {
    throw keyUnknown("ohttp");
  }
}

function cipherOf(key: Uint8Array): "aes-128-gcm" | "aes-256-gcm" {
  return key.length === 16 ? "aes-128-gcm" : "aes-256-gcm";
}

function readRequest(plain: Uint8Array): BinaryRequest {
  try {
    return parseBinaryRequest(plain);
  } catch (error) {
    if (error instanceof SealingError) throw new ServiceError("ohttp_request_invalid", error.message);
    throw error;
  }
}

/**
 * The request as if it had come by itself. Scheme and authority are left out: there is one service to ask.
 * @throws ServiceError `ohttp_request_invalid`
 */
export function toFetchRequest(request: BinaryRequest, signal: AbortSignal): Request {
  const { method, path, fields, content } = request;
  try {
    const headers = new Headers();
    for (const [name, value] of fields) if (!HOP_FIELDS.has(name)) headers.append(name, value);
    const body = content.length === 0 ? null : (content as Uint8Array<ArrayBuffer>);
    return new Request(`http://gateway${path}`, { method, headers, body, signal });
  } catch {
    throw new ServiceError("ohttp_request_invalid", "the request inside cannot be made");
  }
}

/** Response nonce (as long as the AEAD's key) ‖ ciphertext of the binary answer. A streamed answer is sealed once it is whole. */
export async function sealAnswer(
  answer: Response,
  { keys, encapsulatedKey, randomBytes }: Omit<ExchangeParts, "keys"> & { keys: RequestKeys },
): Promise<Uint8Array> {
  const content = new Uint8Array(await answer.arrayBuffer());
  const fields = [...answer.headers].filter(([name]) => !HOP_FIELDS.has(name));
  const plain = encodeBinaryResponse({ status: answer.status, fields, content });
  const nonce = randomBytes(keys.responseSecret.length);
  const { key, baseNonce } = responseKey(keys.responseSecret, encapsulatedKey, nonce);
  const cipher = createCipheriv(cipherOf(key), key, baseNonce);
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}
