/** OCSP responses of the tests' own. */
import { sign } from "node:crypto";
import { sha1 } from "@noble/hashes/legacy.js";
import { sha384, utf8 } from "../../codec/index.ts";
import { bitString, der, octets, oid, sequence } from "../attest/der-write.ts";
import { parseCertificate } from "../verify/x509.ts";
import { testCertificate, testExtension, testKey, type TestKey } from "./certificates.ts";

const SHA384 = oid("2.16.840.1.101.3.4.2.2");

export interface TestOcspStatus {
  readonly certificate: Uint8Array;
  readonly issuer: Uint8Array;
  readonly status?: "good" | "revoked" | "hold" | "unknown";
  readonly thisUpdate?: Date;
  readonly nextUpdate?: Date | null;
  readonly hash?: "sha1" | "sha384";
}

function generalizedTime(date: Date): Uint8Array {
  return der(0x18, utf8(`${date.toISOString().replaceAll(/[-:T]/g, "").slice(0, 14)}Z`));
}

function statusBytes(status: TestOcspStatus["status"], at: Date): Uint8Array {
  if (status === "unknown") return der(0x82);
  if (status === "revoked") return der(0xa1, generalizedTime(at));
  return status === "hold"
    ? der(0xa1, generalizedTime(at), der(0xa0, der(0x0a, Uint8Array.of(6))))
    : der(0x80);
}

function singleResponse(single: TestOcspStatus): Uint8Array {
  const issuer = parseCertificate(single.issuer);
  const hash = single.hash === "sha1" ? sha1 : sha384;
  const algorithm = single.hash === "sha1" ? sequence(oid("1.3.14.3.2.26"), der(0x05)) : sequence(SHA384);
  const { thisUpdate = new Date("2026-11-22T00:00:00Z"), nextUpdate = new Date("2026-11-29T00:00:00Z") } =
    single;
  return sequence(
    sequence(
      algorithm,
      octets(hash(issuer.subject)),
      octets(hash(issuer.publicKey.point)),
      der(0x02, parseCertificate(single.certificate).serial),
    ),
    statusBytes(single.status, thisUpdate),
    generalizedTime(thisUpdate),
    ...(nextUpdate === null ? [] : [der(0xa0, generalizedTime(nextUpdate))]),
  );
}

export interface TestResponder {
  readonly key: TestKey;
  /** A certificate for the key, where it is not the issuer's own. */
  readonly certificate?: Uint8Array;
}

/** A successful response; its statuses must have the responder's issuer in common. */
export function testOcsp(responder: TestResponder, ...statuses: TestOcspStatus[]): Uint8Array {
  const tbs = sequence(
    der(0xa2, octets(sha1(responder.key.spki))),
    generalizedTime(new Date("2026-11-22T00:00:00Z")),
    sequence(...statuses.map(singleResponse)),
  );
  const signature = new Uint8Array(sign("sha384", tbs, responder.key.privateKey));
  const certificates =
    responder.certificate === undefined ? [] : [der(0xa0, sequence(responder.certificate))];
  const basic = sequence(tbs, sequence(oid("1.2.840.10045.4.3.3")), bitString(signature), ...certificates);
  const bytes = sequence(oid("1.3.6.1.5.5.7.48.1.1"), octets(basic));
  return sequence(der(0x0a, Uint8Array.of(0)), der(0xa0, bytes));
}

/** A responder that an issuer made for this. */
export function delegatedResponder(issuer: TestKey, purpose = "1.3.6.1.5.5.7.3.9"): TestResponder {
  const key = testKey(`${issuer.commonName} OCSP`, "p384");
  const usage = testExtension("2.5.29.37", sequence(oid(purpose)));
  return { key, certificate: testCertificate({ subject: key, issuer, serial: 50, extensions: [usage] }) };
}
