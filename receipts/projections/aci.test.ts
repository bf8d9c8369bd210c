import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { ed25519 } from "@noble/curves/ed25519.js";
import { describe, expect, it } from "vitest";
import { fromHex, jcs, sha256, toHex, utf8, type Json } from "../../codec/index.ts";
import { attestationStatement, reportData } from "../report-data.ts";
import {
  aciBodiesMatch,
  aciDigest,
  aciHash,
  aciKeyId,
  buildAciReceipt,
  signAciDocument,
  verifyAciReceipt,
} from "./aci.ts";

const SEED = new Uint8Array(32).fill(2);
const PUBLIC_KEY = ed25519.getPublicKey(SEED);
const sign = (message: Uint8Array): Uint8Array => ed25519.sign(message, SEED);
const REQUEST = utf8('{"inputs":[]}');
const RESPONSE = utf8('{"outputs":[]}');
const KEYSET_DIGEST = sha256(utf8("keyset"));
const KEYSET = {
  digest: KEYSET_DIGEST,
  signingKeys: [{ keyId: aciKeyId(PUBLIC_KEY), publicKey: PUBLIC_KEY }],
};
const FIELDS = {
  receiptId: "ab".repeat(32),
  model: "a model",
  keysetDigest: KEYSET_DIGEST,
  endpoint: "/v2/models/a/infer",
  servedAtSeconds: 1_750_000_000,
  requestHash: sha256(REQUEST),
  responseHash: sha256(RESPONSE),
  keyId: aciKeyId(PUBLIC_KEY),
};
const refusal = (code: string) => expect.objectContaining({ name: "ProjectionError", code });

describe("an ACI receipt", () => {
  const text = buildAciReceipt(FIELDS, sign);

  it("is its own JCS form and verifies in any encoding", () => {
    expect(jcs(JSON.parse(text))).toBe(text);
    const receipt = verifyAciReceipt(JSON.stringify(JSON.parse(text), null, 2), KEYSET);
    expect(receipt).toMatchObject({
      receiptId: FIELDS.receiptId,
      model: "a model",
      servedAtSeconds: 1_750_000_000,
    });
    expect(aciBodiesMatch(receipt, REQUEST, RESPONSE)).toBe(true);
    expect(aciBodiesMatch(receipt, RESPONSE, RESPONSE)).toBe(false);
    expect(aciBodiesMatch(receipt, REQUEST, REQUEST)).toBe(false);
  });

  const members = Object.keys(JSON.parse(text));
  it.each(members)("is refused with another %s, or without", (member) => {
    const changed = JSON.parse(text) as Record<string, Json>;
    changed[member] =
      member === "event_log"
        ? [...(changed[member] as Json[]), { type: "x" }]
        : `${String(changed[member])}0`;
    expect(() => verifyAciReceipt(JSON.stringify(changed), KEYSET)).toThrow();
    delete changed[member];
    expect(() => verifyAciReceipt(JSON.stringify(changed), KEYSET)).toThrow(refusal("aci_invalid"));
  });

  it("is refused by code", () => {
    const edit = (change: object) => signAciDocument(unsigned({ ...JSON.parse(text), ...change }), sign);
    const events = (JSON.parse(text) as { event_log: Json[] }).event_log;
    const other = { digest: sha256(utf8("other")), signingKeys: KEYSET.signingKeys };
    expect(() => verifyAciReceipt(text, other)).toThrow(refusal("aci_keyset_mismatch"));
    expect(() => verifyAciReceipt(text, { digest: KEYSET_DIGEST, signingKeys: [] })).toThrow(
      refusal("aci_key_unknown"),
    );
    expect(() => verifyAciReceipt(edit({ api_version: "aci/2" }), KEYSET)).toThrow(
      refusal("aci_version_unknown"),
    );
    expect(() => verifyAciReceipt(text.replace('"POST"', '"GET"'), KEYSET)).toThrow(
      refusal("aci_signature_invalid"),
    );
    for (const change of [
      { event_log: events.toReversed() },
      { event_log: [events[0], ...events] },
      { event_log: events.slice(0, 2) },
      { event_log: [{ ...(events[0] as object), more: {} }, ...events.slice(1)] },
      { event_log: "none" },
      { served_at: 1.5 },
      { model: 1 },
      { chat_id: [] },
      { more: 1 },
    ]) {
      expect(() => verifyAciReceipt(edit(change), KEYSET)).toThrow(refusal("aci_invalid"));
    }
    for (const bad of ["", "null", "[]", "[".repeat(60_000), " ".repeat(70_000)]) {
      expect(() => verifyAciReceipt(bad, KEYSET)).toThrow(refusal("aci_invalid"));
    }
  });
});

function unsigned(document: Record<string, Json>): Record<string, Json> {
  const { signature: _, ...rest } = document;
  return rest;
}

const FOLDER = `${process.env["AFFIDAVIT_VECTORS"] ?? fileURLToPath(new URL("../../../shared/vectors", import.meta.url))}/aci`;

describe.skipIf(!existsSync(FOLDER))(
  "published vectors (skipped where the folder of vectors is absent)",
  () => {
    const read = (name: string): string => readFileSync(`${FOLDER}/${name}`, "utf8");
    const page = existsSync(FOLDER) ? read("aci-test-vectors.md") : "";
    const lines = page.split("\n");
    const line = (start: string): string => lines.find((each) => each.startsWith(start))!;
    const value = (name: string): string => line(`${name} = `).slice(name.length + 3);
    const keyset = line('{"e2ee_public_keys"');
    const digest = sha256(utf8(keyset));
    const nonce = Uint8Array.from({ length: 32 }, (_, i) => i);

    it("keyset to digest", () => {
      expect(jcs(JSON.parse(keyset))).toBe(keyset);
      expect(aciHash(digest)).toBe(value("workload_keyset_digest"));
      expect(aciDigest(JSON.parse(keyset))).toBe(value("workload_keyset_digest"));
    });

    it("statement to report data, with and without a nonce", () => {
      const statements = lines.filter((each) => each.startsWith('{"keyset_digest"'));
      expect(statements).toEqual([attestationStatement(digest, nonce), attestationStatement(digest, null)]);
      expect(toHex(sha256(utf8(statements[0]!)))).toBe(value("report_data = sha256(statement)"));
      expect(toHex(reportData(digest, nonce))).toBe(lines.find((each) => /^[0-9a-f]{128}$/.test(each)));
      const unchallenged = toHex(reportData(digest, null).subarray(0, 32));
      expect(lines).toContain(`report_data = ${unchallenged}`);
    });

    it("session to id", () => {
      const session = lines.find((each) => each.includes('"established_at"'))!;
      expect(aciDigest(JSON.parse(session))).toBe(`sha256:${value("session_id")}`);
    });

    it("receipt to signature, byte for byte, in both directions", () => {
      const [input, served] = lines.filter((each) => each.startsWith('{"api_version":"aci/1","chat_id"'));
      expect(toHex(sha256(utf8(input!)))).toBe(value("sha256(signing input)"));
      expect(signAciDocument(JSON.parse(input!), sign)).toBe(served);
      const keys = { digest, signingKeys: [{ keyId: "receipt-1", publicKey: PUBLIC_KEY }] };
      const [request, response] = ['{"messages":[{"content":"hi"', '{"choices":[],"id"'].map((start) =>
        utf8(line(start)),
      );
      expect(aciBodiesMatch(verifyAciReceipt(served!, keys), request!, response!)).toBe(true);
      const tampered = served!.replace(
        '"model":"demo-model","receipt_id"',
        '"model":"other-model","receipt_id"',
      );
      expect(() => verifyAciReceipt(tampered, keys)).toThrow(refusal("aci_signature_invalid"));
    });

    it("our own receipt has the vector's form where we say the same", () => {
      const input = JSON.parse(lines.find((each) => each.startsWith('{"api_version":"aci/1","chat_id"'))!);
      const hash = (at: number): Uint8Array => fromHex(input.event_log.at(at).body_hash.slice(7));
      const built = buildAciReceipt(
        {
          receiptId: input.receipt_id,
          model: input.model,
          keysetDigest: digest,
          endpoint: input.endpoint,
          servedAtSeconds: input.served_at,
          requestHash: hash(0),
          responseHash: hash(-1),
          keyId: input.key_id,
        },
        sign,
      );
      // An aggregator's event and the chat's id are not ours to tell.
      const expected = {
        ...input,
        chat_id: null,
        event_log: input.event_log.filter((event: { type: string }) => event.type !== "upstream.verified"),
      };
      expect(built).toBe(signAciDocument(expected, sign));
    });

    it.each(["aci-aci_report.json", "aci-aci_report_fixture.json"])("report %s binds its keyset", (name) => {
      const report = JSON.parse(read(name));
      const { workload_keyset, report_data, evidence } = report.attestation;
      expect(aciDigest(workload_keyset)).toBe(report.workload_keyset_digest);
      const of = fromHex(report.workload_keyset_digest.slice(7));
      expect(report_data).toBe(toHex(reportData(of, REPORT_NONCE).subarray(0, 32)));
      expect(evidence.quote_report_data).toBe(report_data);
    });
  },
);

/** What the published reports were asked with. */
const REPORT_NONCE = fromHex("cd20088d763605cf78564e5b35524ad52715419624b76e029582a3652758708d");
