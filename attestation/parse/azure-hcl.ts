/**
 * Reports of Azure's paravisor (HCL), as a confidential VM reads them from its vTPM's NV index 0x01400001: header, hardware
 * report, and the runtime data whose hash is the hardware report's report data. Integers are little-endian. The layout is
 * that of Microsoft's documentation "Azure confidential VMs: guest attestation" and of azure-cvm-tooling.
 */
import { CodecError, fromBase64Url, fromHex, fromUtf8, sha256, sha384, sha512 } from "../../codec/index.ts";
import { AttestationError } from "../error.ts";
import { ByteReader } from "./byte-reader.ts";

export interface HclField {
  readonly name: string;
  readonly offset: number;
  readonly byteLength: number;
}

/** Fixed places. The hardware report's area is 1184 bytes whatever the report; the variable data follows. */
export const HCL_FIELDS = [
  { name: "signature", offset: 0, byteLength: 4 },
  { name: "version", offset: 4, byteLength: 4 },
  { name: "reportSize", offset: 8, byteLength: 4 },
  { name: "requestType", offset: 12, byteLength: 4 },
  { name: "status", offset: 16, byteLength: 4 },
  { name: "reserved", offset: 20, byteLength: 12 },
  { name: "hardwareReport", offset: 32, byteLength: 1184 },
  { name: "dataSize", offset: 1216, byteLength: 4 },
  { name: "dataVersion", offset: 1220, byteLength: 4 },
  { name: "reportType", offset: 1224, byteLength: 4 },
  { name: "hashType", offset: 1228, byteLength: 4 },
  { name: "variableDataSize", offset: 1232, byteLength: 4 },
] as const satisfies readonly HclField[];

export interface RuntimeData {
  /** The attestation key's modulus, 256 bytes; its exponent is 65537. */
  readonly akModulus: Uint8Array;
  /** What the paravisor says of the machine, by name: texts, numbers and truth values. */
  readonly vmConfiguration: Readonly<Record<string, string | number | boolean>>;
  /** What the guest had included, up to 64 bytes; undefined on older paravisors. */
  readonly userData: Uint8Array | undefined;
}

export interface HclReport {
  readonly platform: "sev-snp" | "tdx";
  /** The SEV-SNP report, 1184 bytes, or the TDREPORT, 1024 bytes. */
  readonly hardwareReport: Uint8Array;
  readonly runtimeData: RuntimeData;
  /** Hash of the runtime data, filled up with zeros to 64 bytes: what report data must be. */
  readonly runtimeDataHash: Uint8Array;
}

const SIGNATURE = 0x414c_4348;
const SNP_REPORT = 2;
const TDX_REPORT = 4;
const SNP_BYTES = 1184;
const TD_REPORT_BYTES = 1024;
const MAX_REPORT_BYTES = 1 << 16;
const MAX_KEYS = 8;
const HASHES = [undefined, sha256, sha384, sha512];

function malformed(message: string): never {
  throw new AttestationError("azure_malformed", `HCL report: ${message}`);
}

function membersOf(value: unknown, what: string): ReadonlyMap<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    malformed(`${what} is not an object`);
  return new Map(Object.entries(value));
}

function readAk(keys: unknown): Uint8Array {
  if (!Array.isArray(keys) || keys.length > MAX_KEYS) malformed("keys is not a short list");
  const named = keys.map((key) => membersOf(key, "a key")).filter((key) => key.get("kid") === "HCLAkPub");
  if (named.length !== 1)
    throw new AttestationError("azure_ak_missing", "the runtime data has no one attestation key");
  const [key] = named;
  const modulus = key!.get("n");
  if (key!.get("kty") !== "RSA" || key!.get("e") !== "AQAB" || typeof modulus !== "string") {
    throw new AttestationError("azure_ak_unsupported", "the attestation key is not RSA with exponent 65537");
  }
  const bytes = fromBase64Url(modulus);
  if (bytes.length !== 256 || bytes[0]! < 0x80) {
    throw new AttestationError("azure_ak_unsupported", "the attestation key is not of 2048 bits");
  }
  return bytes;
}

function readConfiguration(value: unknown): RuntimeData["vmConfiguration"] {
  if (value === undefined) return {};
  const entries = [...membersOf(value, "vm-configuration")].filter(
    (entry): entry is [string, string | number | boolean] =>
      ["string", "number", "boolean"].includes(typeof entry[1]),
  );
  if (entries.length > 64 || entries.some(([, text]) => typeof text === "string" && text.length > 1024)) {
    malformed("vm-configuration is too large");
  }
  return Object.fromEntries(entries);
}

function readRuntimeData(bytes: Uint8Array): RuntimeData {
  try {
    const members = membersOf(JSON.parse(fromUtf8(bytes)), "the runtime data");
    const userData = members.get("user-data");
    if (userData !== undefined && (typeof userData !== "string" || userData.length > 128)) {
      malformed("user-data is not a short text");
    }
    return {
      akModulus: readAk(members.get("keys")),
      vmConfiguration: readConfiguration(members.get("vm-configuration")),
      userData: userData === undefined ? undefined : fromHex(userData),
    };
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof CodecError)
      malformed(`runtime data: ${error.message}`);
    throw error;
  }
}

/**
 * One report. What follows the variable data is padding and not looked at.
 * @throws AttestationError `azure_malformed`, `azure_report_type_unsupported`, `azure_ak_missing`, `azure_ak_unsupported`
 */
export function parseHclReport(bytes: Uint8Array): HclReport {
  if (bytes.length > MAX_REPORT_BYTES) malformed("too large");
  const reader = new ByteReader(bytes, malformed);
  if (reader.uint(4) !== SIGNATURE) malformed("not an HCL report");
  // version, reportSize, requestType, status, reserved
  reader.take(28);
  const area = reader.take(SNP_BYTES);
  reader.take(8);
  const type = reader.uint(4);
  if (type !== SNP_REPORT && type !== TDX_REPORT) {
    throw new AttestationError(
      "azure_report_type_unsupported",
      "the HCL report is of neither SEV-SNP nor TDX",
    );
  }
  const hash = HASHES[reader.uint(4)];
  if (hash === undefined) malformed("unknown hash of the runtime data");
  const data = reader.take(reader.uint(4));
  const runtimeDataHash = new Uint8Array(64);
  runtimeDataHash.set(hash(data));
  return {
    platform: type === SNP_REPORT ? "sev-snp" : "tdx",
    hardwareReport: type === SNP_REPORT ? area : area.subarray(0, TD_REPORT_BYTES),
    runtimeData: readRuntimeData(data),
    runtimeDataHash,
  };
}
