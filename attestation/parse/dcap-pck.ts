/** Intel's SGX extension of PCK certificates (Intel SGX PCK Certificate and CRL Profile Specification 1.5). */
import { AttestationError } from "../error.ts";
import { DerError, DerReader, TAG } from "../verify/der.ts";
import type { Certificate } from "../verify/x509.ts";

export const INTEL_SGX_OID = "1.2.840.113741.1.13.1";

/** What a PCK certificate says of its platform. Worth what the certificate's chain is worth. */
export interface PckPlatform {
  /** 16 bytes. */
  readonly ppid: Uint8Array;
  /** 16 component SVNs. */
  readonly cpuSvn: Uint8Array;
  readonly pceSvn: number;
  /** 2 bytes. */
  readonly pceId: Uint8Array;
  /** 6 bytes: family, model, stepping, platform, custom SKU. */
  readonly fmspc: Uint8Array;
  /** 0 standard, 1 scalable, 2 scalable with integrity. */
  readonly sgxType: number;
}

interface Members {
  [arc: string]: DerReader | undefined;
}

/** The members of a SEQUENCE OF (OID, value) below `prefix`, by the rest of their OID; none twice. */
function readMembers(list: DerReader, prefix: string): Members {
  const members: Members = Object.create(null) as Members;
  while (!list.done) {
    const item = list.enter();
    const id = item.oid();
    if (!id.startsWith(`${prefix}.`)) throw new DerError("der_value", `member ${id} does not belong here`);
    const arc = id.slice(prefix.length + 1);
    if (members[arc] !== undefined) throw new DerError("der_value", `member ${id} stands twice`);
    members[arc] = item;
  }
  return members;
}

function octetsOf(members: Members, arc: string, byteLength: number): Uint8Array {
  const reader = required(members, arc);
  const bytes = reader.octets();
  reader.finish();
  if (bytes.length !== byteLength)
    throw new DerError("der_value", `member ${arc} is not of ${byteLength} bytes`);
  return bytes;
}

function svnOf(members: Members, arc: string, largest: number): number {
  const reader = required(members, arc);
  const svn = reader.smallInteger();
  reader.finish();
  if (svn > largest) throw new DerError("der_value", `member ${arc} is out of range`);
  return svn;
}

function required(members: Members, arc: string): DerReader {
  const reader = members[arc];
  if (reader === undefined) throw new DerError("der_value", `member ${arc} is missing`);
  return reader;
}

function readPlatform(value: Uint8Array): PckPlatform {
  const outer = new DerReader(value);
  const members = readMembers(outer.enter(), INTEL_SGX_OID);
  outer.finish();
  const tcbReader = required(members, "2");
  const tcb = readMembers(tcbReader.enter(), `${INTEL_SGX_OID}.2`);
  tcbReader.finish();
  const cpuSvn = new Uint8Array(16);
  for (let i = 0; i < 16; i++) cpuSvn[i] = svnOf(tcb, String(i + 1), 255);
  octetsOf(tcb, "18", 16);
  const type = required(members, "5").value(TAG.enumerated);
  if (type.end - type.content !== 1) throw new DerError("der_value", "SGX type is not of one byte");
  return {
    ppid: octetsOf(members, "1", 16),
    cpuSvn,
    pceSvn: svnOf(tcb, "17", 65_535),
    pceId: octetsOf(members, "3", 2),
    fmspc: octetsOf(members, "4", 6),
    sgxType: value[type.content] ?? 0,
  };
}

/**
 * The platform that a PCK certificate stands for. The certificate itself is not verified here.
 * @throws AttestationError `pck_extension_malformed`
 */
export function parsePckPlatform(certificate: Certificate): PckPlatform {
  const extension = certificate.extensions.find(({ oid }) => oid === INTEL_SGX_OID);
  if (extension === undefined) {
    throw new AttestationError("pck_extension_malformed", "PCK certificate has no SGX extension");
  }
  try {
    return readPlatform(extension.value);
  } catch (error) {
    if (error instanceof DerError) throw new AttestationError("pck_extension_malformed", error.message);
    throw error;
  }
}
