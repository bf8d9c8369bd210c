import { beforeEach, describe, expect, it } from "vitest";
import { toHex } from "../codec/index.ts";
import { createFixtureService, type FixtureService } from "../test/fixture-service.ts";
import { requestBody, responseBody } from "../test/model-fixture.ts";
import { NOW } from "../test/receipt-fixture.ts";
import { createClient, type InferResult } from "./client.ts";
import { AffidavitError } from "./errors.ts";
import { verifiedFetch } from "./fetch.ts";

let service: FixtureService;
let results: InferResult[];
let fetchVerified: ReturnType<typeof verifiedFetch>;

beforeEach(async () => {
  service = await createFixtureService();
  results = [];
  const policy = { allowSimulated: true };
  const client = createClient({ url: "http://fixture.test", policy, fetch: service.fetch, now: () => NOW });
  fetchVerified = verifiedFetch(client, (result) => results.push(result));
});

const INFER = "http://fixture.test/v2/models/fixture/infer";
const body = () => requestBody().bytes as Uint8Array<ArrayBuffer>;

async function detail(input: string, init?: RequestInit): Promise<string> {
  try {
    await fetchVerified(input, init);
    return "none";
  } catch (error) {
    if (!(error instanceof AffidavitError)) throw error;
    return error.detail ?? error.code;
  }
}

describe("verifiedFetch", () => {
  it("answers like fetch, with what the receipt covers and a type of its own", async () => {
    for (const url of [INFER, "/v2/models/fixture/infer", "/v2/models/fixture/versions/1.0.0/infer"]) {
      const response = await fetchVerified(url, { method: "POST", body: body() });
      expect(response.status).toBe(200);
      expect(response.headers.get("content-type")).toBe("application/json");
      expect(response.headers.get("affidavit-receipt-id")).toBe(results.at(-1)!.receiptId);
      expect(new Uint8Array(await response.arrayBuffer())).toEqual(responseBody().bytes);
    }
    const request = new Request(INFER, { method: "POST", body: body() });
    expect((await fetchVerified(request)).ok).toBe(true);
  });

  it("heeds salt, audience, idempotency key and binary bodies", async () => {
    const { bytes, contentType, headerLength } = requestBody(undefined, true);
    service.call = { response: responseBody(undefined, { binary: true }) };
    const response = await fetchVerified(INFER, {
      method: "POST",
      body: bytes as Uint8Array<ArrayBuffer>,
      headers: {
        "Content-Type": contentType,
        "Inference-Header-Content-Length": String(headerLength),
        "Affidavit-Salt": "5a".repeat(32),
        "Idempotency-Key": "once",
      },
    });
    expect(response.headers.get("inference-header-content-length")).toMatch(/^\d+$/);
    expect(toHex(results[0]!.privatePart.salt)).toBe("5a".repeat(32));
    const heard = service.heard.find(({ path }) => path.endsWith("/infer"))!;
    expect(heard.headers.get("idempotency-key")).toBe("once");
    expect(heard.headers.get("authorization")).toBeNull();
    const audience = {
      method: "POST",
      body: body(),
      headers: { "Affidavit-Audience": `1:0x${"11".repeat(20)}` },
    };
    service.call = {};
    expect(await detail(INFER, audience)).toBe("audience_mismatch");
    expect(
      service.heard.findLast(({ path }) => path.endsWith("/infer"))!.headers.get("affidavit-audience"),
    ).toBe(`1:0x${"11".repeat(20)}`);
  });

  it("refuses whatever nothing would verify, and sends nothing", async () => {
    const post = { method: "POST", body: body() };
    for (const url of [
      "http://other.test/v2/models/fixture/infer",
      "//other.test/v2/models/fixture/infer",
      "https://fixture.test/v2/models/fixture/infer",
      "http://fixture.test/v2/models/fixture",
      "http://fixture.test/v1/attestation",
      `${INFER}?x=1`,
      "http://fixture.test/v2/models/%zz/infer",
      "nonsense",
    ]) {
      expect(await detail(url, post)).toBe("not_verifiable");
    }
    expect(await detail(INFER)).toBe("not_verifiable");
    for (const headers of [
      { "Affidavit-Salt": "5a" },
      { "Affidavit-Audience": "1:0x11" },
      { "Affidavit-Other": "1" },
      { "Inference-Header-Content-Length": "abc" },
    ] as Record<string, string>[]) {
      expect(await detail(INFER, { ...post, headers })).toBe("header_invalid");
    }
    expect(await detail(INFER, { ...post, signal: AbortSignal.abort() })).toBe("cancelled");
    expect(service.heard).toEqual([]);
  });
});
