/**
 * AMD SEV-SNP attestation reports (SEV-SNP Firmware ABI, AMD publication 56860, revisions 1.55 to 1.58, table
 * ATTESTATION_REPORT). Integers are little-endian. Nothing returned here is trusted yet: `verify/sev-snp.ts` checks
 * the signature, `appraise/sev-snp.ts` the policy.
 *
 * Version 2 has no CPUID fields, version 3 adds them, version 5 the mitigation vectors. Version 4 stands in no
 * published revision, yet firmware sends it: it is read as version 5, whose layout covers what version 3 had.
 */
import { AttestationError } from "../error.ts";

export const SNP_REPORT_BYTES = 0x4a0;
/** What the signature covers: bytes 0 to 0x29F. */
export const SNP_SIGNED_BYTES = 0x2a0;

type SnpReportVersion = 2 | 3 | 4 | 5;
type SnpFieldKind = "integer" | "bytes" | "tcb" | "zero";

export interface SnpReportField {
  readonly name: string;
  readonly offset: number;
  readonly byteLength: number;
  readonly kind: SnpFieldKind;
  /** First and last report version that has the field; every version where absent. */
  readonly versions?: readonly [SnpReportVersion, SnpReportVersion];
}

/** The ABI's field table. The fields of a version cover its 1184 bytes without gap or overlap; `zero` is reserved. */
export const SNP_REPORT_FIELDS = [
  { name: "version", offset: 0x000, byteLength: 4, kind: "integer" },
  { name: "guestSvn", offset: 0x004, byteLength: 4, kind: "integer" },
  { name: "policy", offset: 0x008, byteLength: 8, kind: "integer" },
  { name: "familyId", offset: 0x010, byteLength: 16, kind: "bytes" },
  { name: "imageId", offset: 0x020, byteLength: 16, kind: "bytes" },
  { name: "vmpl", offset: 0x030, byteLength: 4, kind: "integer" },
  { name: "signatureAlgorithm", offset: 0x034, byteLength: 4, kind: "integer" },
  { name: "currentTcb", offset: 0x038, byteLength: 8, kind: "tcb" },
  { name: "platformInfo", offset: 0x040, byteLength: 8, kind: "integer" },
  { name: "keyInfo", offset: 0x048, byteLength: 4, kind: "integer" },
  { name: "reserved04c", offset: 0x04c, byteLength: 4, kind: "zero" },
  { name: "reportData", offset: 0x050, byteLength: 64, kind: "bytes" },
  { name: "measurement", offset: 0x090, byteLength: 48, kind: "bytes" },
  { name: "hostData", offset: 0x0c0, byteLength: 32, kind: "bytes" },
  { name: "idKeyDigest", offset: 0x0e0, byteLength: 48, kind: "bytes" },
  { name: "authorKeyDigest", offset: 0x110, byteLength: 48, kind: "bytes" },
  { name: "reportId", offset: 0x140, byteLength: 32, kind: "bytes" },
  { name: "reportIdMa", offset: 0x160, byteLength: 32, kind: "bytes" },
  { name: "reportedTcb", offset: 0x180, byteLength: 8, kind: "tcb" },
  { name: "reserved188", offset: 0x188, byteLength: 24, kind: "zero", versions: [2, 2] },
  { name: "cpuidFamily", offset: 0x188, byteLength: 1, kind: "integer", versions: [3, 5] },
  { name: "cpuidModel", offset: 0x189, byteLength: 1, kind: "integer", versions: [3, 5] },
  { name: "cpuidStepping", offset: 0x18a, byteLength: 1, kind: "integer", versions: [3, 5] },
  { name: "reserved18b", offset: 0x18b, byteLength: 21, kind: "zero", versions: [3, 5] },
  { name: "chipId", offset: 0x1a0, byteLength: 64, kind: "bytes" },
  { name: "committedTcb", offset: 0x1e0, byteLength: 8, kind: "tcb" },
  { name: "currentBuild", offset: 0x1e8, byteLength: 1, kind: "integer" },
  { name: "currentMinor", offset: 0x1e9, byteLength: 1, kind: "integer" },
  { name: "currentMajor", offset: 0x1ea, byteLength: 1, kind: "integer" },
  { name: "reserved1eb", offset: 0x1eb, byteLength: 1, kind: "zero" },
  { name: "committedBuild", offset: 0x1ec, byteLength: 1, kind: "integer" },
  { name: "committedMinor", offset: 0x1ed, byteLength: 1, kind: "integer" },
  { name: "committedMajor", offset: 0x1ee, byteLength: 1, kind: "integer" },
  { name: "reserved1ef", offset: 0x1ef, byteLength: 1, kind: "zero" },
  { name: "launchTcb", offset: 0x1f0, byteLength: 8, kind: "tcb" },
  { name: "reserved1f8", offset: 0x1f8, byteLength: 168, kind: "zero", versions: [2, 3] },
  { name: "launchMitigationVector", offset: 0x1f8, byteLength: 8, kind: "integer", versions: [4, 5] },
  { name: "currentMitigationVector", offset: 0x200, byteLength: 8, kind: "integer", versions: [4, 5] },
  { name: "reserved208", offset: 0x208, byteLength: 152, kind: "zero", versions: [4, 5] },
  { name: "signatureR", offset: 0x2a0, byteLength: 72, kind: "bytes" },
  { name: "signatureS", offset: 0x2e8, byteLength: 72, kind: "bytes" },
  { name: "reserved330", offset: 0x330, byteLength: 368, kind: "zero" },
] as const satisfies readonly SnpReportField[];

/** The fields that reports of this version have. */
export function snpReportFields(version: number): readonly SnpReportField[] {
  const all: readonly SnpReportField[] = SNP_REPORT_FIELDS;
  return all.filter(({ versions }) => !versions || (version >= versions[0] && version <= versions[1]));
}

/** Guest policy (table GUEST_POLICY). */
interface SnpGuestPolicy {
  readonly abiMajor: number;
  readonly abiMinor: number;
  readonly smtAllowed: boolean;
  readonly migrationAgentAllowed: boolean;
  readonly debugAllowed: boolean;
  readonly singleSocketRequired: boolean;
  readonly cxlAllowed: boolean;
  readonly memAes256XtsRequired: boolean;
  readonly raplDisableRequired: boolean;
  readonly ciphertextHidingRequired: boolean;
  readonly pageSwapDisabled: boolean;
}

interface SnpPlatformInfo {
  readonly smtEnabled: boolean;
  readonly tsmeEnabled: boolean;
  readonly eccEnabled: boolean;
  readonly raplDisabled: boolean;
  readonly ciphertextHidingEnabled: boolean;
  readonly aliasCheckComplete: boolean;
  readonly tioEnabled: boolean;
  /** Bits that revision 1.58 does not name; firmware newer than it may set some. */
  readonly unknownBits: bigint;
}

export interface SnpReport {
  /** The report as it was given, 1184 bytes. */
  readonly raw: Uint8Array;
  readonly version: SnpReportVersion;
  readonly guestSvn: number;
  readonly policy: SnpGuestPolicy;
  readonly familyId: Uint8Array;
  readonly imageId: Uint8Array;
  /** 0 to 3, or 0xFFFFFFFF where the host asked for the report. */
  readonly vmpl: number;
  readonly signatureAlgorithm: number;
  /** TCB_VERSION, 8 bytes, whose layout depends on the product. */
  readonly currentTcb: Uint8Array;
  readonly platformInfo: SnpPlatformInfo;
  readonly authorKeyEnabled: boolean;
  readonly maskChipKey: boolean;
  readonly signingKey: "vcek" | "vlek" | "none";
  readonly reportData: Uint8Array;
  readonly measurement: Uint8Array;
  readonly hostData: Uint8Array;
  readonly idKeyDigest: Uint8Array;
  readonly authorKeyDigest: Uint8Array;
  readonly reportId: Uint8Array;
  readonly reportIdMa: Uint8Array;
  readonly reportedTcb: Uint8Array;
  /** Absent in version 2. */
  readonly cpuid: { readonly family: number; readonly model: number; readonly stepping: number } | undefined;
  readonly chipId: Uint8Array;
  readonly committedTcb: Uint8Array;
  readonly currentVersion: SnpFirmwareVersion;
  readonly committedVersion: SnpFirmwareVersion;
  readonly launchTcb: Uint8Array;
  /** Absent before version 4. */
  readonly launchMitigationVector: bigint | undefined;
  readonly currentMitigationVector: bigint | undefined;
}

export interface SnpFirmwareVersion {
  readonly major: number;
  readonly minor: number;
  readonly build: number;
}

type FieldName = (typeof SNP_REPORT_FIELDS)[number]["name"];

const OFFSETS = new Map<FieldName, SnpReportField>(SNP_REPORT_FIELDS.map((field) => [field.name, field]));

/** Bytes of a field, uncopied. */
export function snpFieldBytes(report: Uint8Array, name: FieldName): Uint8Array {
  const { offset, byteLength } = OFFSETS.get(name)!;
  return report.subarray(offset, offset + byteLength);
}

function integer(report: Uint8Array, name: FieldName): bigint {
  let value = 0n;
  for (const byte of snpFieldBytes(report, name).toReversed()) value = (value << 8n) | BigInt(byte);
  return value;
}

/** Bit 17 must be one; bits above 25 are reserved in revision 1.58. */
const POLICY_MUST_BE_ONE = 1n << 17n;
const POLICY_RESERVED_FROM = 26n;

function parsePolicy(value: bigint): SnpGuestPolicy {
  if ((value & POLICY_MUST_BE_ONE) === 0n || value >> POLICY_RESERVED_FROM !== 0n) {
    throw new AttestationError("report_reserved", "a reserved bit of the guest policy has the wrong value");
  }
  const bit = (index: number) => ((value >> BigInt(index)) & 1n) === 1n;
  return {
    abiMajor: Number((value >> 8n) & 0xffn),
    abiMinor: Number(value & 0xffn),
    smtAllowed: bit(16),
    migrationAgentAllowed: bit(18),
    debugAllowed: bit(19),
    singleSocketRequired: bit(20),
    cxlAllowed: bit(21),
    memAes256XtsRequired: bit(22),
    raplDisableRequired: bit(23),
    ciphertextHidingRequired: bit(24),
    pageSwapDisabled: bit(25),
  };
}

const KNOWN_PLATFORM_BITS = 0b1011_1111n;

function parsePlatformInfo(value: bigint): SnpPlatformInfo {
  const bit = (index: number) => ((value >> BigInt(index)) & 1n) === 1n;
  return {
    smtEnabled: bit(0),
    tsmeEnabled: bit(1),
    eccEnabled: bit(2),
    raplDisabled: bit(3),
    ciphertextHidingEnabled: bit(4),
    aliasCheckComplete: bit(5),
    tioEnabled: bit(7),
    unknownBits: value & ~KNOWN_PLATFORM_BITS,
  };
}

function parseKeyInfo(value: number): Pick<SnpReport, "authorKeyEnabled" | "maskChipKey" | "signingKey"> {
  const key = (value >> 2) & 7;
  if (value >>> 5 !== 0 || (key > 1 && key < 7)) {
    throw new AttestationError("report_reserved", "a reserved value in the report's key information");
  }
  return {
    authorKeyEnabled: (value & 1) !== 0,
    maskChipKey: (value & 2) !== 0,
    signingKey: key === 0 ? "vcek" : key === 1 ? "vlek" : "none",
  };
}

function checkFrame(bytes: Uint8Array): SnpReportVersion {
  if (bytes.length !== SNP_REPORT_BYTES) {
    throw new AttestationError(
      "report_size",
      `an SEV-SNP report has ${SNP_REPORT_BYTES} bytes, got ${bytes.length}`,
    );
  }
  const version = Number(integer(bytes, "version"));
  if (version !== 2 && version !== 3 && version !== 4 && version !== 5) {
    throw new AttestationError("report_version", `SEV-SNP report version ${version} is not supported`);
  }
  for (const { name, offset, byteLength, kind } of snpReportFields(version)) {
    if (kind === "zero" && bytes.subarray(offset, offset + byteLength).some((byte) => byte !== 0)) {
      throw new AttestationError("report_reserved", `reserved bytes are not zero: ${name}`);
    }
  }
  return version;
}

/**
 * One report of exactly 1184 bytes.
 * @throws AttestationError `report_size`, `report_version`, `report_reserved`
 */
export function parseSnpReport(bytes: Uint8Array): SnpReport {
  const version = checkFrame(bytes);
  const number = (name: FieldName) => Number(integer(bytes, name));
  const field = (name: FieldName) => snpFieldBytes(bytes, name);
  const hasCpuid = version >= 3;
  const hasMitigations = version >= 4;
  return {
    raw: bytes,
    version,
    guestSvn: number("guestSvn"),
    policy: parsePolicy(integer(bytes, "policy")),
    familyId: field("familyId"),
    imageId: field("imageId"),
    vmpl: number("vmpl"),
    signatureAlgorithm: number("signatureAlgorithm"),
    currentTcb: field("currentTcb"),
    platformInfo: parsePlatformInfo(integer(bytes, "platformInfo")),
    ...parseKeyInfo(number("keyInfo")),
    reportData: field("reportData"),
    measurement: field("measurement"),
    hostData: field("hostData"),
    idKeyDigest: field("idKeyDigest"),
    authorKeyDigest: field("authorKeyDigest"),
    reportId: field("reportId"),
    reportIdMa: field("reportIdMa"),
    reportedTcb: field("reportedTcb"),
    cpuid: hasCpuid
      ? { family: number("cpuidFamily"), model: number("cpuidModel"), stepping: number("cpuidStepping") }
      : undefined,
    chipId: field("chipId"),
    committedTcb: field("committedTcb"),
    currentVersion: firmwareVersion(field("currentBuild").byteOffset - bytes.byteOffset, bytes),
    committedVersion: firmwareVersion(field("committedBuild").byteOffset - bytes.byteOffset, bytes),
    launchTcb: field("launchTcb"),
    launchMitigationVector: hasMitigations ? integer(bytes, "launchMitigationVector") : undefined,
    currentMitigationVector: hasMitigations ? integer(bytes, "currentMitigationVector") : undefined,
  };
}

function firmwareVersion(offset: number, bytes: Uint8Array): SnpFirmwareVersion {
  return { build: bytes[offset]!, minor: bytes[offset + 1]!, major: bytes[offset + 2]! };
}
