/**
 * A GPU that is simulated: a Hopper's attestation report in every byte, with chain and reference manifests, under the
 * project's own root, whose keys are public. It lets the code that verifies hardware run without any, and proves nothing.
 */
import { concat, sha384, utf8, type Json } from "../../codec/index.ts";
import { OPAQUE, OPAQUE_TEXTS, PROTECTED_PCIE } from "../parse/nvidia-opaque.ts";
import { integer, octets, oid, pem, sequence } from "./der-write.ts";
import type { GpuEvidence } from "./nvml.ts";
import { rimDocument, signRim } from "./rim-write.ts";
import {
  certificate,
  developmentKey,
  developmentSpki,
  extension,
  sign,
  type DevelopmentKey,
} from "./simulated-pki.ts";
import { unsignedSpdm } from "./spdm-write.ts";

const DRIVER_VERSION = "0.0.1";
const VBIOS_VERSION = "00.00.00.00.01";
/** As a report has it: the first four parts, least significant first, then the last. */
const VBIOS_BYTES = Uint8Array.of(0, 0, 0, 0, 1, 0, 0, 0);
const PRODUCT = "GH100";
const FWID = sha384(utf8("affidavit.simulated.gpu.firmware"));
const MEASUREMENTS = 64;
const NVDEC_DISABLED = 0x55;
const PROTECTION_OFF = 0x55;

interface Keys {
  readonly leaf: DevelopmentKey;
  readonly rimSigner: DevelopmentKey;
  /** DER, the leaf first. */
  readonly chain: readonly Uint8Array[];
  readonly rimChain: readonly Uint8Array[];
}

let made: Keys | undefined;

/** TCG's CompositeDeviceID, as Hopper's leaves have it: version, key, the firmware's identity. */
function compositeDeviceId(spki: Uint8Array): Uint8Array {
  const fwid = sequence(oid("2.16.840.1.101.3.4.2.2"), octets(FWID));
  return extension("2.23.133.5.4.1", false, sequence(integer(0), spki, fwid));
}

function key(name: string): DevelopmentKey {
  return developmentKey(name, "p384");
}

/** The same bytes at each call. */
export function simulatedGpuKeys(): Keys {
  if (made) return made;
  const root = key("Affidavit Simulated NVIDIA Root CA");
  const identity = key("Affidavit Simulated GH100 Identity");
  const brom = key("GH100 SIMULATED GSP BROM");
  const leaf = key("GH100 SIMULATED GSP FMC LF");
  const rimSigner = key("Affidavit Simulated RIM Signer");
  const rootDer = certificate({ subject: root, issuer: root, authorityPathLength: 2 });
  const identityDer = certificate({ subject: identity, issuer: root, authorityPathLength: 1 });
  const bromDer = certificate({ subject: brom, issuer: identity, authorityPathLength: 0 });
  const extensions = [compositeDeviceId(developmentSpki(leaf))];
  const leafDer = certificate({ subject: leaf, issuer: brom, extensions });
  const rimDer = certificate({ subject: rimSigner, issuer: root });
  const chain = [leafDer, bromDer, identityDer, rootDer];
  return (made = { leaf, rimSigner, chain, rimChain: [rimDer, rootDer] });
}

function measurementAt(index: number): Uint8Array {
  return sha384(utf8(`affidavit.simulated.gpu.measurement ${index}`));
}

/** A report of the simulated GPU over a nonce of 32 bytes. */
export function simulatedGpuEvidence(nonce: Uint8Array): GpuEvidence {
  const { leaf, chain } = simulatedGpuKeys();
  const unsigned = unsignedSpdm({
    nonce,
    measurements: Array.from({ length: MEASUREMENTS }, (_, index) => measurementAt(index)),
    responseNonce: crypto.getRandomValues(new Uint8Array(32)),
    opaque: new Map([
      [OPAQUE.driverVersion, utf8(`${DRIVER_VERSION}\0`)],
      [OPAQUE.vbiosVersion, VBIOS_BYTES],
      [OPAQUE.nvdec0, Uint8Array.of(NVDEC_DISABLED)],
      [OPAQUE_TEXTS.project, utf8("SIMULATED\0")],
      [OPAQUE.fwid, FWID],
      [PROTECTED_PCIE, Uint8Array.of(PROTECTION_OFF)],
    ]),
  });
  return {
    uuid: "GPU-simulated",
    report: concat(unsigned, sign(leaf, unsigned)),
    certificateChain: chain.map((der) => pem("CERTIFICATE", der)).join(""),
  };
}

function rim(version: string, isOurs: (index: number) => boolean): string {
  const { rimSigner, rimChain } = simulatedGpuKeys();
  // Two manifests never speak of one index; the last one is inactive in both.
  const indexes = Array.from({ length: MEASUREMENTS - 1 }, (_, index) => index).filter(isOurs);
  const measurements = new Map(indexes.map((index) => [index, [measurementAt(index)]] as const));
  const creator = "Affidavit simulation, proves nothing";
  const document = rimDocument({ version, product: PRODUCT, creator, measurements });
  return signRim(document, { sign: (message) => sign(rimSigner, message), certificates: rimChain });
}

let manifests: Json | undefined;

/** Manifests of the simulated driver and VBIOS; nobody publishes them. */
export function simulatedGpuEndorsements(): Json {
  manifests ??= {
    rims: [rim(DRIVER_VERSION, (index) => index % 2 === 0), rim(VBIOS_VERSION, (index) => index % 2 === 1)],
  };
  return manifests;
}
