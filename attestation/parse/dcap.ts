/**
 * DCAP quotes: SGX format 3, TDX formats 4 (TD 1.0) and 5 (TD 1.0 or 1.5). Nothing returned here is trusted yet:
 * `verify/dcap.ts` checks signatures, identities and TCB, `appraise/dcap.ts` the policy. Byte strings are views of
 * the input, not copies.
 */
import { toHex } from "../../codec/index.ts";
import { AttestationError } from "../error.ts";
import * as layout from "./dcap-fields.ts";
import type { Field, TeeType } from "./dcap-fields.ts";

export interface EnclaveReport {
  readonly kind: "sgx";
  readonly cpuSvn: Uint8Array;
  readonly miscSelect: number;
  /** 16 bytes: flags, then XFRM. */
  readonly attributes: Uint8Array;
  readonly mrEnclave: Uint8Array;
  readonly mrSigner: Uint8Array;
  readonly isvProdId: number;
  readonly isvSvn: number;
  readonly reportData: Uint8Array;
}

export interface TdReport {
  readonly kind: "td10" | "td15";
  /** 16 component SVNs: module minor, module major, SEAM microcode… */
  readonly teeTcbSvn: Uint8Array;
  readonly mrSeam: Uint8Array;
  readonly mrSignerSeam: Uint8Array;
  readonly seamAttributes: Uint8Array;
  readonly tdAttributes: Uint8Array;
  readonly xfam: Uint8Array;
  readonly mrTd: Uint8Array;
  readonly mrConfigId: Uint8Array;
  readonly mrOwner: Uint8Array;
  readonly mrOwnerConfig: Uint8Array;
  readonly rtmr: readonly [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
  readonly reportData: Uint8Array;
  /** TD 1.5 alone: the SVNs of the module that runs now; the TD was launched under `teeTcbSvn`. */
  readonly teeTcbSvn2: Uint8Array | undefined;
  /** TD 1.5 alone: hash of the service TDs bound to this one, zero where there is none. */
  readonly mrServiceTd: Uint8Array | undefined;
}

export interface Quote {
  readonly version: 3 | 4 | 5;
  readonly teeType: TeeType;
  readonly userData: Uint8Array;
  readonly body: EnclaveReport | TdReport;
  /** What the attestation key signs: everything before the signature data's length. */
  readonly signed: Uint8Array;
  /** r ‖ s */
  readonly signature: Uint8Array;
  /** x ‖ y, P-256 */
  readonly attestationKey: Uint8Array;
  readonly qeReport: EnclaveReport;
  /** The QE report's 384 bytes, which the PCK signs. */
  readonly qeReportBytes: Uint8Array;
  readonly qeReportSignature: Uint8Array;
  readonly qeAuthData: Uint8Array;
  readonly certificationType: 3 | 5;
  /** Type 5: the PCK chain in PEM. Type 3: the encrypted PPID and SVNs, 404 bytes. */
  readonly certification: Uint8Array;
}

const MAX_QUOTE_BYTES = 65_536;
const ENCRYPTED_PPID_BYTES = 404;

type Offsets<Name extends string> = Readonly<Record<Name, readonly [start: number, end: number]>>;

function offsetsOf<Name extends string>(table: readonly (Field & { readonly name: Name })[]): Offsets<Name> {
  const offsets = {} as Record<Name, readonly [number, number]>;
  let at = 0;
  for (const { name, byteLength } of table) {
    offsets[name] = [at, at + byteLength];
    at += byteLength;
  }
  return offsets;
}

const HEADER = offsetsOf(layout.HEADER_FIELDS);
const ENCLAVE = offsetsOf(layout.ENCLAVE_REPORT_FIELDS);
const TD = offsetsOf(layout.TD15_FIELDS);

function part(bytes: Uint8Array, [start, end]: readonly [number, number]): Uint8Array {
  return bytes.subarray(start, end);
}

function uint(bytes: Uint8Array, [start, end]: readonly [number, number]): number {
  let value = 0;
  for (let i = end - 1; i >= start; i--) value = value * 256 + bytes[i]!;
  return value;
}

/** Hands out consecutive parts, never past the end. */
class Cursor {
  position: number;
  private readonly bytes: Uint8Array;
  constructor(bytes: Uint8Array, position = 0) {
    this.bytes = bytes;
    this.position = position;
  }
  get left(): number {
    return this.bytes.length - this.position;
  }
  take(byteLength: number): Uint8Array {
    if (byteLength > this.left) {
      throw new AttestationError("quote_truncated", `quote ends ${byteLength - this.left} bytes too early`);
    }
    this.position += byteLength;
    return this.bytes.subarray(this.position - byteLength, this.position);
  }
  uint(byteLength: number): number {
    return uint(this.take(byteLength), [0, byteLength]);
  }
}

/** An SGX enclave report of 384 bytes. */
function parseEnclaveReport(bytes: Uint8Array): EnclaveReport {
  return {
    kind: "sgx",
    cpuSvn: part(bytes, ENCLAVE.cpuSvn),
    miscSelect: uint(bytes, ENCLAVE.miscSelect),
    attributes: part(bytes, ENCLAVE.attributes),
    mrEnclave: part(bytes, ENCLAVE.mrEnclave),
    mrSigner: part(bytes, ENCLAVE.mrSigner),
    isvProdId: uint(bytes, ENCLAVE.isvProdId),
    isvSvn: uint(bytes, ENCLAVE.isvSvn),
    reportData: part(bytes, ENCLAVE.reportData),
  };
}

function parseTdReport(bytes: Uint8Array): TdReport {
  const isTd15 = bytes.length === layout.TD15_BYTES;
  return {
    kind: isTd15 ? "td15" : "td10",
    teeTcbSvn: part(bytes, TD.teeTcbSvn),
    mrSeam: part(bytes, TD.mrSeam),
    mrSignerSeam: part(bytes, TD.mrSignerSeam),
    seamAttributes: part(bytes, TD.seamAttributes),
    tdAttributes: part(bytes, TD.tdAttributes),
    xfam: part(bytes, TD.xfam),
    mrTd: part(bytes, TD.mrTd),
    mrConfigId: part(bytes, TD.mrConfigId),
    mrOwner: part(bytes, TD.mrOwner),
    mrOwnerConfig: part(bytes, TD.mrOwnerConfig),
    rtmr: [part(bytes, TD.rtmr0), part(bytes, TD.rtmr1), part(bytes, TD.rtmr2), part(bytes, TD.rtmr3)],
    reportData: part(bytes, TD.reportData),
    teeTcbSvn2: isTd15 ? part(bytes, TD.teeTcbSvn2) : undefined,
    mrServiceTd: isTd15 ? part(bytes, TD.mrServiceTd) : undefined,
  };
}

interface Header {
  readonly version: 3 | 4 | 5;
  readonly teeType: TeeType;
  readonly userData: Uint8Array;
}

function parseHeader(bytes: Uint8Array): Header {
  const version = uint(bytes, HEADER.version);
  if (version !== 3 && version !== 4 && version !== 5) {
    throw new AttestationError("quote_version_unsupported", `quote format ${version} is not supported`);
  }
  const keyType = uint(bytes, HEADER.attestationKeyType);
  if (keyType !== layout.ATTESTATION_KEY_P256) {
    throw new AttestationError(
      "quote_key_type_unsupported",
      `attestation key type ${keyType} is not supported`,
    );
  }
  const teeType = uint(bytes, HEADER.teeType);
  if (teeType !== (version === 3 ? layout.TEE_SGX : layout.TEE_TDX)) {
    throw new AttestationError(
      "quote_tee_type_unsupported",
      `TEE type 0x${teeType.toString(16)} in quote format ${version} is not supported`,
    );
  }
  const vendor = toHex(part(bytes, HEADER.qeVendorId));
  if (vendor !== layout.INTEL_QE_VENDOR_ID) {
    throw new AttestationError("quote_vendor_unknown", `quoting enclave vendor ${vendor} is unknown`);
  }
  return { version, teeType, userData: part(bytes, HEADER.userData) };
}

function parseBody(cursor: Cursor, version: 3 | 4 | 5): EnclaveReport | TdReport {
  if (version === 3) return parseEnclaveReport(cursor.take(layout.ENCLAVE_REPORT_BYTES));
  if (version === 4) return parseTdReport(cursor.take(layout.TD10_BYTES));
  const bodyType = cursor.uint(2);
  const bodySize = cursor.uint(4);
  const expected =
    bodyType === layout.BODY_TYPE.td10
      ? layout.TD10_BYTES
      : bodyType === layout.BODY_TYPE.td15
        ? layout.TD15_BYTES
        : undefined;
  if (expected === undefined) {
    throw new AttestationError("quote_body_type_unsupported", `quote body type ${bodyType} is not supported`);
  }
  if (bodySize !== expected) {
    throw new AttestationError(
      "quote_malformed",
      `quote body type ${bodyType} has ${expected} bytes, not ${bodySize}`,
    );
  }
  return parseTdReport(cursor.take(bodySize));
}

/** Certification data: its type and exactly its bytes, which must be the rest. */
function takeCertification(cursor: Cursor): { type: number; bytes: Uint8Array } {
  const type = cursor.uint(2);
  const size = cursor.uint(4);
  const bytes = cursor.take(size);
  if (cursor.left !== 0) throw new AttestationError("quote_malformed", "bytes after the certification data");
  return { type, bytes };
}

function parseQePart(
  cursor: Cursor,
): Pick<
  Quote,
  "qeReport" | "qeReportBytes" | "qeReportSignature" | "qeAuthData" | "certificationType" | "certification"
> {
  const qeReportBytes = cursor.take(layout.ENCLAVE_REPORT_BYTES);
  const qeReportSignature = cursor.take(64);
  const qeAuthData = cursor.take(cursor.uint(2));
  const { type, bytes } = takeCertification(cursor);
  const { encryptedPpid, pckChain } = layout.CERTIFICATION;
  if (type !== encryptedPpid && type !== pckChain) {
    throw new AttestationError(
      "quote_certification_unsupported",
      `certification data type ${type} is not supported`,
    );
  }
  if (type === encryptedPpid && bytes.length !== ENCRYPTED_PPID_BYTES) {
    throw new AttestationError("quote_malformed", `an encrypted PPID has ${ENCRYPTED_PPID_BYTES} bytes`);
  }
  return {
    qeReport: parseEnclaveReport(qeReportBytes),
    qeReportBytes,
    qeReportSignature,
    qeAuthData,
    certificationType: type,
    certification: bytes,
  };
}

/** Formats 4 and 5 wrap the QE's part; 6 is its type, but 5 stands there in quotes of some generators, unsigned either way. */
function unwrapQePart(cursor: Cursor): Cursor {
  const { type, bytes } = takeCertification(cursor);
  if (type !== layout.CERTIFICATION.qeReport && type !== layout.CERTIFICATION.pckChain) {
    throw new AttestationError(
      "quote_certification_unsupported",
      `certification data type ${type} is not supported`,
    );
  }
  return new Cursor(bytes);
}

/**
 * A quote of at most 64 KiB. After its end only zero bytes may stand: TDX guests hand out fixed buffers.
 * @throws AttestationError with a `quote_…` code
 */
export function parseQuote(bytes: Uint8Array): Quote {
  if (bytes.length > MAX_QUOTE_BYTES) throw new AttestationError("quote_malformed", "quote is too large");
  const cursor = new Cursor(bytes);
  const header = parseHeader(cursor.take(layout.HEADER_BYTES));
  const body = parseBody(cursor, header.version);
  const signed = bytes.subarray(0, cursor.position);
  const data = cursor.take(cursor.uint(4));
  for (let i = cursor.position; i < bytes.length; i++) {
    if (bytes[i] !== 0)
      throw new AttestationError("quote_trailing_bytes", "bytes that are not zero after the quote");
  }
  const rest = new Cursor(data);
  const signature = rest.take(64);
  const attestationKey = rest.take(64);
  const qePart = parseQePart(header.version === 3 ? rest : unwrapQePart(rest));
  return { ...header, body, signed, signature, attestationKey, ...qePart };
}
