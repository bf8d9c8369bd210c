/** Nitro documents signed under a root of the tests' own. */
import { sign } from "node:crypto";
import { concat, utf8 } from "../../codec/index.ts";
import { signedBytes } from "../parse/cose.ts";
import { TEST_KEY_USAGE, testCertificate, testKey, type TestKey } from "./certificates.ts";

export type TestCbor =
  | number
  | string
  | null
  | Uint8Array
  | TestCbor[]
  | Map<number | string, TestCbor>
  | TestRaw;

/** Bytes that stand in the encoding as they are. */
export class TestRaw {
  readonly bytes: Uint8Array;
  constructor(...bytes: number[]) {
    this.bytes = Uint8Array.from(bytes);
  }
}

function cborHead(major: number, argument: number): Uint8Array {
  const first = major << 5;
  if (argument < 24) return Uint8Array.of(first | argument);
  const width = argument < 0x100 ? 1 : argument < 0x10000 ? 2 : argument < 2 ** 32 ? 4 : 8;
  const bytes = Array.from({ length: width }, (_, i) => Math.floor(argument / 256 ** (width - 1 - i)) % 256);
  return Uint8Array.of(first | (24 + Math.log2(width)), ...bytes);
}

/** CBOR with definite lengths and shortest heads, map entries in their order. */
export function encodeCbor(value: TestCbor): Uint8Array {
  if (value === null) return Uint8Array.of(0xf6);
  if (typeof value === "number") return value < 0 ? cborHead(1, -1 - value) : cborHead(0, value);
  if (typeof value === "string") return concat(cborHead(3, utf8(value).length), utf8(value));
  if (value instanceof TestRaw) return value.bytes;
  if (value instanceof Uint8Array) return concat(cborHead(2, value.length), value);
  if (Array.isArray(value)) return concat(cborHead(4, value.length), ...value.map(encodeCbor));
  const entries = [...value].flatMap(([key, member]) => [encodeCbor(key), encodeCbor(member)]);
  return concat(cborHead(5, value.size), ...entries);
}

interface Chain {
  readonly signer: TestKey;
  /** Issued the signer's certificate. */
  readonly zone: TestKey;
  readonly signerDer: Uint8Array;
  /** Root first. */
  readonly cabundle: readonly Uint8Array[];
}

export const TEST_NITRO_TIME = new Date("2026-11-01T12:00:00.123Z");
let chain: Chain | undefined;

/** Root, two authorities and a signer whose certificate lives three hours. */
export function testNitroChain(): Chain {
  if (chain !== undefined) return chain;
  const root = testKey("test.nitro-enclaves", "p384");
  const region = testKey("region.test.nitro-enclaves", "p384");
  const zone = testKey("zone.test.nitro-enclaves", "p384");
  const signer = testKey("i-0123456789abcdef0-enc0123456789abcdef.test", "p384");
  const { authority, certSign, signer: signerUsage } = TEST_KEY_USAGE;
  chain = {
    signer,
    zone,
    signerDer: testCertificate({
      subject: signer,
      issuer: zone,
      keyUsage: signerUsage,
      notBefore: new Date(TEST_NITRO_TIME.getTime() - 3_600_000),
      notAfter: new Date(TEST_NITRO_TIME.getTime() + 7_200_000),
    }),
    cabundle: [
      testCertificate({ subject: root, issuer: root, authority: true, keyUsage: authority }),
      testCertificate({ subject: region, issuer: root, authority: 1, keyUsage: certSign }),
      testCertificate({ subject: zone, issuer: region, authority: 0, keyUsage: certSign }),
    ],
  };
  return chain;
}

/** The fields of a good document, in the hypervisor's order. */
export function testNitroFields(): Map<string, TestCbor> {
  const { signerDer, cabundle } = testNitroChain();
  const pcrs = new Map<number, TestCbor>();
  for (let index = 0; index < 16; index++)
    pcrs.set(index, new Uint8Array(48).fill(index < 5 ? 0x30 + index : 0));
  return new Map<string, TestCbor>([
    ["module_id", "i-0123456789abcdef0-enc0123456789abcdef"],
    ["digest", "SHA384"],
    ["timestamp", TEST_NITRO_TIME.getTime()],
    ["pcrs", pcrs],
    ["certificate", signerDer],
    ["cabundle", [...cabundle]],
    ["public_key", utf8("test public key")],
    ["user_data", utf8("test user data")],
    ["nonce", utf8("test nonce")],
  ]);
}

export interface TestNitroOptions {
  readonly tagged?: boolean;
  readonly protectedHeader?: TestCbor;
  readonly unprotected?: TestCbor;
  /** Signs instead of the chain's signer. */
  readonly signer?: TestKey;
}

/** A COSE_Sign1 around a payload that is a map of fields or ready bytes. */
export function testNitroDocument(
  payload: Map<string, TestCbor> | Uint8Array = testNitroFields(),
  options: TestNitroOptions = {},
): Uint8Array {
  const body = payload instanceof Uint8Array ? payload : encodeCbor(payload);
  const protectedHeader = encodeCbor(options.protectedHeader ?? new Map([[1, -35]]));
  const message = signedBytes({ protectedHeader, payload: body });
  const key = (options.signer ?? testNitroChain().signer).privateKey;
  const signature = new Uint8Array(sign("sha384", message, { key, dsaEncoding: "ieee-p1363" }));
  const cose = encodeCbor([protectedHeader, options.unprotected ?? new Map(), body, signature]);
  return options.tagged === true ? concat(Uint8Array.of(0xd2), cose) : cose;
}
