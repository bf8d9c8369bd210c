/** Certificates and CRLs under roots of the tests' own, with AMD's and AWS's algorithms. For tests alone. */
import { constants, generateKeyPairSync, sign, type KeyObject } from "node:crypto";
import {
  bitString,
  boolean,
  der,
  distinguishedName,
  integer,
  octets,
  oid,
  sequence,
  time,
} from "../attest/der-write.ts";

export interface TestKey {
  readonly commonName: string;
  readonly type: "rsa" | "p384";
  readonly privateKey: KeyObject;
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array;
}

export function testKey(commonName: string, type: "rsa" | "p384"): TestKey {
  const { privateKey, publicKey } =
    type === "rsa"
      ? generateKeyPairSync("rsa", { modulusLength: 2048 })
      : generateKeyPairSync("ec", { namedCurve: "P-384" });
  return {
    commonName,
    type,
    privateKey,
    spki: new Uint8Array(publicKey.export({ type: "spki", format: "der" })),
  };
}

const SHA384 = sequence(oid("2.16.840.1.101.3.4.2.2"), der(0x05));
const ALGORITHM = {
  p384: sequence(oid("1.2.840.10045.4.3.3")),
  // As AMD's key service writes it, the trailer field's default included.
  rsa: sequence(
    oid("1.2.840.113549.1.1.10"),
    sequence(
      der(0xa0, SHA384),
      der(0xa1, sequence(oid("1.2.840.113549.1.1.8"), SHA384)),
      der(0xa2, integer(48)),
      der(0xa3, integer(1)),
    ),
  ),
};

function signTbs(issuer: TestKey, tbs: Uint8Array): Uint8Array {
  const padding = constants.RSA_PKCS1_PSS_PADDING;
  const key = issuer.privateKey;
  const signature = sign("sha384", tbs, issuer.type === "rsa" ? { key, padding, saltLength: 48 } : { key });
  return sequence(tbs, ALGORITHM[issuer.type], bitString(new Uint8Array(signature)));
}

export function testExtension(id: string, value: Uint8Array, critical = false): Uint8Array {
  return sequence(oid(id), ...(critical ? [boolean(true)] : []), octets(value));
}

export interface TestCertificate {
  readonly subject: TestKey;
  readonly issuer: TestKey;
  /** pathLenConstraint of an authority, `true` for one without; undefined makes a leaf. */
  readonly authority?: number | true;
  /** First byte of the key usage bit string; left out where undefined. */
  readonly keyUsage?: number;
  readonly serial?: number;
  readonly extensions?: readonly Uint8Array[];
  readonly notBefore?: Date;
  readonly notAfter?: Date;
}

export function testCertificate(params: TestCertificate): Uint8Array {
  const { subject, issuer, authority, keyUsage } = params;
  const pathLength = typeof authority === "number" ? [integer(authority)] : [];
  const extensions = [
    ...(authority === undefined
      ? []
      : [testExtension("2.5.29.19", sequence(boolean(true), ...pathLength), true)]),
    ...(keyUsage === undefined
      ? []
      : [
          testExtension(
            "2.5.29.15",
            bitString(Uint8Array.of(keyUsage), 31 - Math.clz32(keyUsage & -keyUsage)),
            true,
          ),
        ]),
    ...(params.extensions ?? []),
  ];
  const tbs = sequence(
    der(0xa0, integer(2)),
    integer(params.serial ?? 1),
    ALGORITHM[issuer.type],
    distinguishedName(issuer.commonName),
    sequence(
      time(params.notBefore ?? new Date("2025-01-01T00:00:00Z")),
      time(params.notAfter ?? new Date("2049-01-01T00:00:00Z")),
    ),
    distinguishedName(subject.commonName),
    subject.spki,
    ...(extensions.length > 0 ? [der(0xa3, sequence(...extensions))] : []),
  );
  return signTbs(issuer, tbs);
}

/** Key usage of an authority that signs certificates and CRLs, of one that signs certificates, and of a signer. */
export const TEST_KEY_USAGE = { authority: 0x06, certSign: 0x04, signer: 0x80 } as const;

export interface TestCrl {
  readonly issuer: TestKey;
  readonly revokedSerials?: readonly number[];
  readonly thisUpdate?: Date;
  readonly nextUpdate?: Date;
}

export function testCrl(params: TestCrl): Uint8Array {
  const thisUpdate = params.thisUpdate ?? new Date("2026-01-01T00:00:00Z");
  const entries = (params.revokedSerials ?? []).map((serial) => sequence(integer(serial), time(thisUpdate)));
  const tbs = sequence(
    integer(1),
    ALGORITHM[params.issuer.type],
    distinguishedName(params.issuer.commonName),
    time(thisUpdate),
    time(params.nextUpdate ?? new Date("2027-01-01T00:00:00Z")),
    ...(entries.length > 0 ? [sequence(...entries)] : []),
    der(0xa0, sequence(testExtension("2.5.29.20", integer(1)))),
  );
  return signTbs(params.issuer, tbs);
}
