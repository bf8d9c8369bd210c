import { describe, expect, test } from "vitest";
import { encodeInferRequest } from "../models/client.ts";
import { createTestBench, KEY } from "./routes/testing/services.ts";

describe("every answer", () => {
  test("carries a request id: the caller's where it is well formed, else a new one", async () => {
    const bench = createTestBench();
    const id = async (given?: string) => {
      const headers = new Headers(given === undefined ? [] : [["x-request-id", given]]);
      return (await bench.request("/livez", { headers })).headers.get("x-request-id");
    };
    expect(await id("abc-1")).toBe("abc-1");
    for (const bad of ["a b", "x".repeat(65), "a;b", undefined])
      expect(await id(bad)).toMatch(/^[0-9a-f]{32}$/);
    const missing = await bench.request("/nothing", { headers: { "x-request-id": "abc-2" } });
    expect(missing.headers.get("x-request-id")).toBe("abc-2");
    expect(await missing.json()).toMatchObject({ code: "route_not_found", traceId: "abc-2" });
  });

  test("carries security headers, errors too", async () => {
    for (const path of ["/livez", "/nothing", "/v1/account"]) {
      const { headers } = await createTestBench().request(path);
      expect(headers.get("x-content-type-options")).toBe("nosniff");
      expect(headers.get("content-security-policy")).toContain("default-src 'none'");
      expect(headers.get("referrer-policy")).toBe("no-referrer");
    }
  });

  test("names the methods of a path", async () => {
    const response = await createTestBench().request("/v1/models", { method: "DELETE" });
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toContain("GET");
    expect(await response.json()).toMatchObject({ code: "method_not_allowed" });
  });
});

describe("browsers of other origins", () => {
  test("may send every header of ours and no other", async () => {
    const response = await createTestBench().request("/v2/models/double/infer", {
      method: "OPTIONS",
      headers: {
        origin: "https://example.com",
        "access-control-request-method": "POST",
        "access-control-request-headers":
          "Authorization, Affidavit-Salt, ehbp-encapsulated-key, Inference-Header-Content-Length, X-Evil",
      },
    });
    expect(response.status).toBe(204);
    expect(response.headers.get("access-control-allow-origin")).toBe("*");
    expect(response.headers.get("access-control-allow-headers")).toBe(
      "authorization, affidavit-salt, ehbp-encapsulated-key, inference-header-content-length",
    );
    expect(response.headers.get("access-control-allow-credentials")).toBeNull();
  });

  test("may read the receipt, in problems the code", async () => {
    const bench = createTestBench();
    for (const path of ["/livez", "/nothing"]) {
      const { headers } = await bench.request(path, { headers: { origin: "https://example.com" } });
      expect(headers.get("access-control-allow-origin")).toBe("*");
      expect(headers.get("access-control-expose-headers")).toContain("Affidavit-Receipt,");
    }
  });
});

describe("shutdown", () => {
  test("refuses what is new, finishes what runs, stays visible to supervisors", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const bench = createTestBench({
      infer: async () => {
        await promise;
        return { status: 200, headers: {}, body: new Uint8Array(2) };
      },
    });
    const running = bench.infer("{}");
    const drained = bench.services.lifecycle.drain(10_000);
    const refused = await bench.infer("{}");
    expect(refused.status).toBe(503);
    expect(refused.headers.get("connection")).toBe("close");
    expect(refused.headers.get("retry-after")).not.toBeNull();
    expect(refused.headers.get("access-control-allow-origin")).toBe("*");
    expect(await refused.json()).toMatchObject({ code: "service_draining" });
    expect((await bench.request("/livez")).status).toBe(200);
    const ready = await bench.request("/readyz");
    expect(ready.status).toBe(503);
    expect(await ready.json()).toMatchObject({ ready: false, draining: true });
    resolve();
    expect((await running).status).toBe(200);
    expect(await drained).toBe(true);
  });

  test("gives up at the time limit", async () => {
    const never = Promise.withResolvers<never>();
    const bench = createTestBench({ infer: () => never.promise });
    void bench.infer("{}");
    expect(await bench.services.lifecycle.drain(10)).toBe(false);
  });
});

test("the log holds no body, key, salt, idempotency key, path parameter or query", async () => {
  const bench = createTestBench();
  const secrets = [
    "secret-input-name",
    "ab".repeat(32),
    "idem-secret",
    "receipt-secret",
    "nonce-secret",
    KEY,
  ];
  const body = encodeInferRequest({
    inputs: [{ name: "secret-input-name", datatype: "FP32", shape: [1], data: new Uint8Array(4) }],
  }).body as Uint8Array<ArrayBuffer>;
  await bench.infer(body, { "affidavit-salt": "ab".repeat(32), "idempotency-key": "idem-secret" });
  await bench.infer("secret-input-name");
  await bench.request("/v1/receipts/receipt-secret?token=nonce-secret", { key: KEY });
  await bench.request("/receipt-secret?x=nonce-secret", {
    headers: { "x-api-key": "nonce-secret-of-some-length" },
  });
  const logged = bench.logged();
  expect(logged.split("\n").filter(Boolean)).toHaveLength(4);
  expect(logged).toContain('"route":"/v2/models/:name/infer"');
  expect(logged).toContain('"account":"alice"');
  for (const secret of secrets) expect(logged).not.toContain(secret);
});
