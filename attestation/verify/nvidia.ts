/**
 * The cryptography of NVIDIA reports: the device's certificate chain to a trusted root, the firmware identity in its leaf,
 * and the report's signature by the leaf's key. Policy is `appraise/nvidia.ts`.
 */
import { verifyEcdsa } from "#p256";
import { equal } from "../../codec/index.ts";
import type { TrustRoot } from "../endorsements/trust-root.ts";
import { AttestationError } from "../error.ts";
import type { NvidiaDevice } from "../parse/nvidia-evidence.ts";
import { OPAQUE } from "../parse/nvidia-opaque.ts";
import type { NvidiaReport } from "../parse/nvidia-spdm.ts";
import type { Checks } from "../transcript.ts";
import { verifyChain } from "./chain.ts";
import { DerError, DerReader, TAG } from "./der.ts";
import { commonNames } from "./name.ts";
import { equalBytes, KEY_USAGE, parseCertificate, X509Error, type Certificate } from "./x509.ts";

/** TCG DICE: CompositeDeviceID on Hopper, DiceTcbInfo on Blackwell (DICE Attestation Architecture 1.1, section 6.1). */
const OID_FIRMWARE_IDENTITY = "2.23.133.5.4.1";
const OID_SHA384 = "2.16.840.1.101.3.4.2.2";
const FWID_BYTES = 48;
const CONSTRUCTED = 0x20;
const MAX_DEPTH = 6;

/** An FWID: SEQUENCE of SHA-384's OBJECT IDENTIFIER and the digest. */
function asFwid(reader: DerReader): Uint8Array | undefined {
  if (reader.peek() !== TAG.oid || reader.oid() !== OID_SHA384) return undefined;
  if (reader.peek() !== TAG.octetString) return undefined;
  const digest = reader.octets();
  return digest.length === FWID_BYTES && reader.done ? digest : undefined;
}

function firstFwid(reader: DerReader, depth: number): Uint8Array | undefined {
  while (!reader.done) {
    const value = reader.any();
    if ((value.tag & CONSTRUCTED) === 0 || depth === MAX_DEPTH) continue;
    const isSequence = value.tag === TAG.sequence;
    const found =
      (isSequence ? asFwid(reader.inside(value)) : undefined) ?? firstFwid(reader.inside(value), depth + 1);
    if (found !== undefined) return found;
  }
  return undefined;
}

/**
 * The identity of the firmware that a leaf was issued for: the first FWID in its DICE extension, 48 bytes.
 * @returns undefined where the certificate has none
 */
export function firmwareIdentity(leaf: Certificate): Uint8Array | undefined {
  const extension = leaf.extensions.find(({ oid }) => oid === OID_FIRMWARE_IDENTITY);
  if (extension === undefined) return undefined;
  try {
    return firstFwid(new DerReader(extension.value), 0);
  } catch (error) {
    if (error instanceof DerError) return undefined;
    throw error;
  }
}

function verifyDeviceChain(
  ders: readonly Uint8Array[],
  options: { readonly roots: readonly Certificate[]; readonly nowSeconds: number },
): readonly Certificate[] {
  if (ders.length === 0) {
    throw new AttestationError(
      "certificate_missing",
      "the device's certificates did not come with the report",
    );
  }
  const path = verifyChain(
    ders.map((der) => parseCertificate(der)),
    options,
  );
  const [leaf] = path;
  if (leaf!.keyUsage !== undefined && (leaf!.keyUsage & KEY_USAGE.digitalSignature) === 0) {
    throw new X509Error("certificate_key_usage", "the leaf may not sign reports");
  }
  return path;
}

function checkFirmware(
  report: NvidiaReport,
  leaf: Certificate,
  { checks, requireFirmwareIdentity }: NvidiaOptions,
): void {
  const reported = report.opaque.get(OPAQUE.fwid);
  const certified = firmwareIdentity(leaf);
  if (reported === undefined && !requireFirmwareIdentity) {
    // Switches and drivers before 550 do not report it; a report that has it cannot lose it, since it is signed.
    checks.skip("fwid", "the report names no firmware identity to compare with the leaf's");
    return;
  }
  checks.run("fwid", "the firmware that reports is the one that the leaf was issued for", () => {
    if (certified === undefined || reported === undefined) {
      throw new AttestationError("fwid_missing", "report or leaf names no firmware identity");
    }
    if (!equal(reported, certified)) {
      throw new AttestationError("fwid_mismatch", "the leaf was issued for other firmware than reports");
    }
  });
}

function verifyReportSignature({ signed, signature }: NvidiaReport, { publicKey }: Certificate): void {
  if (publicKey.type !== "p384" || !verifyEcdsa("p384", publicKey.point, signed, signature)) {
    throw new AttestationError("spdm_signature_invalid", "the report is not signed by the device's key");
  }
}

export interface NvidiaOptions {
  readonly roots: readonly TrustRoot[];
  readonly nowSeconds: number;
  readonly checks: Checks;
  /** Whether a report without its firmware's identity is refused. */
  readonly requireFirmwareIdentity: boolean;
}

export interface VerifiedNvidiaDevice {
  readonly report: NvidiaReport;
  /** Leaf first, root last. */
  readonly path: readonly Certificate[];
  readonly root: TrustRoot;
  /** Name of the part that holds the device's identity, such as `GH100 A01 GSP BROM`. */
  readonly hardwareModel: string;
  /** Serial number of the leaf in decimal: what NVIDIA calls the device's UEID. */
  readonly ueid: string;
}

function serialNumber({ serial }: Certificate): string {
  let value = 0n;
  for (const byte of serial) value = value * 256n + BigInt(byte);
  return value.toString();
}

/**
 * One report under one of the roots. What holds is that a genuine device signed it; whether its firmware is good enough is
 * for the appraisal.
 * @throws AttestationError, X509Error
 */
export function verifyNvidiaReport(
  report: NvidiaReport,
  device: NvidiaDevice,
  options: NvidiaOptions,
): VerifiedNvidiaDevice {
  const { roots, nowSeconds, checks } = options;
  const path = checks.run("certificate_chain", "the device's chain leads to a trusted root", () =>
    verifyDeviceChain(device.certificates, {
      roots: roots.map(({ certificate }) => certificate),
      nowSeconds,
    }),
  );
  checks.run("report_signature", "request and response are signed by the device's key", () =>
    verifyReportSignature(report, path[0]!),
  );
  checkFirmware(report, path[0]!, options);
  return {
    report,
    path,
    root: roots.find(({ certificate }) => equalBytes(certificate.der, path.at(-1)!.der))!,
    hardwareModel: commonNames(path[0]!.issuer)[0] ?? "",
    ueid: serialNumber(path[0]!),
  };
}
