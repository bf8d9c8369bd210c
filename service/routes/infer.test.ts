import { gzipSync, deflateSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { concat, toHex, utf8 } from "../../codec/index.ts";
import { encodeInferRequest, ModelError, parseInferResponse } from "../../models/client.ts";
import type { Tensor } from "../../receipts/index.ts";
import { ServiceError } from "../problem.ts";
import type { Services } from "../services.ts";
import { ADMIN_KEY, createTestBench, KEY, OTHER_KEY } from "./testing/services.ts";

const x: Tensor = {
  name: "x",
  datatype: "FP32",
  shape: [2],
  data: new Uint8Array(Float32Array.of(1, 2).buffer),
};
const doubled = toHex(new Uint8Array(Float32Array.of(2, 4).buffer));
const json = encodeInferRequest({ inputs: [x] }).body as Uint8Array<ArrayBuffer>;

async function code(response: Response): Promise<unknown> {
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  const problem = (await response.json()) as Record<string, unknown>;
  expect(problem).toMatchObject({
    status: response.status,
    charged: false,
    type: `/problems/${String(problem["code"])}`,
  });
  expect(problem["error"]).toBe(problem["detail"]);
  return problem["code"];
}

describe("infer", () => {
  test("JSON in, JSON out, byte for byte as the pipeline made it", async () => {
    const bench = createTestBench();
    const response = await bench.infer(json);
    expect(response.status).toBe(200);
    expect(response.headers.get("cache-control")).toBe("no-store, no-transform");
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(response.headers.get("affidavit-receipt-id")).toBe("r1");
    expect(response.headers.get("inference-header-content-length")).toBeNull();
    const body = new Uint8Array(await response.arrayBuffer());
    expect(response.headers.get("content-length")).toBe(String(body.length));
    expect(toHex(parseInferResponse(body).outputs[0]!.data)).toBe(doubled);
    expect(bench.calls[0]).toMatchObject({
      modelName: "double",
      modelVersion: undefined,
      path: "/v2/models/double/infer",
    });
    expect(bench.calls[0]!.account).toEqual({ accountId: "alice", tenantId: "one", keyId: "k1" });
  });

  test("binary in, binary out, by version", async () => {
    const bench = createTestBench();
    const { body, headerLength, contentType } = encodeInferRequest({ inputs: [x] }, { binary: true });
    const response = await bench.infer(
      body as Uint8Array<ArrayBuffer>,
      { "content-type": contentType, "inference-header-content-length": String(headerLength) },
      "/v2/models/double/versions/1.0.0/infer",
    );
    const length = Number(response.headers.get("inference-header-content-length"));
    const parsed = parseInferResponse(new Uint8Array(await response.arrayBuffer()), length);
    expect(toHex(parsed.outputs[0]!.data)).toBe(doubled);
    expect(bench.calls[0]!.modelVersion).toBe("1.0.0");
  });

  test.each([
    ["gzip", gzipSync],
    ["x-gzip", gzipSync],
    ["deflate", deflateSync],
  ])("%s bodies reach the pipeline inflated", async (encoding, compress) => {
    const bench = createTestBench();
    const response = await bench.infer(compress(json), { "content-encoding": encoding });
    expect(response.status).toBe(200);
    expect(toHex(bench.calls[0]!.body)).toBe(toHex(json));
  });

  test("headers reach the pipeline as bytes", async () => {
    const bench = createTestBench();
    await bench.infer(json, {
      "affidavit-salt": "ab".repeat(32),
      "affidavit-audience": `8453:0x${"Cd".repeat(20)}`,
      "idempotency-key": "order-7",
      "x-request-id": "trace-1",
    });
    const call = bench.calls[0]!;
    expect(toHex(call.salt!)).toBe("ab".repeat(32));
    expect(call.audience!.chainId).toBe(8453n);
    expect(toHex(call.audience!.address)).toBe("cd".repeat(20));
    expect(call).toMatchObject({ idempotencyKey: "order-7", traceId: "trace-1" });
  });
});

describe("refusals", () => {
  test.each<[string, Record<string, string>]>([
    ["request_header_invalid", { "affidavit-salt": "ab".repeat(31) }],
    ["request_header_invalid", { "affidavit-salt": `0x${"ab".repeat(31)}` }],
    ["request_header_invalid", { "affidavit-audience": `0:0x${"cd".repeat(20)}` }],
    ["request_header_invalid", { "affidavit-audience": `1:${"cd".repeat(20)}` }],
    ["request_header_invalid", { "affidavit-audience": `${2n ** 256n}:0x${"cd".repeat(20)}` }],
    ["request_header_invalid", { "affidavit-assurance": "zk" }],
    ["request_header_invalid", { "affidavit-value-at-risk": "-1" }],
    ["request_header_invalid", { "affidavit-value-at-risk": "1.1234567" }],
    ["request_header_invalid", { "affidavit-unknown": "1" }],
    ["request_header_invalid", { "idempotency-key": "k".repeat(256) }],
    ["request_header_invalid", { "idempotency-key": "two words" }],
    ["request_header_invalid", { "inference-header-content-length": "-1" }],
    ["request_header_invalid", { "inference-header-content-length": "1e3" }],
    ["oip_header_length_invalid", { "inference-header-content-length": "9999" }],
    ["content_type_unsupported", { "content-type": "application/x-www-form-urlencoded" }],
    ["content_type_unsupported", { "content-type": "text/html; charset=utf-8" }],
    ["request_encoding_unsupported", { "content-encoding": "br" }],
    ["request_encoding_unsupported", { "content-encoding": "gzip, gzip" }],
    ["request_encoding_invalid", { "content-encoding": "gzip" }],
  ])("%s %j", async (expected, headers) => {
    expect(await code(await createTestBench().infer(json, headers))).toBe(expected);
  });

  test.each<[string, number, Record<string, string>]>([
    ["unauthenticated", 401, {}],
    ["api_key_invalid", 401, { authorization: `Bearer ${KEY}x` }],
    ["api_key_invalid", 401, { authorization: `Basic ${KEY}` }],
    ["api_key_invalid", 401, { authorization: `Bearer ${KEY}`, "x-api-key": KEY }],
    ["api_key_invalid", 401, { "x-api-key": "short" }],
  ])("%s %i %j", async (expected, status, headers) => {
    const bench = createTestBench();
    const response = await bench.request("/v2/models/double/infer", { method: "POST", body: json, headers });
    expect(response.status).toBe(status);
    expect(response.headers.get("www-authenticate")).toMatch(/^Bearer/);
    expect(await code(response)).toBe(expected);
    expect(bench.calls).toHaveLength(0);
  });

  test("a store that hands back another key's row lets nobody in", async () => {
    const account = { accountId: "mallory", tenantId: "one", keyId: "k" };
    const bench = createTestBench();
    bench.services.keys.find = async () => ({ account, scopes: ["infer"], digest: new Uint8Array(32) });
    expect(await code(await bench.infer(json))).toBe("api_key_invalid");
  });

  test("a key without the scope is refused, however good it is otherwise", async () => {
    const bench = createTestBench();
    const init = { method: "POST", body: json, key: ADMIN_KEY };
    const response = await bench.request("/v2/models/double/infer", init);
    expect(response.status).toBe(403);
    expect(await code(response)).toBe("scope_missing");
    expect(bench.calls).toHaveLength(0);
  });

  test("X-API-Key does as well as Bearer", async () => {
    const init = { method: "POST", body: json, headers: { "x-api-key": KEY } };
    expect((await createTestBench().request("/v2/models/double/infer", init)).status).toBe(200);
  });

  test("an error of the pipeline keeps its code, its status and its Retry-After", async () => {
    const overloaded = createTestBench({
      infer: async () => {
        throw new ModelError("engine_overloaded", "the queue is full", { retryAfterMs: 2500 });
      },
    });
    const response = await overloaded.infer(json);
    expect(response.status).toBe(429);
    expect(response.headers.get("retry-after")).toBe("3");
    expect(await code(response)).toBe("engine_overloaded");
    const expired = createTestBench({
      infer: async () => {
        throw new ServiceError("idempotency_expired", "gone", { receiptId: "r9" });
      },
    });
    const gone = await expired.infer(json);
    expect(gone.status).toBe(410);
    expect(await gone.json()).toMatchObject({ code: "idempotency_expired", receiptId: "r9" });
  });

  test("an unknown fault says nothing of itself", async () => {
    const bench = createTestBench({
      infer: async () => {
        throw new Error("hunter2 at row 7");
      },
    });
    const text = await (await bench.infer(json)).text();
    expect(text).toContain('"code":"internal"');
    expect(text).not.toContain("hunter2");
    expect(bench.logged()).toContain("request failed");
    expect(bench.logged()).not.toContain("hunter2");
  });
});

const chunked = (bytes: Uint8Array): RequestInit =>
  ({
    body: new ReadableStream({
      pull(controller) {
        controller.enqueue(bytes.slice());
      },
    }),
    duplex: "half",
  }) as RequestInit;

describe("limits", () => {
  const big = concat(json, new Uint8Array(2000).fill(32)) as Uint8Array<ArrayBuffer>;

  test("a body above the limit is refused by its length", async () => {
    const bench = createTestBench({ limits: { maxBodyBytes: 1000 } });
    expect(await code(await bench.infer(big, { "content-length": String(big.length) }))).toBe(
      "request_body_too_large",
    );
  });

  test("a body without an end is refused while it arrives", async () => {
    const bench = createTestBench({ limits: { maxBodyBytes: 100_000 } });
    const response = await bench.request("/v2/models/double/infer", {
      method: "POST",
      key: KEY,
      ...chunked(big),
    });
    expect(response.status).toBe(413);
    expect(await code(response)).toBe("request_body_too_large");
  });

  test("a length that is not kept is refused", async () => {
    const response = await createTestBench().infer(json, { "content-length": String(json.length + 1) });
    expect(await code(response)).toBe("request_body_incomplete");
  });

  test("a gzip bomb stops at the ratio and at the size", async () => {
    const bomb = gzipSync(new Uint8Array(20_000_000));
    const byRatio = createTestBench({ limits: { maxInflateRatio: 10 } });
    expect(await code(await byRatio.infer(bomb, { "content-encoding": "gzip" }))).toBe(
      "request_inflates_too_much",
    );
    const bySize = createTestBench({ limits: { maxBodyBytes: 1_000_000, maxInflateRatio: 1e6 } });
    expect(await code(await bySize.infer(bomb, { "content-encoding": "gzip" }))).toBe(
      "request_inflates_too_much",
    );
    // What the refused ones held is free again.
    expect((await bySize.infer(json)).status).toBe(200);
  });

  test("bodies held together stay below one sum", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const started = Promise.withResolvers<void>();
    const bench = createTestBench({
      limits: { maxHeldBodyBytes: json.length * 1.5 },
      infer: async () => {
        started.resolve();
        await promise;
        return { status: 200, headers: {}, body: utf8("{}") };
      },
    });
    const first = bench.infer(json);
    await started.promise;
    const second = await bench.infer(json);
    expect(second.status).toBe(503);
    expect(second.headers.get("retry-after")).toBe("1");
    expect(await code(second)).toBe("service_overloaded");
    resolve();
    expect((await first).status).toBe(200);
    expect((await bench.infer(json)).status).toBe(200);
  });

  test("no more inferences at one time than allowed", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const bench = createTestBench({
      limits: { maxInFlight: 2 },
      infer: async () => {
        await promise;
        return { status: 200, headers: {}, body: utf8("{}") };
      },
    });
    const running = [bench.infer(json), bench.infer(json)];
    expect(await code(await bench.infer(json))).toBe("service_overloaded");
    resolve();
    for (const response of await Promise.all(running)) expect(response.status).toBe(200);
  });

  test("time runs out: the caller is told, the pipeline's signal fires, its place stays taken until it ends", async () => {
    let signal: AbortSignal | undefined;
    const { promise, resolve } = Promise.withResolvers<void>();
    const bench = createTestBench({
      limits: { requestTimeoutMs: 20, maxInFlight: 1 },
      infer: async (call) => {
        signal = call.signal;
        await promise;
        return { status: 200, headers: {}, body: utf8("{}") };
      },
    });
    const response = await bench.infer(json);
    expect(response.status).toBe(504);
    expect(await code(response)).toBe("request_timeout");
    expect(signal!.aborted).toBe(true);
    expect(await code(await bench.infer(json))).toBe("service_overloaded");
    resolve();
    await new Promise((done) => setTimeout(done, 5));
    expect((await bench.infer(json)).status).toBe(200);
  });
});

test("metrics name models from manifests and codes from the table alone", async () => {
  const bench = createTestBench();
  await bench.infer(json);
  await bench.infer(utf8("{") as Uint8Array<ArrayBuffer>, {}, "/v2/models/hunter2/infer");
  await bench.request("/hunter2");
  const text = await (await bench.request("/metrics")).text();
  expect(text).toContain('affidavit_inferences_total{model="double",version="2.0.0",outcome="ok"} 1');
  expect(text).toContain(
    'affidavit_inferences_total{model="unknown",version="unknown",outcome="oip_not_json"} 1',
  );
  expect(text).toContain('route="unmatched",status="404"');
  expect(text).not.toContain("hunter2");
});

describe("a tenant's limits", () => {
  const ended: unknown[] = [];
  const headers = { "ratelimit-policy": '"minute";q=4;w=60', ratelimit: '"minute";r=3;t=15' };
  const tenants = (refusal?: ServiceError): Services["tenants"] => ({
    requireActive: async (tenantId) => {
      if (tenantId === "two") throw new ServiceError("tenant_suspended");
    },
    admit: async () => {
      if (refusal) throw refusal;
      return { headers, end: (outcome) => ended.push(outcome) };
    },
  });

  test("are told with the answer, which is counted with its bytes", async () => {
    const bench = createTestBench({ services: { tenants: tenants() } });
    const answer = await bench.infer(json);
    const body = await answer.arrayBuffer();
    expect(Object.fromEntries(answer.headers)).toMatchObject(headers);
    expect((await bench.infer("no JSON")).status).toBe(400);
    expect(ended).toEqual([
      { answered: true, inputBytes: json.length, outputBytes: body.byteLength },
      { answered: false, inputBytes: 7, outputBytes: 0 },
    ]);
  });

  test("refuse before the body is read", async () => {
    const refusal = new ServiceError("quota_exceeded", undefined, { retryAfterSeconds: 60, headers });
    const bench = createTestBench({ services: { tenants: tenants(refusal) } });
    const answer = await bench.infer("x".repeat(100));
    expect([answer.status, answer.headers.get("retry-after")]).toEqual([429, "60"]);
    expect(Object.fromEntries(answer.headers)).toMatchObject(headers);
    expect([await code(answer), bench.calls.length]).toEqual(["quota_exceeded", 0]);
  });

  test("do not matter to one that is suspended: it is let in nowhere", async () => {
    const bench = createTestBench({ services: { tenants: tenants() } });
    for (const path of ["/v1/account", "/v1/models", "/v1/receipts", "/v2/models/double"]) {
      const answer = await bench.request(path, { key: OTHER_KEY });
      expect([path, answer.status, await code(answer)]).toEqual([path, 403, "tenant_suspended"]);
    }
    expect((await bench.request("/v1/models")).status).toBe(200);
  });
});
