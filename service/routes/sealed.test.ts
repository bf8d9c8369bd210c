import { describe, expect, test } from "vitest";
import { concat, toHex, utf8 } from "../../codec/index.ts";
import { Sealer } from "../../client/sealed-exchange.ts";
import { x25519FromPrivateKey } from "../../vault/host/x25519.ts";
import { keyOf, SALT, sealInFrames, sealTo } from "./testing/seal.ts";
import { createTestBench, KEY, type TestBench } from "./testing/services.ts";

const REQUEST = '{"inputs":[{"name":"x","datatype":"FP32","shape":[2],"data":[1,2]}]}';

function post(bench: TestBench, body: Uint8Array, headers: Record<string, string>, path?: string) {
  return bench.infer(body as Uint8Array<ArrayBuffer>, headers, path);
}

async function codeOf(answer: Response): Promise<string> {
  return ((await answer.json()) as { code: string }).code;
}

describe("a sealed request", () => {
  test("is answered sealed, with its salt opened and no salt in the clear", async () => {
    const bench = createTestBench({
      infer: async () => ({
        status: 200,
        headers: { "affidavit-salt": "ab".repeat(32), "affidavit-receipt-id": "r1" },
        body: utf8('{"ok":1}'),
      }),
    });
    const sealed = await sealTo(bench, REQUEST);
    const answer = await post(bench, sealed.body, sealed.headers);
    expect(answer.status).toBe(200);
    expect(answer.headers.get("affidavit-salt")).toBeNull();
    expect(answer.headers.get("affidavit-receipt-id")).toBe("r1");
    expect(answer.headers.get("access-control-expose-headers")).toContain("Ehbp-Response-Nonce");
    const body = new Uint8Array(await answer.arrayBuffer());
    expect(answer.headers.get("content-length")).toBe(String(body.length));
    expect(toHex(body)).not.toContain(toHex(utf8("ok")));
    expect(await sealed.open(200, answer.headers, body)).toEqual(utf8('{"ok":1}'));
    expect(bench.calls[0]!.salt).toEqual(SALT);
    expect(bench.calls[0]!.body).toEqual(utf8(REQUEST));
  });

  test("may come in many frames, empty ones too, and be cut anywhere on its way", async () => {
    const bench = createTestBench();
    const text = utf8(REQUEST);
    const { headers, frames } = await sealInFrames(keyOf(bench), [
      text.subarray(0, 5),
      new Uint8Array(0),
      text.subarray(5, 6),
      text.subarray(6),
    ]);
    const body = concat(...frames.flatMap((frame) => [frame, new Uint8Array(4)]));
    const pieces = Array.from(body, (byte) => Uint8Array.of(byte));
    const answer = await bench.request("/v2/models/double/infer", {
      method: "POST",
      key: KEY,
      headers: { "content-type": "application/json", ...headers },
      body: new ReadableStream({
        pull(controller) {
          const piece = pieces.shift();
          if (piece) controller.enqueue(piece);
          else controller.close();
        },
      }),
      duplex: "half",
    } as RequestInit);
    expect(answer.status).toBe(200);
    expect(bench.calls.at(-1)!.body).toEqual(text);
  });

  test("is refused when replayed, cut, out of order or changed in any byte, and never run", async () => {
    const bench = createTestBench();
    const { headers, frames } = await sealInFrames(keyOf(bench), [
      utf8(REQUEST.slice(0, 9)),
      utf8(REQUEST.slice(9)),
    ]);
    expect((await post(bench, concat(...frames), headers)).status).toBe(200);
    expect(await codeOf(await post(bench, concat(...frames), headers))).toBe("sealed_replayed");
    expect(bench.calls).toHaveLength(1);
    const sent = async (change: (frames: Uint8Array[]) => Uint8Array) => {
      const fresh = await sealInFrames(keyOf(bench), [utf8(REQUEST.slice(0, 9)), utf8(REQUEST.slice(9))]);
      const answer = await post(bench, change(fresh.frames), fresh.headers);
      return [answer.status, answer.headers.has("ehbp-response-nonce"), bench.calls.length];
    };
    const first = frames[0]!.length;
    const total = first + frames[1]!.length;
    for (const end of [0, 1, 4, 5, first - 1, first + 1, first + 5, total - 1])
      expect(await sent((whole) => concat(...whole).subarray(0, end)), `cut at ${end}`).toEqual([
        400,
        true,
        1,
      ]);
    // In the clear: to a wrong key nothing could be sealed.
    expect(await sent(([a, b]) => concat(b!, a!))).toEqual([422, false, 1]);
    expect(await sent(([a]) => concat(a!, a!))).toEqual([400, true, 1]);
    for (const at of [5, first - 1])
      expect(await sent((whole) => flipped(concat(...whole), at))).toEqual([422, false, 1]);
    for (const at of [first + 4, total - 1])
      expect(await sent((whole) => flipped(concat(...whole), at))).toEqual([400, true, 1]);
    expect(await sent(() => utf8(REQUEST))).toEqual([400, true, 1]);
    expect(await sent(() => new Uint8Array(0))).toEqual([400, true, 1]);
  });

  test("to another key gets EHBP's key-config error, in the clear, whatever it is that does not open", async () => {
    const bench = createTestBench();
    const stranger = x25519FromPrivateKey(new Uint8Array(32).fill(8)).publicKey;
    const foreign = await new Sealer(stranger).seal(utf8(REQUEST), SALT);
    const own = await sealTo(bench, REQUEST);
    const other = await sealTo(bench, REQUEST);
    const again = await new Sealer(stranger).seal(utf8(REQUEST), SALT);
    const { "Affidavit-Salt": _, ...withoutSalt } = again.headers;
    const cases = [
      { body: foreign.body, headers: foreign.headers },
      { body: again.body, headers: withoutSalt },
      { body: own.body, headers: { ...own.headers, "Ehbp-Encapsulated-Key": "00".repeat(32) } },
      { body: own.body, headers: { ...own.headers, "Affidavit-Salt": other.headers["Affidavit-Salt"]! } },
    ];
    const answers = await Promise.all(cases.map(({ body, headers }) => post(bench, body, headers)));
    for (const answer of answers) {
      expect(answer.status).toBe(422);
      expect(answer.headers.get("content-type")).toBe("application/problem+json");
      expect(answer.headers.has("ehbp-response-nonce")).toBe(false);
      expect(await answer.json()).toMatchObject({
        type: "urn:ietf:params:ehbp:error:key-config",
        title: expect.any(String),
        code: "sealed_key_unknown",
      });
    }
    expect(bench.calls).toHaveLength(0);
  });

  test("is refused with a plain salt, a malformed key, or a content-coding", async () => {
    const bench = createTestBench();
    const changes: Record<string, string>[] = [
      { "Affidavit-Salt": toHex(SALT) },
      { "Affidavit-Salt": "zz".repeat(80) },
      { "Ehbp-Encapsulated-Key": "ab" },
      { "Ehbp-Encapsulated-Key": `0x${"ab".repeat(31)}` },
      { "Content-Encoding": "gzip" },
    ];
    for (const change of changes) {
      const { headers, body } = await sealTo(bench, REQUEST);
      const answer = await post(bench, body, { ...headers, ...change });
      expect([400, 415]).toContain(answer.status);
    }
    expect(bench.calls).toHaveLength(0);
  });

  test("that fails for another reason is told so under seal", async () => {
    const bench = createTestBench();
    const sealed = await sealTo(bench, "no JSON");
    const answer = await post(bench, sealed.body, sealed.headers);
    expect(answer.status).toBe(400);
    const body = new Uint8Array(await answer.arrayBuffer());
    const problem = new TextDecoder().decode(await sealed.open(400, answer.headers, body));
    expect(JSON.parse(problem)).toMatchObject({ code: "oip_not_json" });
  });

  test("without an API key, or to a resource that takes none, is refused", async () => {
    const bench = createTestBench();
    const { headers, body } = await sealTo(bench, "{}");
    const nameless = await bench.request("/v2/models/double/infer", { method: "POST", headers, body });
    expect(nameless.status).toBe(401);
    expect(await codeOf(await post(bench, body, headers, "/v1/receipts/r1/link"))).toBe(
      "sealing_unsupported",
    );
  });

  test("leaves nothing in the log", async () => {
    const bench = createTestBench();
    const { headers, body } = await sealTo(bench, REQUEST);
    await post(bench, body, headers);
    for (const secret of [toHex(SALT), headers["Affidavit-Salt"]!, headers["Ehbp-Encapsulated-Key"]!])
      expect(bench.logged()).not.toContain(secret);
  });
});

describe("a salt that the vault made", () => {
  test("is told to a sealed request of its owner alone", async () => {
    const bench = createTestBench();
    const path = "/v1/receipts/r1/salt";
    expect(await codeOf(await post(bench, utf8("{}"), {}, path))).toBe("sealing_required");
    const { headers, frames } = await sealInFrames(keyOf(bench), [utf8("{}")]);
    const answer = await post(bench, frames[0]!, headers, path);
    expect(answer.status).toBe(200);
    expect(answer.headers.get("cache-control")).toBe("no-store");
    const text = await answer.clone().text();
    expect(text).not.toContain("5a5a");
    const sealed = await sealTo(bench, "{}");
    const opened = await post(bench, sealed.body, sealed.headers, path);
    const body = await sealed.open(200, opened.headers, new Uint8Array(await opened.arrayBuffer()));
    expect(JSON.parse(new TextDecoder().decode(body))).toEqual({ salt: "5a".repeat(32) });
    const unknown = await sealTo(bench, "{}");
    expect((await post(bench, unknown.body, unknown.headers, "/v1/receipts/r2/salt")).status).toBe(404);
  });
});

test("the key is published as EHBP clients read it", async () => {
  const bench = createTestBench();
  const answer = await bench.request("/.well-known/hpke-keys");
  expect(answer.headers.get("content-type")).toBe("application/ohttp-keys");
  const config = toHex(new Uint8Array(await answer.arrayBuffer()));
  expect(config).toBe(`010020${toHex(keyOf(bench))}000400010002`);
});

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  return Uint8Array.from(bytes, (byte, i) => (i === at ? byte ^ 1 : byte));
}
