/** The one error family of the client: what went wrong, and what the caller should do about it. */
import type { Verification } from "./verification.ts";

export type AffidavitErrorCode =
  | "server_unreachable"
  | "server_timeout"
  | "server_error"
  | "server_response_invalid"
  | "request_rejected"
  | "unauthorized"
  | "receipt_missing"
  | "receipt_rejected"
  | "attestation_rejected"
  | "attestation_invalid"
  | "sealing_unavailable"
  | "revocations_unavailable"
  | "cancelled";

const ADVICE: Record<AffidavitErrorCode, string> = {
  server_unreachable: "Check the address and that the service runs; nothing was sent twice.",
  server_timeout: "Retry with the same Idempotency-Key: a finished answer is replayed, not run again.",
  server_error: "Retry later with the same Idempotency-Key.",
  server_response_invalid: "Do not use the answer: it is not what an Affidavit service sends.",
  request_rejected: "Correct the request as the problem says; it was not charged.",
  unauthorized:
    "Give an API key with --key or AFFIDAVIT_API_KEY; the operator makes one with: affidavit keys create",
  receipt_missing: "Do not use the answer: nothing proves where it came from.",
  receipt_rejected:
    "Do not use the answer. The first failed step names what does not hold; report it to the operator.",
  attestation_rejected:
    "Do not send anything private: the server did not prove that it runs in an accepted TEE.",
  attestation_invalid: "Do not send anything private: the server's evidence is malformed.",
  sealing_unavailable:
    "Use a newer service, and a platform whose WebCrypto has X25519 (in a browser: a page over https). Or turn sealing off, with --clear or seal: false: the operator's hops then see what you send.",
  revocations_unavailable:
    "Do not send anything private: the server does not tell what it revoked. Is it a version that serves /v1/revocations?",
  cancelled: "The call was cancelled here; the service may have finished it.",
};

export interface AffidavitErrorOptions {
  detail?: string;
  advice?: string;
  verification?: Verification;
  cause?: unknown;
}

export class AffidavitError extends Error {
  override readonly name = "AffidavitError";
  readonly code: AffidavitErrorCode;
  /** What the caller should do. */
  readonly advice: string;
  /** The code below this one: a problem's, a failed step's, an appraisal's. */
  readonly detail: string | undefined;
  /** Where a receipt or attestation was refused: every step as it went. */
  readonly verification: Verification | undefined;

  constructor(code: AffidavitErrorCode, message: string, options: AffidavitErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.advice = options.advice ?? ADVICE[code];
    this.detail = options.detail;
    this.verification = options.verification;
  }
}
