import { describe, expect, test } from "vitest";
import { concat, toHex, utf8 } from "../../codec/index.ts";
import { AES_128_GCM, encodeRequestHeader } from "../../sealing/index.ts";
import { x25519FromPrivateKey } from "../../vault/host/x25519.ts";
import { binaryRequest, encapsulate, keyOf, parseBinaryAnswer } from "./testing/seal.ts";
import { GATEWAY_TENANT } from "../db/columns.ts";
import { ServiceError } from "../problem.ts";
import type { Services } from "../services.ts";
import { createTestBench, KEY, type TestBench } from "./testing/services.ts";

const GATEWAY = "/.well-known/ohttp-gateway";
const BODY = '{"inputs":[{"name":"x","datatype":"FP32","shape":[2],"data":[1,2]}]}';
const INFER = {
  method: "POST",
  path: "/v2/models/double/infer",
  fields: [
    ["authorization", `Bearer ${KEY}`],
    ["content-type", "application/json"],
    ["affidavit-salt", "11".repeat(32)],
  ] as [string, string][],
  content: utf8(BODY),
};

function post(bench: TestBench, body: Uint8Array, type = "message/ohttp-req"): Promise<Response> {
  const headers = { "content-type": type };
  return bench.request(GATEWAY, { method: "POST", headers, body: body as Uint8Array<ArrayBuffer> });
}

async function exchange(bench: TestBench, request: Parameters<typeof binaryRequest>[0]) {
  const sealed = await encapsulate(keyOf(bench), encodeRequestHeader(1), binaryRequest(request));
  const answer = await post(bench, sealed.message);
  expect(answer.status).toBe(200);
  expect(answer.headers.get("content-type")).toBe("message/ohttp-res");
  return parseBinaryAnswer(await sealed.open(new Uint8Array(await answer.arrayBuffer())));
}

describe("the gateway", () => {
  test("lists its keys with their lengths", async () => {
    const bench = createTestBench();
    const answer = await bench.request(GATEWAY);
    expect(answer.headers.get("content-type")).toBe("application/ohttp-keys");
    const keys = toHex(new Uint8Array(await answer.arrayBuffer()));
    expect(keys).toBe(`002d010020${toHex(keyOf(bench))}00080001000200010001`);
  });

  test("has one limit for all who come this way, apart from the limits of whose key is inside", async () => {
    const admitted: string[] = [];
    const ended: unknown[] = [];
    let refused = false;
    const tenants: Services["tenants"] = {
      requireActive: async () => {},
      admit: async (tenantId) => {
        admitted.push(tenantId);
        if (refused) throw new ServiceError("rate_limited", undefined, { retryAfterSeconds: 7 });
        return { headers: {}, end: (outcome) => ended.push(outcome) };
      },
    };
    const bench = createTestBench({ services: { tenants } });
    await exchange(bench, INFER);
    expect(admitted).toEqual([GATEWAY_TENANT, "one"]);
    expect(ended).toMatchObject([{ answered: true, inputBytes: BODY.length }, { answered: true }]);
    refused = true;
    const answer = await post(bench, utf8("not even looked at"));
    expect([answer.status, answer.headers.get("retry-after"), bench.calls.length]).toEqual([429, "7", 1]);
  });

  test("answers what is inside as if it had come by itself, headers and errors too", async () => {
    const bench = createTestBench();
    const { status, fields, content } = await exchange(bench, INFER);
    expect(status).toBe(200);
    expect(JSON.parse(new TextDecoder().decode(content))).toMatchObject({ outputs: [{ data: [2, 4] }] });
    expect(fields.get("affidavit-receipt-id")).toBe("r1");
    expect(bench.calls[0]).toMatchObject({
      salt: new Uint8Array(32).fill(0x11),
      account: { accountId: "alice" },
    });
    expect((await exchange(bench, { ...INFER, fields: [] })).status).toBe(401);
    expect((await exchange(bench, { ...INFER, content: utf8("no JSON") })).status).toBe(400);
    const got = await exchange(bench, {
      method: "GET",
      path: "/livez",
      fields: [],
      content: new Uint8Array(0),
    });
    expect(got.status).toBe(200);
    // A caller cannot say of itself that it came through here, nor can it when it did be asked for more.
    const salted = { ...INFER, path: "/v1/receipts/r1/salt", content: utf8("{}") };
    expect((await exchange(bench, { ...salted, fields: INFER.fields.slice(0, 2) })).status).toBe(200);
    expect((await bench.infer("{}", { "via-ohttp": "true", viaohttp: "true" }, salted.path)).status).toBe(
      403,
    );
  });

  test("speaks AES-128-GCM with clients that have no other", async () => {
    const bench = createTestBench();
    const header = encodeRequestHeader(1, AES_128_GCM);
    const sealed = await encapsulate(keyOf(bench), header, binaryRequest(INFER));
    const answer = new Uint8Array(await (await post(bench, sealed.message)).arrayBuffer());
    expect(parseBinaryAnswer(await sealed.open(answer)).status).toBe(200);
  });

  test("gives a salt that the vault made, since the answer is sealed whole", async () => {
    const headers = { "affidavit-salt": "ab".repeat(32), "content-type": "application/json" };
    const bench = createTestBench({ infer: async () => ({ status: 200, headers, body: utf8("{}") }) });
    expect((await exchange(bench, INFER)).fields.get("affidavit-salt")).toBe("ab".repeat(32));
  });

  test("refuses what does not open, was there before, or is no request for it", async () => {
    const bench = createTestBench();
    const seal = (plain: Uint8Array, header = encodeRequestHeader(1), key = keyOf(bench)) =>
      encapsulate(key, header, plain).then(({ message }) => message);
    const good = binaryRequest(INFER);
    const stranger = x25519FromPrivateKey(new Uint8Array(32).fill(8)).publicKey;
    const flipped = async (at: number) => (await seal(good)).map((byte, i) => (i === at ? byte ^ 1 : byte));
    const cases: [string, Uint8Array][] = [
      ["ohttp_key_unknown", await seal(good, undefined, stranger)],
      ["ohttp_key_unknown", await seal(good, encodeRequestHeader(2))],
      ["ohttp_key_unknown", await flipped(8)],
      ["ohttp_key_unknown", await flipped(60)],
      ["ohttp_request_invalid", new Uint8Array(54)],
      ["ohttp_request_invalid", await seal(new Uint8Array(0))],
      ["ohttp_request_invalid", await seal(concat(Uint8Array.of(1), good.subarray(1)))],
      ["ohttp_request_invalid", await seal(binaryRequest({ ...INFER, path: GATEWAY }))],
      ["ohttp_request_invalid", await seal(binaryRequest({ ...INFER, path: `/x/..${GATEWAY}?a` }))],
      ["ohttp_request_invalid", await seal(binaryRequest({ ...INFER, path: GATEWAY.replace("o", "%6f") }))],
      ["ohttp_request_invalid", await seal(binaryRequest({ ...INFER, method: "GET" }))],
      ...(await Promise.all(
        [0, 1, 2, 3, 4, 5, 6].map(async (at): Promise<[string, Uint8Array]> => [
          "ohttp_key_unknown",
          await flipped(at),
        ]),
      )),
    ];
    for (const [code, message] of cases) {
      const answer = await post(bench, message);
      expect(answer.status).toBe(400);
      const problem = (await answer.json()) as { code: string; type: string };
      expect(problem.code).toBe(code);
      const type = "https://iana.org/assignments/http-problem-types#ohttp-key";
      if (code === "ohttp_key_unknown") expect(problem.type).toBe(type);
    }
    const once = await seal(good);
    expect((await post(bench, once)).status).toBe(200);
    expect((await post(bench, once)).status).toBe(409);
    expect((await post(bench, await seal(good), "text/plain")).status).toBe(415);
    expect(bench.calls).toHaveLength(1);
  });
});
