/** Why an AIR receipt is refused, by the draft's codes. */
import type { AirClaimName } from "./air-claims.ts";

/** Checks stop at the first layer that fails: no claim is read before the signature over it has been verified. */
export type AirLayer = 1 | 2 | 3 | 4;

/**
 * Codes of draft-tsyrulnikov-rats-attested-inference-receipt-02 (section 15.2 and its vectors) and, for rules that the
 * draft states without a code, those of its reference verifiers.
 */
export type AirFailureCode =
  | "RECEIPT_TOO_LARGE"
  | "COSE_DECODE_FAILED"
  | "NON_EMPTY_UNPROTECTED"
  | "BAD_ALG"
  | "BAD_CONTENT_TYPE"
  | "PROTECTED_HEADER_NOT_CLOSED"
  | "NON_DETERMINISTIC_CBOR"
  | "MISSING_PAYLOAD"
  | "BAD_SIG_LENGTH"
  | "SIG_FAILED"
  | "PAYLOAD_NOT_MAP"
  | `MISSING_CLAIM:${AirClaimName}`
  | `WRONG_TYPE:${AirClaimName}`
  | `EMPTY_TEXT:${AirClaimName}`
  | `TEXT_TOO_LONG:${AirClaimName}`
  | `BAD_HASH_LENGTH:${AirClaimName}`
  | "WRONG_PROFILE"
  | "BAD_CTI_LENGTH"
  | "IAT_ZERO"
  | "BAD_NONCE_LENGTH"
  | "ZERO_MODEL_HASH"
  | "UNKNOWN_MTYPE"
  | "BAD_MEASUREMENT_LENGTH"
  | "TDX_PCR8_FORBIDDEN"
  | "UNKNOWN_MEASUREMENT_KEY"
  | "UNKNOWN_MODEL_HASH_SCHEME"
  | "UNKNOWN_SECURITY_MODE"
  | "UNKNOWN_CLAIM_KEY"
  | "TIMESTAMP_FUTURE"
  | "TIMESTAMP_STALE"
  | "MODEL_HASH_MISMATCH"
  | "MODEL_ID_MISMATCH"
  | "REQUEST_HASH_MISMATCH"
  | "RESPONSE_HASH_MISMATCH"
  | "ATTESTATION_DOC_HASH_MISMATCH"
  | "EVALUATION_MODE_REJECTED"
  | "PLATFORM_MISMATCH"
  | "NONCE_MISSING"
  | "NONCE_MISMATCH"
  | "REPLAY_CTI";

export class AirFailure extends Error {
  override readonly name = "AirFailure";
  readonly layer: AirLayer;
  readonly code: AirFailureCode;
  constructor(layer: AirLayer, code: AirFailureCode, message: string) {
    super(message);
    this.layer = layer;
    this.code = code;
  }
}
