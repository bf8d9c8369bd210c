/** Layer 3 of AIR v1 (draft section 8.3): the payload of a verified signature to claims, in the draft's order. */
import { CborError, decodeCbor, encodeCbor, equal, type CborMap, type CborValue } from "../../codec/index.ts";
import {
  AIR_CLAIMS,
  AIR_PROFILE,
  MAX_AIR_RECEIPT_BYTES,
  MAX_AIR_TEXT_BYTES,
  MEASUREMENT_SLOTS,
  type AirClaim,
  type AirClaimName,
  type AirClaims,
  type AirMeasurements,
  type MeasurementType,
  type ModelHashScheme,
  type SecurityMode,
} from "./air-claims.ts";
import { AirFailure, type AirFailureCode } from "./air-failure.ts";

const LIMITS = { maxBytes: MAX_AIR_RECEIPT_BYTES, maxDepth: 8, maxItems: 256 };
const REGISTER_BYTES = 48;
const HASHES = ["request_hash", "response_hash", "attestation_doc_hash"] as const;
const SECURITY_MODES: readonly string[] = ["production", "evaluation"] satisfies SecurityMode[];
const MEASUREMENT_TYPES: readonly string[] = ["nitro-pcr", "tdx-mrtd-rtmr"] satisfies MeasurementType[];
const SCHEMES: readonly string[] = [
  "sha256-single",
  "sha256-concat",
  "sha256-manifest",
] satisfies ModelHashScheme[];

function fail(code: AirFailureCode, message: string): never {
  throw new AirFailure(3, code, message);
}

/** @throws AirFailure of layer 3 */
export function validateAirClaims(payload: Uint8Array): AirClaims {
  const map = decodeMap(payload);
  const claims = new Map<AirClaimName, CborValue>();
  for (const claim of AIR_CLAIMS) {
    const value = map.get(claim.key);
    if (value === undefined) {
      if (!("optional" in claim)) fail(`MISSING_CLAIM:${claim.name}`, `${claim.name} is missing`);
      continue;
    }
    if (!isOfType(claim, value)) fail(`WRONG_TYPE:${claim.name}`, `${claim.name} is not ${claim.type}`);
    claims.set(claim.name, value);
  }
  const bytes = (name: AirClaimName) => claims.get(name) as Uint8Array;
  const texts = claims as Map<AirClaimName, string>;
  const uint = (name: AirClaimName) => BigInt(claims.get(name) as number | bigint);

  if (texts.get("eat_profile") !== AIR_PROFILE) fail("WRONG_PROFILE", `eat_profile is not ${AIR_PROFILE}`);
  if (bytes("cti").length !== 16) fail("BAD_CTI_LENGTH", "cti is not 16 bytes");
  if (uint("iat") === 0n) fail("IAT_ZERO", "iat is 0");
  checkHash("model_hash", bytes("model_hash"));
  if (equal(bytes("model_hash"), new Uint8Array(32))) fail("ZERO_MODEL_HASH", "model_hash is all zeros");
  for (const { name, type } of AIR_CLAIMS) if (type === "text" && claims.has(name)) checkText(name, texts);
  const measurements = readMeasurements(claims.get("enclave_measurements") as CborMap);
  const scheme = texts.get("model_hash_scheme");
  if (scheme !== undefined && !SCHEMES.includes(scheme))
    fail("UNKNOWN_MODEL_HASH_SCHEME", "model_hash_scheme is not one of the draft's");
  if (!SECURITY_MODES.includes(texts.get("security_mode")!))
    fail("UNKNOWN_SECURITY_MODE", "security_mode is neither production nor evaluation");
  for (const name of HASHES) checkHash(name, bytes(name));
  const nonce = claims.get("eat_nonce") as Uint8Array | undefined;
  checkClosed(map);
  if (nonce !== undefined && (nonce.length < 8 || nonce.length > 64))
    fail("BAD_NONCE_LENGTH", "eat_nonce is not of 8 to 64 bytes");
  // Each member's type was checked above, by the same table.
  const read = AIR_CLAIMS.map(({ name, member, type }) => [
    member,
    type === "uint" ? uint(name) : claims.get(name),
  ]);
  const { eatProfile: _, ...members } = Object.fromEntries(read) as AirClaims & { eatProfile: string };
  return { ...members, measurements };
}

function decodeMap(payload: Uint8Array): CborMap {
  let value: CborValue;
  try {
    value = decodeCbor(payload, LIMITS);
  } catch (error) {
    if (error instanceof CborError) fail("PAYLOAD_NOT_MAP", error.message);
    throw error;
  }
  if (!(value instanceof Map)) fail("PAYLOAD_NOT_MAP", "the payload is not a CBOR map");
  if (!equal(encodeCbor(value), payload))
    fail("NON_DETERMINISTIC_CBOR", "the payload's map keys are not in their order");
  return value;
}

function isOfType({ type }: AirClaim, value: CborValue): boolean {
  if (type === "text") return typeof value === "string";
  if (type === "uint") return (typeof value === "number" || typeof value === "bigint") && value >= 0;
  if (type === "bytes") return value instanceof Uint8Array;
  return value instanceof Map;
}

function checkHash(name: AirClaimName, hash: Uint8Array): void {
  if (hash.length !== 32) fail(`BAD_HASH_LENGTH:${name}`, `${name} is not 32 bytes`);
}

function checkText(name: AirClaimName, texts: Map<AirClaimName, string>): void {
  const text = texts.get(name)!;
  if (text.length === 0) fail(`EMPTY_TEXT:${name}`, `${name} is empty`);
  if (new TextEncoder().encode(text).length > MAX_AIR_TEXT_BYTES)
    fail(`TEXT_TOO_LONG:${name}`, `${name} is longer than ${MAX_AIR_TEXT_BYTES} bytes`);
}

function checkClosed(map: CborMap): void {
  const known = new Set<unknown>(AIR_CLAIMS.map(({ key }) => key));
  for (const key of map.keys()) {
    if (!known.has(key)) fail("UNKNOWN_CLAIM_KEY", "there is a claim that AIR v1 does not define");
  }
}

function readMeasurements(map: CborMap): AirMeasurements {
  const type = map.get("measurement_type");
  if (typeof type !== "string" || !MEASUREMENT_TYPES.includes(type))
    fail("UNKNOWN_MTYPE", "measurement_type is neither nitro-pcr nor tdx-mrtd-rtmr");
  const measurementType = type as MeasurementType;
  if (measurementType === "tdx-mrtd-rtmr" && map.has("pcr8"))
    fail("TDX_PCR8_FORBIDDEN", "pcr8 is no register of TDX");
  const known = new Set<unknown>(["measurement_type", ...MEASUREMENT_SLOTS]);
  for (const key of map.keys()) {
    if (!known.has(key))
      fail("UNKNOWN_MEASUREMENT_KEY", "there is a measurement that AIR v1 does not define");
  }
  const slots = Object.fromEntries(
    MEASUREMENT_SLOTS.filter((slot, i) => i < 3 || map.has(slot)).map((slot) => [slot, map.get(slot)]),
  ) as Record<"pcr0" | "pcr1" | "pcr2", CborValue | undefined>;
  for (const [slot, register] of Object.entries(slots)) {
    if (!(register instanceof Uint8Array) || register.length !== REGISTER_BYTES)
      fail("BAD_MEASUREMENT_LENGTH", `${slot} is not ${REGISTER_BYTES} bytes`);
  }
  return { measurementType, ...(slots as Pick<AirMeasurements, "pcr0" | "pcr1" | "pcr2">) };
}
