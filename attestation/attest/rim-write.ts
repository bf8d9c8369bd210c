/** Building reference integrity manifests (SWID tags with an enveloped XML signature), by the form that NVIDIA publishes. */
import { sha384, toBase64, toHex, utf8 } from "../../codec/index.ts";
import { parseXml, type XmlElement } from "../parse/xml.ts";
import { canonicalXml } from "../verify/xml-c14n.ts";

export interface RimContent {
  /** Of the driver, or of the VBIOS. */
  readonly version: string;
  readonly product: string;
  /** XML text, escaped. */
  readonly creator: string;
  /** Alternatives by index. */
  readonly measurements: ReadonlyMap<number, readonly Uint8Array[]>;
}

export interface RimSigner {
  /** ECDSA P-384 with SHA-384: r ‖ s, 96 bytes. */
  readonly sign: (message: Uint8Array) => Uint8Array;
  /** DER, the signer's first. */
  readonly certificates: readonly Uint8Array[];
}

const NAMESPACES =
  'xmlns="http://standards.iso.org/iso/19770/-2/2015/schema.xsd" ' +
  'xmlns:ns0="http://standards.iso.org/iso/19770/-2/2015/schema.xsd" xmlns:ns2="http://www.w3.org/2001/04/xmlenc#sha384"';

function resource(index: number, alternatives: readonly Uint8Array[]): string {
  const hashes = alternatives.map((value, i) => `ns2:Hash${i}="${toHex(value)}"`).join(" ");
  return `<ns0:Resource type="Measurement" index="${index}" active="True" alternatives="${alternatives.length}" ${hashes} name="Measurement_${index}" size="48"/>`;
}

/** The manifest around its signature, which stands where `@` is. */
export function rimDocument({ version, product, creator, measurements }: RimContent): string {
  return [
    `<SoftwareIdentity ${NAMESPACES} corpus="false" name="${product}" tagId="1" version="1.0">`,
    `    <ns0:Entity name="${creator}" role="softwareCreator tagCreator"/>`,
    `    <ns0:Meta colloquialVersion="${version}" edition="GPU" product="${product}" revision="r1"/>`,
    "    <ns0:Payload>",
    ...[...measurements].map(([index, alternatives]) => `        ${resource(index, alternatives)}`),
    '        <ns0:Resource type="Measurement" index="63" active="False" alternatives="1" name="Measurement_63" size="48"/>',
    "    </ns0:Payload>",
    "@</SoftwareIdentity>",
  ].join("\n");
}

const DSIG = "http://www.w3.org/2000/09/xmldsig#";
const C14N = "http://www.w3.org/2006/12/xml-c14n11";

function signedInfo(digest: Uint8Array): string {
  return (
    `<ds:SignedInfo><ds:CanonicalizationMethod Algorithm="${C14N}"/>` +
    '<ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384"/>' +
    `<ds:Reference URI=""><ds:Transforms><ds:Transform Algorithm="${DSIG}enveloped-signature"/>` +
    `<ds:Transform Algorithm="${C14N}"/></ds:Transforms>` +
    '<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#sha384"/>' +
    `<ds:DigestValue>${toBase64(digest)}</ds:DigestValue></ds:Reference></ds:SignedInfo>`
  );
}

function elementAt(parent: XmlElement, at: number): XmlElement {
  return parent.children.filter((child) => typeof child !== "string").at(at)!;
}

/** Signs a document with `@` where the signature is to be; `change` alters what is signed about it. */
export function signRim(
  document: string,
  signer: RimSigner,
  change: (signedInfo: string) => string = (text) => text,
): string {
  const digest = sha384(utf8(canonicalXml(parseXml(document.replace("@", "")))));
  const info = change(signedInfo(digest));
  const certificates = signer.certificates.map(
    (certificate) => `<ds:X509Certificate>${toBase64(certificate)}\n</ds:X509Certificate>`,
  );
  const frame = (value: string) =>
    document.replace(
      "@",
      `<ds:Signature xmlns:ds="${DSIG}">${info}<ds:SignatureValue>${value}</ds:SignatureValue>` +
        `<ds:KeyInfo><ds:X509Data>${certificates.join("")}</ds:X509Data></ds:KeyInfo></ds:Signature>`,
    );
  const canonical = canonicalXml(elementAt(elementAt(parseXml(frame("")), -1), 0));
  return frame(toBase64(signer.sign(utf8(canonical))));
}
