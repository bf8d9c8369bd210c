/** RA-TLS against a running service: its certificate, what a verifier makes of it, and of other certificates. */
import { request } from "node:https";
import { connect } from "node:tls";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  CMW_KINDS,
  CMW_OID,
  encodeCmwExtension,
  parseCertificate,
  parseCmwExtension,
} from "../attestation/index.ts";
import { tls } from "../client/cli/commands/tls.ts";
import { jsonLine, runCommand } from "../client/cli/testing/run-command.ts";
import { verifyTlsCertificate } from "../client/index.ts";
import { fromUtf8, utf8 } from "../codec/index.ts";
import { ATTESTATION_MEDIA_TYPE, parseAttestation, parseKeyset } from "../receipts/index.ts";
import { createTlsIdentity } from "../service/ra-tls.ts";
import { startService, type RunningService } from "./service-process.ts";
import { processTree } from "./service-tree.ts";

const MAX_BYTES = 128 * 1024;

let service: RunningService;
let port: number;
let der: Uint8Array;

beforeAll(async () => {
  service = await startService({ environment: { AFFIDAVIT_TLS_PORT: "0" } });
  port = Number(/ https:\/\/localhost:([0-9]+)/.exec(service.output())![1]);
  der = await certificateOf();
});
afterAll(() => service?.stop());

function certificateOf(): Promise<Uint8Array> {
  return new Promise((done, failed) => {
    const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false });
    socket.once("error", failed);
    socket.once("secureConnect", () => {
      done(new Uint8Array(socket.getPeerCertificate().raw));
      socket.destroy();
    });
  });
}

const verify = (certificate: Uint8Array, allowSimulated = true) =>
  verifyTlsCertificate(certificate, { now: new Date(), policy: { allowSimulated } });

const keyOf = (certificate: Uint8Array) => parseCertificate(certificate, MAX_BYTES).publicKey.spki;

const run = async (...words: string[]) => {
  const { status, stdout } = await runCommand(tls, [...words, "--json"]);
  return [status, jsonLine(stdout)] as const;
};

const rejected = (code: string) => [1, expect.objectContaining({ ok: false, code })];

const checkServerIdentity = () => undefined;

function documentText(): string {
  const { extensions } = parseCertificate(der, MAX_BYTES);
  return fromUtf8(parseCmwExtension(extensions.find(({ oid }) => oid === CMW_OID)!.value).value);
}

async function certified(text: string): Promise<Uint8Array> {
  const { cert } = await (await createTlsIdentity("localhost")).certify(text, Date.now());
  return new Uint8Array(Buffer.from(cert.replace(/-----[^-]+-----/g, ""), "base64"));
}

describe("the TLS listener", () => {
  it("shows a certificate that carries the evidence, for a key that the keyset names as the service's", () => {
    const verification = verify(der);
    expect(verification.steps.filter(({ status }) => status === "fail")).toEqual([]);
    expect(verification.verdict).toBe("accepted");
    expect(verification.claims).toContainEqual(
      expect.objectContaining({ claim: "tls", status: "verified", source: "simulated" }),
    );
    const { tlsKeys } = parseKeyset(parseAttestation(documentText()).keyset);
    expect(tlsKeys).toEqual([expect.objectContaining({ custody: "service" })]);
    expect(verify(der, false)).toMatchObject({ verdict: "rejected", code: "simulated_refused" });
  });

  it("serves what the other one serves", async () => {
    const status = await new Promise((done, failed) => {
      const ca = `-----BEGIN CERTIFICATE-----\n${Buffer.from(der).toString("base64")}\n-----END CERTIFICATE-----\n`;
      const asked = request(
        { host: "127.0.0.1", port, path: "/livez", ca, checkServerIdentity },
        (answer) => {
          answer.resume();
          done(answer.statusCode);
        },
      );
      asked.once("error", failed).end();
    });
    expect(status).toBe(200);
  });

  it("is accepted and refused by the command", async () => {
    expect(await run(`localhost:${port}`, "--allow-simulated")).toEqual([
      0,
      expect.objectContaining({ ok: true, verdict: "accepted", simulated: true }),
    ]);
    expect(await run(`localhost:${port}`)).toEqual(rejected("simulated_refused"));
    expect(await run(`localhost:${new URL(service.url).port}`)).toEqual(rejected("server_unreachable"));
    for (const bad of [[], ["localhost"], ["a b:1"], ["localhost:70000"]])
      expect((await run(...bad))[0]).toBe(2);
  });

  it("has a new certificate of the same key once the vault is another", async () => {
    const vault = processTree(service.child.pid!).find(({ role }) => role === "vault")!;
    process.kill(vault.pid, "SIGKILL");
    const changed = async () => Buffer.compare(await certificateOf(), der) !== 0;
    await expect.poll(changed, { timeout: 20_000, interval: 100 }).toBe(true);
    const later = await certificateOf();
    expect(verify(later).verdict).toBe("accepted");
    expect(keyOf(later)).toEqual(keyOf(der));
  });
});

describe("a certificate", () => {
  it("of another key with the service's evidence is refused", async () => {
    expect(verify(await certified(documentText()))).toMatchObject({
      verdict: "rejected",
      code: "tls_key_mismatch",
    });
  });

  it("with evidence that was changed, of another kind, or none, is refused", async () => {
    const codeOf = async (text: string) => verify(await certified(text)).code;
    expect(await codeOf("{}")).toBe("bundle_invalid");
    expect(await codeOf(documentText().replace(/"nonce":"0x../, '"nonce":"0x00'))).not.toBe("ok");
    expect(await codeOf(documentText().replace('custody\\":\\"service', 'custody\\":\\"vault'))).not.toBe(
      "ok",
    );
    expect(verify(new Uint8Array(10)).code).toBe("certificate_malformed");
    expect(verify(der.subarray(0, -1)).code).toBe("certificate_malformed");
    await expect(certified("x".repeat(120_000))).rejects.toThrow(RangeError);
    const text = Buffer.from(der).toString("latin1");
    const renamed = text.replace(ATTESTATION_MEDIA_TYPE, ATTESTATION_MEDIA_TYPE.replace("json", "cbor"));
    expect(verify(new Uint8Array(Buffer.from(renamed, "latin1"))).code).toBe("certificate_without_evidence");
    const oid = Buffer.from("0606678105050409", "hex").toString("latin1");
    const other = text.replace(oid, Buffer.from("060667810505040a", "hex").toString("latin1"));
    expect(verify(new Uint8Array(Buffer.from(other, "latin1"))).code).toBe("certificate_without_evidence");
  });

  it("carries its evidence as a CBOR record in an octet string", () => {
    const extension = encodeCmwExtension({ mediaType: "a/b", value: utf8("x"), kinds: CMW_KINDS.evidence });
    expect(Buffer.from(extension).toString("hex")).toBe("04088363612f62417804");
    for (const length of [1, 120, 130, 250, 300, 70_000]) {
      const record = { mediaType: "a/b", value: new Uint8Array(length).fill(7), kinds: 6 };
      expect(parseCmwExtension(encodeCmwExtension(record))).toEqual(record);
    }
    const malformed = expect.objectContaining({ code: "evidence_malformed" });
    for (const hex of ["", "0401", "040180", "04020000", "0403820102", "04088363612f62417804ff"])
      expect(() => parseCmwExtension(new Uint8Array(Buffer.from(hex, "hex")))).toThrow(malformed);
  });
});
