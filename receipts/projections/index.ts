/** A receipt in the formats that others read: AIR v1, ACI v1, the dstack text, COSE receipts. Browser-safe. */
export { AIR_PROFILE, type AirClaims, type AirMeasurements, type MeasurementType } from "./air-claims.ts";
export { buildAirReceipt } from "./air-build.ts";
export { verifyAirReceipt, type AirPolicy, type AirVerification } from "./air-verify.ts";
export type { AirFailureCode } from "./air-failure.ts";
export {
  ACI_VERSION,
  aciBodiesMatch,
  aciHash,
  aciKeyId,
  buildAciReceipt,
  verifyAciReceipt,
  type AciReceipt,
} from "./aci.ts";
export {
  coseReceiptMessage,
  encodeCoseReceipt,
  encodeTransparentStatement,
  scittStatementMessage,
  verifyCoseReceipt,
  verifyTransparentStatement,
  type LogIdentity,
} from "./cose-receipt.ts";
export { dstackReportData, dstackText, personalDigest, type DstackAlgorithm } from "./dstack.ts";
export { ProjectionError, type ProjectionErrorCode } from "./error.ts";
