/**
 * NVIDIA's reference integrity manifests: SWID tags (ISO/IEC 19770-2:2015; TCG RIM Information Model 1.01) with an
 * enveloped XML signature. Nothing returned here is trusted yet: `verify/nvidia-rim.ts` checks signature and chain, over
 * the same tree that the measurements are read from.
 */
import { CodecError, fromBase64, fromHex } from "../../codec/index.ts";
import { AttestationError } from "../error.ts";
import { attributeOf, childrenNamed, parseXml, textIn, XmlError, type XmlElement } from "./xml.ts";

export interface GoldenMeasurement {
  /** From 0; the report's block of index + 1. */
  readonly index: number;
  /** Values that are good, 48 bytes each. */
  readonly alternatives: readonly Uint8Array[];
}

export interface Rim {
  readonly document: XmlElement;
  readonly signature: RimSignature;
  /** Product, such as `GH100`. */
  readonly product: string;
  /** Of the driver or of the VBIOS, lower case. */
  readonly version: string;
  readonly kind: "driver" | "vbios";
  /** Active measurements by index. */
  readonly measurements: ReadonlyMap<number, GoldenMeasurement>;
}

export interface RimSignature {
  readonly element: XmlElement;
  readonly signedInfo: XmlElement;
  /** SHA-384 of the document without the signature, as the signature says. */
  readonly digest: Uint8Array;
  /** r ‖ s, 96 bytes. */
  readonly value: Uint8Array;
  /** DER, the signer's first. */
  readonly certificates: readonly Uint8Array[];
}

const SWID = "http://standards.iso.org/iso/19770/-2/2015/schema.xsd";
const DSIG = "http://www.w3.org/2000/09/xmldsig#";
const SHA384 = "http://www.w3.org/2001/04/xmldsig-more#sha384";
const HASH = "http://www.w3.org/2001/04/xmlenc#sha384";
const C14N11 = "http://www.w3.org/2006/12/xml-c14n11";
const ENVELOPED = `${DSIG}enveloped-signature`;
const ECDSA_SHA384 = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384";
const MAX_INDEX = 254;
const MAX_ALTERNATIVES = 64;
const MAX_CERTIFICATES = 8;
const VBIOS_VERSION = /^[0-9a-f]{2}(?:\.[0-9a-f]{2}){4}$/;
const DRIVER_VERSION = /^\d{1,4}(?:\.\d{1,4}){1,3}$/;

function malformed(message: string): never {
  throw new AttestationError("rim_malformed", `reference manifest: ${message}`);
}

function unsupported(message: string): never {
  throw new AttestationError("rim_transform_unsupported", `reference manifest: ${message}`);
}

function only(parent: XmlElement, uri: string, local: string): XmlElement {
  const found = childrenNamed(parent, uri, local);
  return found.length === 1 ? found[0]! : malformed(`${found.length} elements ${local}`);
}

/** An element's children, which must be these and in this order, with white space at most between them. */
function exactly(parent: XmlElement, names: readonly string[]): readonly XmlElement[] {
  const elements = parent.children.filter((child): child is XmlElement => typeof child !== "string");
  const texts = parent.children.filter((child): child is string => typeof child === "string");
  const fits =
    elements.length === names.length &&
    elements.every(({ uri, local }, i) => uri === DSIG && local === names[i]);
  if (!fits || texts.some((text) => text.trim() !== ""))
    unsupported(`${parent.local} is not of the signed form`);
  return elements;
}

function wantAlgorithm(element: XmlElement, wanted: string): void {
  const algorithm = attributeOf(element, "Algorithm");
  if (algorithm !== wanted || element.attributes.length !== 1)
    unsupported(`algorithm ${algorithm?.slice(0, 80) ?? "missing"}`);
}

function base64In(element: XmlElement, byteLength?: number): Uint8Array {
  const bytes = fromBase64(textIn(element).replaceAll(/[ \t\n]/g, ""));
  if (byteLength !== undefined && bytes.length !== byteLength)
    malformed(`${element.local} is not of ${byteLength} bytes`);
  return bytes;
}

/** The one form of signature that is understood: the whole document but itself, canonical, SHA-384, ECDSA. */
function readSignature(document: XmlElement): RimSignature {
  const element = only(document, DSIG, "Signature");
  const [signedInfo, value, keyInfo] = exactly(element, ["SignedInfo", "SignatureValue", "KeyInfo"]);
  const [canonicalization, method, reference] = exactly(signedInfo!, [
    "CanonicalizationMethod",
    "SignatureMethod",
    "Reference",
  ]);
  wantAlgorithm(canonicalization!, C14N11);
  exactly(canonicalization!, []);
  wantAlgorithm(method!, ECDSA_SHA384);
  exactly(method!, []);
  if (attributeOf(reference!, "URI") !== "") unsupported("the reference is not the whole document");
  const [transforms, digestMethod, digestValue] = exactly(reference!, [
    "Transforms",
    "DigestMethod",
    "DigestValue",
  ]);
  const [enveloped, canonical] = exactly(transforms!, ["Transform", "Transform"]);
  wantAlgorithm(enveloped!, ENVELOPED);
  exactly(enveloped!, []);
  wantAlgorithm(canonical!, C14N11);
  exactly(canonical!, []);
  wantAlgorithm(digestMethod!, SHA384);
  const certificates = childrenNamed(only(keyInfo!, DSIG, "X509Data"), DSIG, "X509Certificate");
  if (certificates.length === 0 || certificates.length > MAX_CERTIFICATES)
    malformed("no or too many certificates");
  return {
    element,
    signedInfo: signedInfo!,
    digest: base64In(digestValue!, 48),
    value: base64In(value!),
    certificates: certificates.map((certificate) => base64In(certificate)),
  };
}

function smallNumber(text: string | undefined, most: number, what: string): number {
  if (text === undefined || !/^\d{1,3}$/.test(text) || Number(text) > most)
    malformed(`${what} is not 0 to ${most}`);
  return Number(text);
}

function readAlternatives(resource: XmlElement): readonly Uint8Array[] {
  const count = smallNumber(attributeOf(resource, "alternatives"), MAX_ALTERNATIVES, "alternatives");
  const hashes = resource.attributes.filter(({ uri }) => uri === HASH);
  if (count === 0 || hashes.length !== count) malformed("alternatives are not as many as it says");
  if (attributeOf(resource, "size") !== "48") malformed("a measurement is not of 48 bytes");
  return Array.from({ length: count }, (_, i) => {
    const hash = attributeOf(resource, `Hash${i}`, HASH);
    return hash === undefined ? malformed(`Hash${i} is missing`) : fromHex(hash, 48);
  });
}

function readMeasurements(document: XmlElement): ReadonlyMap<number, GoldenMeasurement> {
  const measurements = new Map<number, GoldenMeasurement>();
  const seen = new Set<number>();
  for (const resource of childrenNamed(only(document, SWID, "Payload"), SWID, "Resource")) {
    if (attributeOf(resource, "type") !== "Measurement") malformed("a resource is no measurement");
    const index = smallNumber(attributeOf(resource, "index"), MAX_INDEX, "index");
    if (seen.has(index)) malformed(`index ${index} is there twice`);
    seen.add(index);
    const active = attributeOf(resource, "active");
    if (active !== "True" && active !== "False") malformed("active is neither True nor False");
    if (active === "True") measurements.set(index, { index, alternatives: readAlternatives(resource) });
  }
  if (measurements.size === 0) malformed("no active measurement");
  return measurements;
}

function readRim(text: string): Rim {
  const document = parseXml(text);
  if (document.uri !== SWID || document.local !== "SoftwareIdentity") malformed("not a SWID tag");
  const meta = only(document, SWID, "Meta");
  const version = (attributeOf(meta, "colloquialVersion") ?? "").toLowerCase();
  const kind = VBIOS_VERSION.test(version) ? "vbios" : "driver";
  if (kind === "driver" && !DRIVER_VERSION.test(version)) malformed("colloquialVersion is not a version");
  return {
    document,
    signature: readSignature(document),
    product: (attributeOf(meta, "product") ?? "").slice(0, 64),
    version,
    kind,
    measurements: readMeasurements(document),
  };
}

/**
 * One manifest, of at most 1 MiB.
 * @throws AttestationError `rim_malformed`, `rim_transform_unsupported`
 */
export function parseRim(text: string): Rim {
  try {
    return readRim(text);
  } catch (error) {
    if (error instanceof XmlError || error instanceof CodecError) malformed(error.message);
    throw error;
  }
}
