/** The SDK. Everything here runs in Node and in browsers; the command line is in `cli/`. */
export { createClient } from "./client.ts";
export type { Client, ClientOptions, InferOptions, InferResult } from "./client.ts";
export { AffidavitError } from "./errors.ts";
export type { AffidavitErrorCode } from "./errors.ts";
export { verifiedFetch } from "./fetch.ts";
export type { ClientPolicy } from "./policy.ts";
export { verifyTlsCertificate } from "./ra-tls.ts";
export { verifyKeyset, verifyProof, verifyReceipt } from "./verify.ts";
export type { VerifyKeysetOptions, VerifyOptions, VerifyProofOptions } from "./verify.ts";
export {
  loadProofVerifier,
  parseProofBundle,
  ProofError,
  serializeProofBundle,
  type ProofBundle,
  type ProofVerifier,
} from "../proofs/client.ts";
export type { Claim, StepResult, Verification, VerificationCode } from "./verification.ts";
export { parseExecutionRecord, type ExecutionRecord } from "../models/client.ts";
export {
  parseBundle,
  parsePrivatePart,
  serializeBundle,
  serializePrivatePart,
  type PrivatePart,
  type ReceiptBundle,
  type Tensor,
} from "../receipts/index.ts";
