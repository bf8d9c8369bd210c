/** Azure vTPM evidence under the tests' own SEV-SNP and TDX roots. */
import { generateKeyPairSync, sign, type KeyObject } from "node:crypto";
import { concat, sha256, toBase64, toHex, utf8 } from "../../codec/index.ts";
import { littleEndian } from "../attest/spdm-write.ts";
import { testQuote } from "./dcap.ts";
import { testSnpEvidence } from "./sev-snp.ts";

export const TEST_AZURE_NONCE = utf8("a verifier's nonce");

interface AttestationKey {
  readonly privateKey: KeyObject;
  readonly modulus: string;
}

function makeKey(bits = 2048): AttestationKey {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: bits });
  return { privateKey, modulus: publicKey.export({ format: "jwk" }).n! };
}

let key: AttestationKey | undefined;

export function testAk(): AttestationKey {
  return (key ??= makeKey());
}

export function testRuntimeData(changes: object = {}): Record<string, unknown> {
  return {
    keys: [
      { kid: "HCLAkPub", key_ops: ["sign"], kty: "RSA", e: "AQAB", n: testAk().modulus },
      { kid: "HCLEkPub", key_ops: ["encrypt"], kty: "RSA", e: "AQAB", n: "AQAB" },
    ],
    "vm-configuration": { "secure-boot": true, vmUniqueId: "911B0EF8" },
    "user-data": "00".repeat(64),
    ...changes,
  };
}

export interface TestAzureOptions {
  readonly platform?: "sev-snp" | "tdx";
  readonly runtimeData?: unknown;
  readonly hashType?: number;
  readonly reportData?: Uint8Array;
  readonly pcrs?: readonly Uint8Array[];
  /** Bits of the PCRs that are quoted, 3 bytes. */
  readonly selection?: Uint8Array;
  readonly quote?: (quote: Uint8Array) => Uint8Array;
}

export function testPcrs(): Uint8Array[] {
  return Array.from({ length: 24 }, (_, i) => new Uint8Array(32).fill(i));
}

function bigEndian(value: number, byteLength: number): Uint8Array {
  return littleEndian(value, byteLength).toReversed();
}

export function tpmQuote(
  pcrs: readonly Uint8Array[],
  selection: Uint8Array,
  nonce = TEST_AZURE_NONCE,
): Uint8Array {
  const selected = pcrs.filter((_, i) => ((selection[i >> 3]! >> (i & 7)) & 1) === 1);
  return concat(
    Uint8Array.of(0xff, 0x54, 0x43, 0x47, 0x80, 0x18),
    bigEndian(34, 2),
    new Uint8Array(34).fill(0x0b),
    bigEndian(nonce.length, 2),
    nonce,
    new Uint8Array(8),
    bigEndian(2, 4),
    bigEndian(1, 4),
    Uint8Array.of(1),
    new Uint8Array(8).fill(0x20),
    bigEndian(1, 4),
    Uint8Array.of(0, 0x0b, 3),
    selection,
    bigEndian(32, 2),
    sha256(...selected),
  );
}

export interface TestAzureEvidence {
  readonly hclReport: Uint8Array;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
  readonly pcrs: readonly Uint8Array[];
  readonly tdQuote: Uint8Array | undefined;
  readonly certificates: readonly Uint8Array[];
  readonly snpRoot: Uint8Array;
}

export function testAzure(options: TestAzureOptions = {}): TestAzureEvidence {
  const {
    platform = "sev-snp",
    hashType = 1,
    pcrs = testPcrs(),
    selection = Uint8Array.of(255, 255, 255),
  } = options;
  const data = utf8(JSON.stringify(options.runtimeData ?? testRuntimeData()));
  const reportData = options.reportData ?? concat(sha256(data), new Uint8Array(32));
  const snp = testSnpEvidence({ fields: { reportData } });
  const hardware = platform === "sev-snp" ? snp.report : new Uint8Array(1184);
  const hclReport = concat(
    utf8("HCLA"),
    littleEndian(2, 4),
    littleEndian(1184 + data.length, 4),
    littleEndian(2, 4),
    new Uint8Array(16),
    hardware,
    littleEndian(data.length + 20, 4),
    littleEndian(1, 4),
    littleEndian(platform === "sev-snp" ? 2 : 4, 4),
    littleEndian(hashType, 4),
    littleEndian(data.length, 4),
    data,
    new Uint8Array(64),
  );
  const good = tpmQuote(pcrs, selection);
  const message = options.quote?.(good) ?? good;
  return {
    hclReport,
    message,
    signature: new Uint8Array(sign("sha256", message, testAk().privateKey)),
    pcrs,
    tdQuote: platform === "tdx" ? testQuote("tdx4", { reportData }) : undefined,
    certificates: snp.certificates,
    snpRoot: snp.root,
  };
}

/** As version 1 writes it. */
export function azureJson(evidence: TestAzureEvidence, changes: object = {}): Uint8Array {
  const { hclReport, message, signature, pcrs, tdQuote } = evidence;
  const document = {
    version: 1,
    hcl_report: toBase64(hclReport),
    tpm_quote: { message: toHex(message), signature: toHex(signature), pcrs: pcrs.map(toHex) },
    ...(tdQuote && { td_quote: toBase64(tdQuote) }),
    ...changes,
  };
  return utf8(JSON.stringify(document));
}
