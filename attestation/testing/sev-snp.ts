/** SEV-SNP reports of every version and product, signed by a VCEK or VLEK under a root of the tests' own. */
import { sign } from "node:crypto";
import { concat, fromHex, utf8 } from "../../codec/index.ts";
import { der, integer, octets } from "../attest/der-write.ts";
import { SNP_REPORT_BYTES, SNP_SIGNED_BYTES, snpReportFields } from "../parse/sev-snp.ts";
import { SNP_TCB_LAYOUT, type SnpProduct, type SnpTcb } from "../parse/sev-snp-product.ts";
import { TEST_KEY_USAGE, testCertificate, testExtension, testKey, type TestKey } from "./certificates.ts";

export interface TestSnpAuthorities {
  readonly root: TestKey;
  readonly ask: TestKey;
  readonly asvk: TestKey;
  readonly rootDer: Uint8Array;
  readonly askDer: Uint8Array;
  readonly asvkDer: Uint8Array;
}

const authorities = new Map<SnpProduct, TestSnpAuthorities>();
let rsaKeys: [TestKey, TestKey] | undefined;

/** Root, ASK and ASVK of a product; two RSA keys serve all, for they are slow to make. */
export function testSnpAuthorities(product: SnpProduct): TestSnpAuthorities {
  const known = authorities.get(product);
  if (known !== undefined) return known;
  rsaKeys ??= [testKey("root", "rsa"), testKey("authority", "rsa")];
  const root = { ...rsaKeys[0], commonName: `ARK-${product}` };
  const ask = { ...rsaKeys[1], commonName: `SEV-${product}` };
  const asvk = { ...rsaKeys[1], commonName: `SEV-VLEK-${product}` };
  const { authority, certSign } = TEST_KEY_USAGE;
  const made = {
    root,
    ask,
    asvk,
    rootDer: testCertificate({
      subject: root,
      issuer: root,
      authority: true,
      keyUsage: authority,
      serial: 0x10000,
    }),
    askDer: testCertificate({
      subject: ask,
      issuer: root,
      authority: 0,
      keyUsage: certSign,
      serial: 0x10001,
    }),
    asvkDer: testCertificate({
      subject: asvk,
      issuer: root,
      authority: 0,
      keyUsage: certSign,
      serial: 0x10101,
    }),
  };
  authorities.set(product, made);
  return made;
}

const ARC = "1.3.6.1.4.1.3704.1";
const TCB_ARC = { bootloader: 1, tee: 2, snp: 3, microcode: 8, fmc: 9 } as const;

export const TEST_SNP_CHIP_ID = {
  Milan: fromHex("c0".repeat(64)),
  Genoa: fromHex("c1".repeat(64)),
  Turin: fromHex("c2".repeat(8)),
} as const;

export interface TestSnpKeyOptions {
  readonly product: SnpProduct;
  readonly kind: "vcek" | "vlek";
  readonly tcb: SnpTcb;
  readonly hardwareId?: Uint8Array;
  readonly productName?: string;
  /** Whether hwID is an OCTET STRING inside its extension, as newer certificates have it. */
  readonly wrapped?: boolean;
  /** Whether the certificate lacks hwID and the CSP's name. */
  readonly bare?: boolean;
  readonly issuer?: TestKey;
  readonly notAfter?: Date;
}

function ia5(text: string): Uint8Array {
  return der(0x16, utf8(text));
}

export function testSnpKeyCertificate(key: TestKey, options: TestSnpKeyOptions): Uint8Array {
  const { product, kind, tcb } = options;
  const { ask, asvk } = testSnpAuthorities(product);
  const hardwareId = options.hardwareId ?? TEST_SNP_CHIP_ID[product];
  const parts = Object.entries(TCB_ARC).filter(([name]) => tcb[name as keyof SnpTcb] !== undefined);
  const identity =
    kind === "vcek"
      ? testExtension(`${ARC}.4`, options.wrapped === true ? octets(hardwareId) : hardwareId)
      : testExtension(`${ARC}.5`, ia5("Test Cloud"));
  return testCertificate({
    subject: { ...key, commonName: kind === "vcek" ? "SEV-VCEK" : "SEV-VLEK" },
    issuer: options.issuer ?? (kind === "vcek" ? ask : asvk),
    ...(options.notAfter && { notAfter: options.notAfter }),
    extensions: [
      testExtension(`${ARC}.1`, integer(product === "Turin" ? 1 : 0)),
      testExtension(`${ARC}.2`, ia5(options.productName ?? product)),
      ...parts.map(([name, part]) =>
        testExtension(`${ARC}.3.${part}`, integer(tcb[name as keyof SnpTcb] ?? 0)),
      ),
      ...[5, 6, 7].map((part) => testExtension(`${ARC}.3.${part}`, integer(0))),
      ...(options.bare === true ? [] : [identity]),
    ],
  });
}

export const TEST_SNP_TCB: Readonly<Record<SnpProduct, SnpTcb>> = {
  Milan: { bootloader: 4, tee: 1, snp: 24, microcode: 219, fmc: undefined },
  Genoa: { bootloader: 10, tee: 1, snp: 23, microcode: 84, fmc: undefined },
  Turin: { bootloader: 1, tee: 2, snp: 4, microcode: 81, fmc: 3 },
};

export function encodeSnpTcb(tcb: SnpTcb, product: SnpProduct): Uint8Array {
  const bytes = new Uint8Array(8);
  for (const [name, offset] of Object.entries(SNP_TCB_LAYOUT[product]))
    bytes[offset] = tcb[name as keyof SnpTcb] ?? 0;
  return bytes;
}

const CPUID = { Milan: [0x19, 0x01, 1], Genoa: [0x19, 0x11, 1], Turin: [0x1a, 0x02, 1] } as const;

function littleEndian(value: bigint, byteLength: number): Uint8Array {
  return Uint8Array.from({ length: byteLength }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));
}

/** Fields of a report by name: numbers are written little-endian, bytes are filled up with zeros. */
export type TestSnpFields = Record<string, bigint | Uint8Array>;

function filled(byte: number, byteLength: number): Uint8Array {
  return new Uint8Array(byteLength).fill(byte);
}

function defaults(product: SnpProduct, version: number, kind: "vcek" | "vlek"): TestSnpFields {
  const tcb = encodeSnpTcb(TEST_SNP_TCB[product], product);
  const [family, model, stepping] = CPUID[product];
  return {
    version: BigInt(version),
    guestSvn: 7n,
    policy: 0x3_0136n,
    familyId: filled(0x11, 16),
    imageId: filled(0x12, 16),
    vmpl: 1n,
    signatureAlgorithm: 1n,
    currentTcb: tcb,
    platformInfo: 0x25n,
    keyInfo: kind === "vcek" ? 1n : 5n,
    reportData: filled(0xda, 64),
    measurement: filled(0x3e, 48),
    hostData: filled(0x40, 32),
    idKeyDigest: filled(0x1d, 48),
    authorKeyDigest: filled(0xa0, 48),
    reportId: filled(0x77, 32),
    reportIdMa: filled(0xff, 32),
    reportedTcb: tcb,
    chipId: TEST_SNP_CHIP_ID[product],
    committedTcb: tcb,
    currentBuild: 41n,
    currentMinor: 55n,
    currentMajor: 1n,
    committedBuild: 40n,
    committedMinor: 55n,
    committedMajor: 1n,
    launchTcb: tcb,
    ...(version >= 3 && {
      cpuidFamily: BigInt(family),
      cpuidModel: BigInt(model),
      cpuidStepping: BigInt(stepping),
    }),
    ...(version >= 4 && { launchMitigationVector: 3n, currentMitigationVector: 7n }),
  };
}

function encodeReport(version: number, fields: TestSnpFields): Uint8Array {
  const report = new Uint8Array(SNP_REPORT_BYTES);
  for (const { name, offset, byteLength } of snpReportFields(version)) {
    const value = fields[name];
    if (value !== undefined)
      report.set(typeof value === "bigint" ? littleEndian(value, byteLength) : value, offset);
  }
  return report;
}

/** A copy of a report with a signature by this key. */
function signSnpReport(report: Uint8Array, key: TestKey): Uint8Array {
  const message = report.subarray(0, SNP_SIGNED_BYTES);
  const raw = new Uint8Array(sign("sha384", message, { key: key.privateKey, dsaEncoding: "ieee-p1363" }));
  const half = (from: number) => concat(raw.slice(from, from + 48).toReversed(), new Uint8Array(24));
  return concat(message, half(0), half(48), new Uint8Array(368));
}

export interface TestSnpEvidence {
  readonly report: Uint8Array;
  readonly key: TestKey;
  /** Endorsement key and the authority above it, DER. */
  readonly certificates: readonly Uint8Array[];
  readonly root: Uint8Array;
}

export interface TestSnpOptions {
  readonly product?: SnpProduct;
  readonly version?: 2 | 3 | 4 | 5;
  readonly kind?: "vcek" | "vlek";
  readonly fields?: TestSnpFields;
  readonly certificate?: Partial<TestSnpKeyOptions>;
}

let signer: TestKey | undefined;

/** One report that every check accepts, but for what `fields` and `certificate` change before it is signed. */
export function testSnpEvidence(options: TestSnpOptions = {}): TestSnpEvidence {
  const { product = "Genoa", version = 5, kind = "vcek" } = options;
  signer ??= testKey("SEV-VCEK", "p384");
  const { askDer, asvkDer, rootDer } = testSnpAuthorities(product);
  const tcb = TEST_SNP_TCB[product];
  const certificate = testSnpKeyCertificate(signer, { product, kind, tcb, ...options.certificate });
  const report = encodeReport(version, { ...defaults(product, version, kind), ...options.fields });
  return {
    report: signSnpReport(report, signer),
    key: signer,
    certificates: [certificate, kind === "vcek" ? askDer : asvkDer],
    root: rootDer,
  };
}
