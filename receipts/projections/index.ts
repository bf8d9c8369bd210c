/** A receipt in the formats that others read: AIR v1, ACI v1, the dstack text, COSE receipts. Browser-safe. */
export { AIR_CLAIMS, AIR_PROFILE, MAX_AIR_RECEIPT_BYTES, type AirClaims } from "./air-claims.ts";
export type { AirMeasurements, MeasurementType } from "./air-claims.ts";
export { buildAirReceipt } from "./air-build.ts";
export { verifyAirReceipt, type AirPolicy, type AirVerification } from "./air-verify.ts";
export type { AirFailureCode, AirLayer } from "./air-failure.ts";
