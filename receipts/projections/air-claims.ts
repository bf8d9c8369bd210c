/**
 * The claims of an AIR v1 receipt (draft-tsyrulnikov-rats-attested-inference-receipt-02 sections 4.5 and 5) as one table:
 * encoding, checks and tamper tests come from it.
 */
import { encodeCbor, type CborMap, type CborValue } from "../../codec/index.ts";

export const AIR_PROFILE = "https://spec.cyntrisec.com/air/v1";
/** Longest text of a claim, in bytes of UTF-8. */
export const MAX_AIR_TEXT_BYTES = 1024;
export const MAX_AIR_RECEIPT_BYTES = 65_536;

export type MeasurementType = "nitro-pcr" | "tdx-mrtd-rtmr";
export type SecurityMode = "production" | "evaluation";
export type ModelHashScheme = "sha256-single" | "sha256-concat" | "sha256-manifest";

/** Registers by the slots they take; 48 bytes each. */
export interface AirMeasurements {
  measurementType: MeasurementType;
  /** Nitro's PCR0, or MRTD. */
  pcr0: Uint8Array;
  /** PCR1, or RTMR0. */
  pcr1: Uint8Array;
  /** PCR2, or RTMR1. */
  pcr2: Uint8Array;
  /** PCR3, or RTMR2. */
  pcr3?: Uint8Array | undefined;
  /** PCR4, or RTMR3. */
  pcr4?: Uint8Array | undefined;
  /** PCR8; not on TDX. */
  pcr8?: Uint8Array | undefined;
}

export interface AirClaims {
  iss: string;
  /** Unix time in seconds. */
  iat: bigint;
  /** 16 bytes. */
  cti: Uint8Array;
  /** The verifier's own, 8 to 64 bytes. */
  eatNonce?: Uint8Array | undefined;
  modelId: string;
  modelVersion: string;
  /** 32 bytes, as the next three. */
  modelHash: Uint8Array;
  requestHash: Uint8Array;
  responseHash: Uint8Array;
  attestationDocHash: Uint8Array;
  measurements: AirMeasurements;
  policyVersion: string;
  sequenceNumber: bigint;
  executionTimeMs: bigint;
  memoryPeakMb: bigint;
  securityMode: SecurityMode;
  modelHashScheme?: ModelHashScheme | undefined;
}

export type AirClaimType = "text" | "uint" | "bytes" | "measurements";

export interface AirClaim {
  readonly key: number;
  /** As the draft calls it; failure codes use it. */
  readonly name: string;
  readonly member: keyof AirClaims | "eatProfile";
  readonly type: AirClaimType;
  readonly optional?: true;
}

/** In the order of their encoded keys. */
export const AIR_CLAIMS = [
  { key: 1, name: "iss", member: "iss", type: "text" },
  { key: 6, name: "iat", member: "iat", type: "uint" },
  { key: 7, name: "cti", member: "cti", type: "bytes" },
  { key: 10, name: "eat_nonce", member: "eatNonce", type: "bytes", optional: true },
  { key: 265, name: "eat_profile", member: "eatProfile", type: "text" },
  { key: -65537, name: "model_id", member: "modelId", type: "text" },
  { key: -65538, name: "model_version", member: "modelVersion", type: "text" },
  { key: -65539, name: "model_hash", member: "modelHash", type: "bytes" },
  { key: -65540, name: "request_hash", member: "requestHash", type: "bytes" },
  { key: -65541, name: "response_hash", member: "responseHash", type: "bytes" },
  { key: -65542, name: "attestation_doc_hash", member: "attestationDocHash", type: "bytes" },
  { key: -65543, name: "enclave_measurements", member: "measurements", type: "measurements" },
  { key: -65544, name: "policy_version", member: "policyVersion", type: "text" },
  { key: -65545, name: "sequence_number", member: "sequenceNumber", type: "uint" },
  { key: -65546, name: "execution_time_ms", member: "executionTimeMs", type: "uint" },
  { key: -65547, name: "memory_peak_mb", member: "memoryPeakMb", type: "uint" },
  { key: -65548, name: "security_mode", member: "securityMode", type: "text" },
  { key: -65549, name: "model_hash_scheme", member: "modelHashScheme", type: "text", optional: true },
] as const satisfies readonly AirClaim[];

export type AirClaimName = (typeof AIR_CLAIMS)[number]["name"];

export const MEASUREMENT_SLOTS = ["pcr0", "pcr1", "pcr2", "pcr3", "pcr4", "pcr8"] as const;

function measurementMap({ measurementType, ...slots }: AirMeasurements): CborMap {
  const map: CborMap = new Map([["measurement_type", measurementType]]);
  for (const slot of MEASUREMENT_SLOTS) {
    const register = slots[slot];
    if (register !== undefined) map.set(slot, register);
  }
  return map;
}

/** The claims map, deterministic: an AIR receipt's payload. */
export function encodeAirClaims(claims: AirClaims): Uint8Array {
  const map: CborMap = new Map();
  for (const { key, member } of AIR_CLAIMS) {
    const value: CborValue | undefined =
      member === "eatProfile"
        ? AIR_PROFILE
        : member === "measurements"
          ? measurementMap(claims.measurements)
          : claims[member];
    if (value !== undefined) map.set(key, value);
  }
  return encodeCbor(map);
}
