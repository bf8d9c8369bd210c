/** A running service's receipts in the formats of others, read as their own readers do. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import {
  hashMessage,
  isAddressEqual,
  recoverMessageAddress,
  sha256,
  toBytes,
  verifyMessage,
  type Hex,
} from "viem";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fromHex, jcs, toHex, utf8 } from "../codec/index.ts";
import { parseQuote } from "../attestation/index.ts";
import {
  aciBodiesMatch,
  keysetDigest,
  leafData,
  parseKeyset,
  verifyAciReceipt,
  verifyAirReceipt,
  verifyCoseReceipt,
  verifyTransparentStatement,
  parseReceiptHeader,
  statementDigest,
} from "../receipts/index.ts";
import { startService, type RunningService } from "./service-process.ts";

const MODEL = "breast-cancer";
const REQUEST = readFileSync(fileURLToPath(new URL(`../models/zoo/${MODEL}/example.json`, import.meta.url)));
const NONCE = "c0ffee".repeat(6);

const hash = (text: string): string => createHash("sha256").update(text).digest("hex");

let service: RunningService;
let answer: { response: Uint8Array; headers: Headers; id: string };

const get = (path: string, key: string | undefined = service.apiKey): Promise<Response> =>
  fetch(`${service.url}${path}`, { headers: key === undefined ? {} : { authorization: `Bearer ${key}` } });
const json = async <T>(path: string): Promise<T> => {
  const response = await get(path);
  expect(response.status, path).toBe(200);
  return (await response.json()) as T;
};

beforeAll(async () => {
  service = await startService();
  const response = await fetch(`${service.url}/v2/models/${MODEL}/infer`, {
    method: "POST",
    body: REQUEST,
    headers: {
      authorization: `Bearer ${service.apiKey}`,
      "content-type": "application/json",
      "affidavit-challenge-nonce": NONCE,
    },
  });
  expect(response.status).toBe(200);
  const { headers } = response;
  answer = {
    response: new Uint8Array(await response.arrayBuffer()),
    headers,
    id: headers.get("x-receipt-id")!,
  };
}, 90_000);

afterAll(async () => {
  await service?.stop();
}, 30_000);

interface Signature {
  text: string;
  signature: Hex;
  signing_address: Hex;
  signing_algo: string;
}
interface Report {
  signing_address: Hex;
  signing_algo: string;
  request_nonce: string;
  intel_quote: string;
}

describe("a reader of dstack's endpoints, with viem alone", () => {
  it("finds that the attested key signed what was sent and received", async () => {
    const nonce = createHash("sha256").update("a nonce").digest("hex");
    const query = `?model=${MODEL}&signing_algo=ecdsa`;
    const signed = await json<Signature>(`/v1/signature/${answer.id}${query}`);
    const report = await json<Report>(
      `/v1/attestation/report${query}&nonce=${nonce}&signing_address=${signed.signing_address}`,
    );
    // 1. The text is of these bytes.
    const hashes = [new Uint8Array(REQUEST), answer.response].map((body) => sha256(body).slice(2));
    expect(signed.text).toBe(hashes.join(":"));
    // 2. The signature is the address's.
    const { text: message, signature, signing_address: address } = signed;
    expect(await verifyMessage({ address, message, signature })).toBe(true);
    expect(isAddressEqual(await recoverMessageAddress({ message, signature }), report.signing_address)).toBe(
      true,
    );
    expect(hashMessage(message)).toHaveLength(66);
    // 3. The quote's report data holds the address and the nonce; TDX has it 520 bytes after its 48 of header.
    const quote = toBytes(`0x${report.intel_quote}`);
    const data = Buffer.from(quote.subarray(48 + 520, 48 + 584)).toString("hex");
    expect(data).toBe(report.signing_address.slice(2).padEnd(64, "0") + nonce);
    // 4. Another body, or another's signature, is refused.
    expect(
      await verifyMessage({
        address,
        message: message.replace(/^./, (c) => (c === "0" ? "1" : "0")),
        signature,
      }),
    ).toBe(false);
  });

  it("has it by Ed25519 too", async () => {
    const signed = await json<Signature>(`/v1/signature/${answer.id}?signing_algo=ed25519`);
    const report = await json<Report>(`/v1/attestation/report?signing_algo=ed25519&nonce=${"07".repeat(32)}`);
    expect(report.signing_address).toBe(signed.signing_address);
    const key = await crypto.subtle.importKey(
      "raw",
      fromHex(signed.signing_address).slice(),
      "Ed25519",
      false,
      ["verify"],
    );
    expect(
      await crypto.subtle.verify(
        "Ed25519",
        key,
        fromHex(signed.signature).slice(),
        utf8(signed.text).slice(),
      ),
    ).toBe(true);
    const { reportData } = parseQuote(fromHex(report.intel_quote)).body;
    expect(toHex(reportData)).toBe(signed.signing_address + "07".repeat(32));
  });
});

interface AciReport {
  workload_keyset_digest: string;
  attestation: {
    tee_type: string;
    report_data: string;
    workload_keyset: { receipt_signing_keys: { key_id: string; algo: string; public_key: string }[] };
    evidence: { quote: string };
  };
}

describe("ACI v1", () => {
  it("report to keyset to receipt to bytes", async () => {
    const nonce = "5a".repeat(32);
    const report = await json<AciReport>(`/v1/aci/attestation?nonce=${nonce}`);
    const { workload_keyset: keyset, report_data, evidence, tee_type } = report.attestation;
    expect(tee_type).toBe("simulated_tdx");
    expect(report.workload_keyset_digest).toBe(`sha256:${hash(jcs(keyset as never))}`);
    const statement = `{"keyset_digest":"${report.workload_keyset_digest}","nonce":"${nonce}","purpose":"aci.report_data.v1"}`;
    expect(report_data).toBe(hash(statement));
    expect(toHex(parseQuote(fromHex(evidence.quote)).body.reportData)).toBe(report_data.padEnd(128, "0"));

    expect(answer.headers.get("x-aci-version")).toBe("aci/1");
    expect(answer.headers.get("x-aci-keyset-digest")).toBe(report.workload_keyset_digest);
    const response = await get(`/v1/aci/receipts/${answer.id}`);
    const signingKeys = keyset.receipt_signing_keys.map((key) => ({
      keyId: key.key_id,
      publicKey: fromHex(key.public_key),
    }));
    const receipt = verifyAciReceipt(await response.text(), {
      digest: fromHex(report.workload_keyset_digest.slice(7)),
      signingKeys,
    });
    expect(receipt).toMatchObject({
      receiptId: answer.id,
      model: MODEL,
      endpoint: `/v2/models/${MODEL}/infer`,
    });
    expect(aciBodiesMatch(receipt, REQUEST, answer.response)).toBe(true);
  });

  it("without a nonce says null", async () => {
    const report = await json<AciReport>("/v1/aci/attestation");
    const statement = `{"keyset_digest":"${report.workload_keyset_digest}","nonce":null,"purpose":"aci.report_data.v1"}`;
    expect(report.attestation.report_data).toBe(createHash("sha256").update(statement).digest("hex"));
  });
});

describe("AIR v1", () => {
  it("is the owner's receipt of the same answer", async () => {
    const response = await get(`/v1/receipts/${answer.id}?format=air`);
    expect(response.headers.get("content-type")).toContain("application/eat+cwt");
    const receipt = new Uint8Array(await response.arrayBuffer());
    const bundle = await json<{
      keyset: string;
      evidence: { quote: string };
      statement: { modelId: string };
    }>(`/v1/receipts/${answer.id}`);
    const keyset = parseKeyset(bundle.keyset);
    const quote = Buffer.from(bundle.evidence.quote, "base64");
    const { body } = parseQuote(quote);
    const policy = {
      now: new Date(),
      maxAgeSeconds: 600,
      nonce: fromHex(NONCE),
      modelHash: fromHex(bundle.statement.modelId),
      requestHash: createHash("sha256").update(REQUEST).digest(),
      responseHash: createHash("sha256").update(answer.response).digest(),
      attestationDocHash: createHash("sha256").update(quote).digest(),
      platform: "tdx-mrtd-rtmr",
    } as const;
    const found = verifyAirReceipt(receipt, keyset.airPublicKey, { ...policy, allowEvaluation: true });
    expect(found).toMatchObject({
      verdict: "accepted",
      claims: { modelId: MODEL, cti: fromHex(answer.id).slice(0, 16) },
    });
    expect(toHex(found.claims!.measurements.pcr0)).toBe("mrTd" in body ? toHex(body.mrTd) : "");
    // A simulated TEE says so, and nobody's default policy takes it.
    expect(verifyAirReceipt(receipt, keyset.airPublicKey, policy).code).toBe("EVALUATION_MODE_REJECTED");
    expect(verifyAirReceipt(receipt, keyset.aciPublicKey, policy).code).toBe("SIG_FAILED");
  });
});

describe("COSE", () => {
  it("receipt and transparent statement of the leaf verify under the log's key", async () => {
    await get(`/v1/receipts/${answer.id}/inclusion?wait=inclusion`);
    const bytes = async (format: string) =>
      new Uint8Array(await (await get(`/v1/receipts/${answer.id}?format=${format}`)).arrayBuffer());
    const { keyset: text } = await json<{ keyset: string }>(`/v1/receipts/${answer.id}`);
    const { log } = parseKeyset(text);
    const header = parseReceiptHeader(answer.headers.get("affidavit-receipt")!);
    const digest = statementDigest(header.type as "InferenceStatement", header.statement as never);
    expect(toHex(digest)).toBe(answer.id);
    const leaf = leafData("InferenceStatement", digest, keysetDigest(text), header.signature);
    const place = verifyCoseReceipt(await bytes("cose"), leaf, log);
    expect(place.treeSize).toBeGreaterThan(place.leafIndex);
    const statement = verifyTransparentStatement(await bytes("scitt"), log);
    expect(toHex(statement.leaf)).toBe(toHex(leaf));
  });
});

describe("whose they are", () => {
  it("no key, a wrong one or another tenant's gets nothing", async () => {
    const paths = [
      `/v1/aci/receipts/${answer.id}`,
      `/v1/signature/${answer.id}`,
      `/v1/receipts/${answer.id}?format=air`,
    ];
    const made = await fetch(`${service.url}/v1/keys`, {
      method: "POST",
      headers: { authorization: `Bearer ${service.apiKey}`, "content-type": "application/json" },
      body: JSON.stringify({ label: "another account", scopes: ["infer"] }),
    });
    const { key: stranger } = (await made.json()) as { key: string };
    expect((await get("/v1/account", stranger)).status).toBe(200);
    for (const path of paths) {
      expect((await fetch(`${service.url}${path}`)).status).toBe(401);
      expect((await get(path, "x".repeat(40))).status).toBe(401);
      expect((await get(path, stranger)).status).toBe(404);
      expect((await get(path.replace(answer.id, "00".repeat(32)))).status).toBe(404);
      expect((await get(path.replace(answer.id, "no-digest"))).status).toBe(404);
    }
  });
});
