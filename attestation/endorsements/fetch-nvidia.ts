/**
 * Reference integrity manifests by NVIDIA's RIM service (version 1), and the revocation status of a certificate chain by
 * its OCSP responder (RFC 6960, certificate ids with SHA-384 as the responder's own clients send them; no nonce, since
 * answers are kept and judged by their dates).
 */
import { CodecError, fromBase64, fromUtf8, sha384, toBase64, type Json } from "../../codec/index.ts";
import { parseNvidiaEvidence } from "../parse/nvidia-evidence.ts";
import { CHIP_INFO, OPAQUE, OPAQUE_TEXTS, opaqueText, vbiosVersion } from "../parse/nvidia-opaque.ts";
import { parseRim } from "../parse/nvidia-rim.ts";
import { parseNvidiaReport, type NvidiaReport } from "../parse/nvidia-spdm.ts";
import { DerError, DerReader } from "../verify/der.ts";
import { commonNames } from "../verify/name.ts";
import { parseCertificate, type Certificate } from "../verify/x509.ts";
import { EndorsementError } from "./fetch-error.ts";
import type { Ask } from "./fetch-http.ts";

export interface NvidiaSources {
  readonly rim: string;
  readonly ocsp: string;
}

export const NVIDIA_SERVICES: NvidiaSources = {
  rim: "https://rim.attestation.nvidia.com",
  ocsp: "https://ocsp.ndis.nvidia.com",
};

const MAX_RIM_BYTES = 4 << 20;
const MAX_OCSP_BYTES = 64 * 1024;
const RIM_ID = /^[A-Za-z0-9._-]{1,128}$/;

/** The XML text of a manifest. @param id such as `NV_GPU_DRIVER_GH100_550.144.03` @throws EndorsementError */
export async function fetchRim(id: string, ask: Ask, { rim }: NvidiaSources): Promise<string> {
  if (!RIM_ID.test(id)) throw new EndorsementError("endorsement_unsupported", "this is no manifest's name");
  const { body } = await ask({ url: `${rim}/v1/rim/${id}`, maxBytes: MAX_RIM_BYTES });
  try {
    const answer: unknown = JSON.parse(fromUtf8(body));
    const text = typeof answer === "object" && answer !== null && "rim" in answer ? answer.rim : undefined;
    if (typeof text === "string") return fromUtf8(fromBase64(text));
  } catch (cause) {
    if (!(cause instanceof CodecError) && !(cause instanceof SyntaxError)) throw cause;
  }
  throw new EndorsementError("endorsement_malformed", `the answer for ${id} holds no manifest`);
}

/** Switches do not report project, its SKU and the chip's: all of LS10 are alike (nvtrust and attestation-sdk). */
const LS10_MODEL = "5612_0002_890";

/** Driver and VBIOS as a device's report says them, by the names that NVIDIA publishes their manifests under. */
export function rimNames(report: NvidiaReport, hardwareModel: string): string[] {
  const { opaque } = report;
  const vbios = vbiosVersion(opaque)?.replaceAll(".", "").toUpperCase() ?? "";
  if (hardwareModel.startsWith("LS")) return [`NV_SWITCH_BIOS_${LS10_MODEL}_${vbios}`];
  const model = [OPAQUE_TEXTS.project, OPAQUE_TEXTS.projectSku, OPAQUE_TEXTS.chipSku];
  const firmware = [...model.map((field) => opaqueText(opaque, field)), vbios].join("_");
  const driver = opaqueText(opaque, OPAQUE.driverVersion) ?? "";
  const chip = opaqueText(opaque, CHIP_INFO) ?? "GB100";
  const family = hardwareModel.startsWith("GB") ? `CC_DRIVER_${chip}` : "DRIVER_GH100";
  return [`NV_GPU_${family}_${driver}`, `NV_GPU_VBIOS_${firmware}`];
}

/** Manifests that NVIDIA has not published leave measurements unchecked, which every appraisal then says. */
async function publishedRims(names: readonly string[], ask: Ask, sources: NvidiaSources): Promise<string[]> {
  try {
    return await Promise.all(names.map((name) => fetchRim(name, ask, sources)));
  } catch (error) {
    if (error instanceof EndorsementError && error.code === "endorsement_not_found") return [];
    throw error;
  }
}

/**
 * Manifests and revocation status for reports of NVIDIA devices: one report, or the SDK's list.
 * @returns `{"certificates": […], "rims": […], "ocspResponses": […]}`; `rims` is empty where one is not published
 * @throws EndorsementError; AttestationError, X509Error where the evidence does not say what to ask for
 */
export async function fetchNvidiaEndorsements(
  { quote, certificates }: { readonly quote: Uint8Array; readonly certificates: readonly Uint8Array[] },
  ask: Ask,
  sources: NvidiaSources,
): Promise<Json> {
  const devices = parseNvidiaEvidence(quote, certificates);
  const names = devices.flatMap((device) => {
    const [leaf] = device.certificates;
    if (!leaf)
      throw new EndorsementError("endorsement_unsupported", "a report came without its certificates");
    return rimNames(parseNvidiaReport(device.report), commonNames(parseCertificate(leaf).issuer)[0] ?? "");
  });
  const [rims, ...responses] = await Promise.all([
    publishedRims([...new Set(names)], ask, sources),
    ...devices.map((device) => fetchOcsp(device.certificates, ask, sources)),
  ]);
  const ofRims = await Promise.all(
    rims.map((text) => fetchOcsp(parseRim(text).signature.certificates, ask, sources, 0)),
  );
  return {
    certificates: certificates.map(toBase64),
    rims,
    ocspResponses: [...new Set([...responses.flat(), ...ofRims.flat()])],
  };
}

function der(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const byteLength = parts.reduce((sum, part) => sum + part.length, 0);
  const head =
    byteLength < 0x80
      ? [tag, byteLength]
      : byteLength < 0x100
        ? [tag, 0x81, byteLength]
        : [tag, 0x82, byteLength >> 8, byteLength & 255];
  const bytes = new Uint8Array(head.length + byteLength);
  bytes.set(head);
  let at = head.length;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

const SEQUENCE = 0x30;
const OCTETS = 0x04;
const INTEGER = 0x02;
/** AlgorithmIdentifier of SHA-384: 2.16.840.1.101.3.4.2.2 and NULL. */
const SHA384 = Uint8Array.of(0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 2, 5, 0);

/** The content of the issuer's subjectPublicKey, which its key hash is of. */
function keyBits(issuer: Certificate): Uint8Array {
  const spki = new DerReader(issuer.publicKey.spki).enter();
  spki.any();
  return spki.wholeBits();
}

/** OCSPRequest for one certificate, unsigned. */
export function ocspRequest(certificate: Certificate, issuer: Certificate): Uint8Array {
  const id = der(
    SEQUENCE,
    SHA384,
    der(OCTETS, sha384(issuer.subject)),
    der(OCTETS, sha384(keyBits(issuer))),
    der(INTEGER, certificate.serial),
  );
  return der(SEQUENCE, der(SEQUENCE, der(SEQUENCE, der(SEQUENCE, id))));
}

/**
 * OCSP responses for a chain, DER in base64: one for each certificate below the root, but not for a device's leaf, which
 * the device made itself and no responder knows.
 * @param chain DER, leaf first, root last
 * @param first the first certificate that is asked after: 0 in a manifest's chain
 * @throws EndorsementError, X509Error
 */
export async function fetchOcsp(
  chain: readonly Uint8Array[],
  ask: Ask,
  { ocsp }: NvidiaSources,
  first: 0 | 1 = 1,
): Promise<string[]> {
  const certificates = chain.map((bytes) => parseCertificate(bytes));
  const asked = certificates.slice(first, -1).map(async (certificate, index) => {
    const body = requestFor(certificate, certificates[first + index + 1]!);
    const answer = await ask({
      url: ocsp,
      body,
      contentType: "application/ocsp-request",
      maxBytes: MAX_OCSP_BYTES,
    });
    if (answer.body[0] !== SEQUENCE) {
      throw new EndorsementError("endorsement_malformed", "the OCSP answer is not DER");
    }
    return toBase64(answer.body);
  });
  return await Promise.all(asked);
}

function requestFor(certificate: Certificate, issuer: Certificate): Uint8Array {
  try {
    return ocspRequest(certificate, issuer);
  } catch (error) {
    if (!(error instanceof DerError)) throw error;
    throw new EndorsementError("endorsement_unsupported", "the chain's keys cannot be named to a responder");
  }
}
