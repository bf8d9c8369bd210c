/** NVIDIA reports, device chains, reference manifests and OCSP responses under roots of the tests' own. */
import { sign } from "node:crypto";
import { concat, fromHex, toBase64, toHex, utf8 } from "../../codec/index.ts";
import { der, integer, octets, oid, pem, sequence } from "../attest/der-write.ts";
import { rimDocument as writeRim, signRim as signWrittenRim, type RimContent } from "../attest/rim-write.ts";
import { unsignedSpdm } from "../attest/spdm-write.ts";
import { testCertificate, testExtension, testKey, TEST_KEY_USAGE, type TestKey } from "./certificates.ts";

export const TEST_FWID = new Uint8Array(48).fill(0xf1);
export const TEST_NVIDIA_NONCE = new Uint8Array(32).fill(0x4e);
const SHA384 = oid("2.16.840.1.101.3.4.2.2");

/** Where certificates name their OCSP responder. */
const RESPONDER = testExtension(
  "1.3.6.1.5.5.7.1.1",
  sequence(sequence(oid("1.3.6.1.5.5.7.48.1"), der(0x86, utf8("http://ocsp.test")))),
);

/** Hopper's form: version, key, identity. */
export function compositeDeviceId(spki: Uint8Array, fwid: Uint8Array = TEST_FWID): Uint8Array {
  return testExtension("2.23.133.5.4.1", sequence(integer(0), spki, sequence(SHA384, octets(fwid))));
}

/** Blackwell's form: identities in a list, other members behind it. */
export function diceTcbInfo(fwid: Uint8Array = TEST_FWID): Uint8Array {
  const other = sequence(SHA384, octets(new Uint8Array(48)));
  const list = der(0xa6, sequence(SHA384, octets(fwid)), other);
  const info = sequence(
    der(0x80, utf8("NVIDIA")),
    list,
    der(0x87, Uint8Array.of(0, 0x80)),
    der(0x89, Uint8Array.of(0)),
  );
  return testExtension("2.23.133.5.4.1", info);
}

export interface TestDevice {
  readonly leaf: TestKey;
  readonly brom: TestKey;
  readonly identity: TestKey;
  readonly root: TestKey;
  /** DER, leaf first, root last. */
  readonly certificates: readonly Uint8Array[];
}

const chains = new Map<string, TestDevice>();

export interface TestDeviceOptions {
  readonly chip?: string;
  readonly serial?: number;
  readonly identityExtension?: (spki: Uint8Array) => Uint8Array;
  readonly leafUsage?: number;
}

/** A device under the root that all test devices share. */
export function testDevice(options: TestDeviceOptions = {}): TestDevice {
  const {
    chip = "GH100",
    serial = 77,
    identityExtension = compositeDeviceId,
    leafUsage = TEST_KEY_USAGE.signer,
  } = options;
  const name = `${chip} ${serial} ${leafUsage} ${identityExtension.name}`;
  const known = chains.get(name);
  if (known !== undefined) return known;
  const root = [...chains.values()][0]?.root ?? testKey("Test Device Identity CA", "p384");
  const identity = testKey(`Test ${chip} Identity`, "p384");
  const brom = testKey(`${chip} A01 GSP BROM`, "p384");
  const leaf = testKey(`${chip} A01 GSP FMC LF`, "p384");
  const { authority, certSign } = TEST_KEY_USAGE;
  const certificates = [
    testCertificate({
      subject: leaf,
      issuer: brom,
      serial,
      keyUsage: leafUsage,
      extensions: [identityExtension(leaf.spki)],
    }),
    testCertificate({
      subject: brom,
      issuer: identity,
      serial: 3,
      authority: true,
      keyUsage: certSign,
      extensions: [RESPONDER],
    }),
    testCertificate({
      subject: identity,
      issuer: root,
      serial: 2,
      authority: true,
      keyUsage: authority,
      extensions: [RESPONDER],
    }),
    testCertificate({ subject: root, issuer: root, authority: true, keyUsage: authority }),
  ];
  const device = { leaf, brom, identity, root, certificates };
  chains.set(name, device);
  return device;
}

/** The opaque fields of a good report, by type. */
export function testOpaque(): Map<number, Uint8Array> {
  return new Map([
    [6, fromHex("009f009601000000")],
    [15, utf8("882\0\0\0")],
    [17, utf8("1010\0")],
    [3, utf8("550.90.07\0")],
    [11, Uint8Array.of(0x55)],
    [20, TEST_FWID],
    [21, Uint8Array.of(0x55)],
  ]);
}

export interface TestReportOptions {
  readonly device?: TestDevice;
  readonly nonce?: Uint8Array;
  readonly opaque?: ReadonlyMap<number, Uint8Array>;
  readonly measurements?: readonly Uint8Array[];
  readonly trailing?: Uint8Array;
}

export function testMeasurements(count = 40): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => new Uint8Array(48).fill(i));
}

/** Request and response up to the signature. */
export function unsignedReport(options: TestReportOptions = {}): Uint8Array {
  return unsignedSpdm({
    nonce: options.nonce ?? TEST_NVIDIA_NONCE,
    measurements: options.measurements ?? testMeasurements(),
    responseNonce: new Uint8Array(32).fill(0x5a),
    opaque: options.opaque ?? testOpaque(),
  });
}

function signRaw(key: TestKey, message: Uint8Array): Uint8Array {
  return new Uint8Array(sign("sha384", message, { key: key.privateKey, dsaEncoding: "ieee-p1363" }));
}

export function signReport(unsigned: Uint8Array, device = testDevice()): Uint8Array {
  return concat(unsigned, signRaw(device.leaf, unsigned));
}

export function testReport(options: TestReportOptions = {}): Uint8Array {
  return concat(
    signReport(unsignedReport(options), options.device ?? testDevice()),
    options.trailing ?? new Uint8Array(0),
  );
}

/** An entry of the SDK's evidence list. */
export function listEntry(
  report: Uint8Array,
  device: TestDevice,
  nonce: Uint8Array = TEST_NVIDIA_NONCE,
  arch = "HOPPER",
) {
  const chain = device.certificates.map((certificate) => pem("CERTIFICATE", certificate)).join("");
  return { arch, certificate: toBase64(utf8(chain)), evidence: toBase64(report), nonce: toHex(nonce) };
}

export interface TestRimSigner {
  readonly root: TestKey;
  readonly rootDer: Uint8Array;
  readonly signer: TestKey;
  readonly signerDer: Uint8Array;
}

export function testRimSigner(name = "Test RIM", notAfter = new Date("2049-01-01T00:00:00Z")): TestRimSigner {
  const root = testKey(`${name} root`, "p384");
  const signer = testKey(`${name} signer`, "p384");
  return {
    root,
    rootDer: testCertificate({
      subject: root,
      issuer: root,
      authority: true,
      keyUsage: TEST_KEY_USAGE.authority,
    }),
    signer,
    signerDer: testCertificate({
      subject: signer,
      issuer: root,
      serial: 9,
      keyUsage: TEST_KEY_USAGE.signer,
      extensions: [RESPONDER],
      notAfter,
    }),
  };
}

export type TestRim = Pick<RimContent, "version" | "measurements"> & Partial<RimContent>;

/** The manifest around its signature, which stands where `@` is. */
export function rimDocument(rim: TestRim): string {
  return writeRim({ product: "GH100", creator: "Test &amp; Corporation", ...rim });
}

/** Signs a document with `@` where the signature is to be; `change` alters what is signed about it. */
export function signRim(
  document: string,
  { signer, signerDer, rootDer }: TestRimSigner,
  change?: (signedInfo: string) => string,
): string {
  const certificates = [signerDer, rootDer];
  return signWrittenRim(document, { sign: (message) => signRaw(signer, message), certificates }, change);
}

export function testRim(rim: TestRim, signer: TestRimSigner): string {
  return signRim(rimDocument(rim), signer);
}
