/**
 * AIR v1 receipts, of any issuer, in the draft's four layers (draft-tsyrulnikov-rats-attested-inference-receipt-02
 * section 8): structure, signature, claims, policy. What this establishes is "AIR-local": that the key signed these
 * claims. Which machine holds the key is not looked at.
 */
import { CborError, decodeCbor, encodeCbor, equal, toHex, type CborValue } from "../../codec/index.ts";
import { MAX_AIR_RECEIPT_BYTES, type AirClaims, type MeasurementType } from "./air-claims.ts";
import { AirFailure, type AirFailureCode, type AirLayer } from "./air-failure.ts";
import { validateAirClaims } from "./air-validate.ts";
import { parseCoseSign1, sigStructure, type CoseSign1 } from "./cose.ts";
import { verifyEd25519Strictly } from "./ed25519-strict.ts";

const ENVELOPE_LIMITS = { maxBytes: MAX_AIR_RECEIPT_BYTES, maxDepth: 4, maxItems: 64 };
const HEADER_LIMITS = { maxBytes: 1024, maxDepth: 4, maxItems: 32 };
const ALG = 1;
const CONTENT_TYPE = 3;
const EDDSA = -8;
const APPLICATION_CWT = 61;

/** Layer 4. What is left out is not checked, but for times in the future and evaluation receipts, which are refused. */
export interface AirPolicy {
  /** `document`: the receipt's own time, under which none is too old or in the future. */
  now: Date | "document";
  /** How far `iat` may be ahead of `now`; 60 s. */
  clockSkewSeconds?: number | undefined;
  maxAgeSeconds?: number | undefined;
  nonce?: Uint8Array | undefined;
  modelHash?: Uint8Array | undefined;
  modelId?: string | undefined;
  requestHash?: Uint8Array | undefined;
  responseHash?: Uint8Array | undefined;
  attestationDocHash?: Uint8Array | undefined;
  platform?: MeasurementType | undefined;
  /** Accepts receipts that call themselves `evaluation`, as those of a simulated TEE do. */
  allowEvaluation?: boolean | undefined;
  /** Whether a receipt of this `cti` was seen before. */
  isReplayed?: ((cti: Uint8Array) => boolean) | undefined;
}

export interface AirVerification {
  verdict: "accepted" | "rejected";
  code: "ok" | AirFailureCode;
  message: string;
  /** The layer that refused; null where none did. */
  layer: AirLayer | null;
  /** Never more: the platform's evidence and its hold on the key are checked elsewhere. */
  assurance: "air_local";
  /** Signed, at least: undefined before layer 3 has passed. */
  claims: AirClaims | undefined;
}

/** @param publicKey Ed25519, 32 bytes, from a source that the verifier trusts */
export function verifyAirReceipt(
  receipt: Uint8Array,
  publicKey: Uint8Array,
  policy: AirPolicy,
): AirVerification {
  let claims: AirClaims | undefined;
  try {
    const envelope = readEnvelope(receipt);
    verifySignature(envelope, publicKey);
    claims = validateAirClaims(envelope.payload);
    appraise(claims, policy);
    const message = "the key signed these claims, and they meet the policy";
    return { verdict: "accepted", code: "ok", message, layer: null, assurance: "air_local", claims };
  } catch (error) {
    if (!(error instanceof AirFailure)) throw error;
    const { code, message, layer } = error;
    return { verdict: "rejected", code, message, layer, assurance: "air_local", claims };
  }
}

type Envelope = CoseSign1 & { payload: Uint8Array };

/** Layer 1. The payload stays opaque bytes. */
function readEnvelope(receipt: Uint8Array): Envelope {
  if (receipt.length > MAX_AIR_RECEIPT_BYTES)
    throw new AirFailure(1, "RECEIPT_TOO_LARGE", `more than ${MAX_AIR_RECEIPT_BYTES} bytes`);
  const envelope = strictly(() => parseCoseSign1(receipt, ENVELOPE_LIMITS));
  if (!envelope) throw new AirFailure(1, "COSE_DECODE_FAILED", "not a COSE_Sign1 with CBOR tag 18");
  const { protectedHeader, unprotected, payload } = envelope;
  checkProtectedHeader(protectedHeader);
  if (unprotected.size > 0)
    throw new AirFailure(1, "NON_EMPTY_UNPROTECTED", "the unprotected header is not empty");
  if (payload === null || payload.length === 0)
    throw new AirFailure(1, "MISSING_PAYLOAD", "there is no payload");
  return { ...envelope, payload };
}

function checkProtectedHeader(bytes: Uint8Array): void {
  // RFC 9052 section 3: an empty header may be encoded as no bytes at all.
  const header: CborValue = bytes.length === 0 ? new Map() : strictly(() => decodeCbor(bytes, HEADER_LIMITS));
  if (!(header instanceof Map))
    throw new AirFailure(1, "COSE_DECODE_FAILED", "the protected header is not a map");
  if (header.get(ALG) !== EDDSA)
    throw new AirFailure(1, "BAD_ALG", "alg in the protected header is not EdDSA (-8)");
  if (header.get(CONTENT_TYPE) !== APPLICATION_CWT)
    throw new AirFailure(1, "BAD_CONTENT_TYPE", "content type in the protected header is not 61");
  if (header.size !== 2)
    throw new AirFailure(1, "PROTECTED_HEADER_NOT_CLOSED", "the protected header has further parameters");
  if (!equal(encodeCbor(header), bytes))
    throw new AirFailure(1, "NON_DETERMINISTIC_CBOR", "the protected header is not in its order");
}

function strictly<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof CborError) throw new AirFailure(1, "COSE_DECODE_FAILED", error.message);
    throw error;
  }
}

/** Layer 2. */
function verifySignature({ protectedHeader, payload, signature }: Envelope, publicKey: Uint8Array): void {
  if (signature.length !== 64) throw new AirFailure(2, "BAD_SIG_LENGTH", "the signature is not 64 bytes");
  if (!verifyEd25519Strictly(signature, sigStructure(protectedHeader, payload), publicKey))
    throw new AirFailure(2, "SIG_FAILED", "the Ed25519 signature is not the key's");
}

/** Layer 4. */
function appraise(claims: AirClaims, policy: AirPolicy): void {
  checkTime(claims.iat, policy);
  require(policy.modelHash, claims.modelHash, "MODEL_HASH_MISMATCH", "model_hash");
  require(policy.requestHash, claims.requestHash, "REQUEST_HASH_MISMATCH", "request_hash");
  require(policy.responseHash, claims.responseHash, "RESPONSE_HASH_MISMATCH", "response_hash");
  require(policy.attestationDocHash, claims.attestationDocHash, "ATTESTATION_DOC_HASH_MISMATCH", "attestation_doc_hash");
  if (policy.modelId !== undefined && policy.modelId !== claims.modelId)
    throw new AirFailure(4, "MODEL_ID_MISMATCH", "model_id is another");
  if (claims.securityMode === "evaluation" && !(policy.allowEvaluation ?? false))
    throw new AirFailure(4, "EVALUATION_MODE_REJECTED", "the receipt calls itself one of an evaluation");
  const { measurementType } = claims.measurements;
  if (policy.platform !== undefined && policy.platform !== measurementType)
    throw new AirFailure(4, "PLATFORM_MISMATCH", `measurement_type is ${measurementType}`);
  if (policy.nonce !== undefined && claims.eatNonce === undefined)
    throw new AirFailure(4, "NONCE_MISSING", "the receipt has no eat_nonce");
  require(policy.nonce, claims.eatNonce ?? new Uint8Array(0), "NONCE_MISMATCH", "eat_nonce");
  if (policy.isReplayed?.(claims.cti))
    throw new AirFailure(4, "REPLAY_CTI", "a receipt of this cti was seen before");
}

function checkTime(iat: bigint, { now, clockSkewSeconds = 60, maxAgeSeconds }: AirPolicy): void {
  if (now === "document") return;
  const nowSeconds = BigInt(Math.floor(now.getTime() / 1000));
  if (iat > nowSeconds + BigInt(clockSkewSeconds))
    throw new AirFailure(4, "TIMESTAMP_FUTURE", `iat ${iat} is after ${nowSeconds}`);
  if (maxAgeSeconds !== undefined && nowSeconds - iat > BigInt(maxAgeSeconds))
    throw new AirFailure(4, "TIMESTAMP_STALE", `iat ${iat} is ${nowSeconds - iat} s before ${nowSeconds}`);
}

function require(
  wanted: Uint8Array | undefined,
  found: Uint8Array,
  code: AirFailureCode,
  name: string,
): void {
  if (wanted !== undefined && !equal(wanted, found))
    throw new AirFailure(4, code, `${name} is ${toHex(found)}, not ${toHex(wanted)}`);
}
