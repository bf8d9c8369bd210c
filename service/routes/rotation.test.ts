/** Sealed requests while the HPKE key changes: which opens them, and what is said where none does. */
import { describe, expect, test } from "vitest";
import { concat, toHex, utf8 } from "../../codec/index.ts";
import { Sealer } from "../../client/sealed-exchange.ts";
import { encodeRequestHeader } from "../../sealing/index.ts";
import { RequestOpener } from "../../vault/host/request-opener.ts";
import { x25519FromPrivateKey } from "../../vault/host/x25519.ts";
import { binaryRequest, encapsulate, parseBinaryAnswer, SALT, sealInFrames } from "./testing/seal.ts";
import { createTestBench, KEY, type TestBench } from "./testing/services.ts";

const REQUEST = '{"inputs":[{"name":"x","datatype":"FP32","shape":[2],"data":[1,2]}]}';
const keyOf = (epoch: number) => ({ epoch, key: x25519FromPrivateKey(new Uint8Array(32).fill(epoch)) });
const [OLD, NEW, GONE] = [keyOf(2), keyOf(3), keyOf(1)];

/** With keys that a test changes. */
function setUp(infer?: Parameters<typeof createTestBench>[0]) {
  let keys = [NEW, OLD];
  const opener = new RequestOpener(() => keys);
  const sealing = {
    keys: () => keys.map(({ epoch, key }) => ({ keyId: epoch, publicKey: key.publicKey })),
    exportKeys: async (request: Parameters<RequestOpener["exportKeys"]>[0]) => opener.exportKeys(request),
  };
  const bench = createTestBench({ ...infer, services: { sealing } });
  return { bench, set: (next: typeof keys) => (keys = next) };
}

type KeyOf = ReturnType<typeof keyOf>;

const seal = ({ key }: KeyOf) => new Sealer(key.publicKey).seal(utf8(REQUEST), SALT);

function post(bench: TestBench, { body, headers }: { body: Uint8Array; headers: Record<string, string> }) {
  return bench.infer(body as Uint8Array<ArrayBuffer>, headers);
}

/** As clients that send no salt do. */
async function unsalted({ key }: KeyOf, text = REQUEST) {
  const middle = Math.ceil(text.length / 2);
  const parts = [utf8(text.slice(0, middle)), utf8(text.slice(middle))];
  const { headers, frames } = await sealInFrames(key.publicKey, parts);
  return { headers, body: concat(...frames) };
}

describe("while two keys open requests", () => {
  test("each of them does, by EHBP with a salt and without, and by Oblivious HTTP", async () => {
    const { bench } = setUp();
    for (const key of [NEW, OLD]) {
      const sealed = await seal(key);
      const answer = await post(bench, sealed);
      const body = new Uint8Array(await answer.arrayBuffer());
      expect(await sealed.open(answer.status, answer.headers, body)).toEqual(expect.any(Uint8Array));
      expect(bench.calls.at(-1)).toMatchObject({ salt: SALT, body: utf8(REQUEST) });
      const plain = await post(bench, await unsalted(key));
      expect([plain.status, plain.headers.has("ehbp-response-nonce")]).toEqual([200, true]);
      expect(bench.calls.at(-1)).toMatchObject({ salt: undefined, body: utf8(REQUEST) });
      const header = encodeRequestHeader(key.epoch);
      const inner = binaryRequest({
        method: "POST",
        path: "/v2/models/double/infer",
        fields: [
          ["authorization", `Bearer ${KEY}`],
          ["content-type", "application/json"],
        ],
        content: utf8(REQUEST),
      });
      const encapsulated = await encapsulate(key.key.publicKey, header, inner);
      const relayed = await bench.request("/.well-known/ohttp-gateway", {
        method: "POST",
        headers: { "content-type": "message/ohttp-req" },
        body: encapsulated.message as Uint8Array<ArrayBuffer>,
      });
      const opened = await encapsulated.open(new Uint8Array(await relayed.arrayBuffer()));
      expect(parseBinaryAnswer(opened).status).toBe(200);
    }
    expect(bench.calls).toHaveLength(6);
  });

  test("a first frame that opens with neither, or a body without one, is answered by EHBP's key-config error or a problem", async () => {
    const { bench } = setUp();
    const { headers, body } = await unsalted(GONE);
    const foreign = await post(bench, { headers, body });
    expect([foreign.status, await foreign.json()]).toEqual([
      422,
      expect.objectContaining({ type: "urn:ietf:params:ehbp:error:key-config" }),
    ]);
    // Before the body shows which key it is, nothing can be sealed to its sender.
    const cut = await unsalted(OLD);
    const empty = await post(bench, { headers: cut.headers, body: new Uint8Array(0) });
    expect([empty.status, await empty.json()]).toEqual([
      422,
      expect.objectContaining({ code: "sealed_key_unknown" }),
    ]);
    // A second frame is of the key of the first.
    const [one, two] = [await sealInFrames(OLD.key.publicKey, [utf8("ab"), utf8("cd")]), await unsalted(NEW)];
    const mixed = await post(bench, { headers: one.headers, body: concat(one.frames[0]!, two.body) });
    expect([mixed.status, mixed.headers.has("ehbp-response-nonce")]).toEqual([400, true]);
    expect(bench.calls).toHaveLength(0);
  });

  test("the published keys have the newest first", async () => {
    const { bench, set } = setUp();
    const served = async (path: string) =>
      toHex(new Uint8Array(await (await bench.request(path)).arrayBuffer()));
    const gateway = await served("/.well-known/ohttp-gateway");
    expect(gateway.indexOf(toHex(NEW.key.publicKey))).toBe(2 * 5);
    expect(gateway).toContain(toHex(OLD.key.publicKey));
    expect(await served("/.well-known/hpke-keys")).toContain(`030020${toHex(NEW.key.publicKey)}`);
    set([NEW]);
    expect(await served("/.well-known/ohttp-gateway")).not.toContain(toHex(OLD.key.publicKey));
  });
});

test("a key that ended opens nothing: EHBP's key-config error", async () => {
  const { bench, set } = setUp();
  const [before, after] = [await seal(OLD), await seal(OLD)];
  expect((await post(bench, before)).status).toBe(200);
  set([NEW]);
  for (const sealed of [after, await unsalted(OLD)]) {
    const answer = await post(bench, sealed);
    expect([answer.status, await answer.json()]).toEqual([
      422,
      expect.objectContaining({ type: "urn:ietf:params:ehbp:error:key-config", code: "sealed_key_unknown" }),
    ]);
  }
});

test("a request under way, and a body that is still coming, end under the key that they began with", async () => {
  const asked = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const { bench, set } = setUp({
    infer: async () => {
      asked.resolve();
      await goOn.promise;
      return { status: 200, headers: {}, body: utf8("{}") };
    },
  });
  const sealed = await seal(OLD);
  const answered = post(bench, sealed);
  const slow = await unsalted(OLD);
  const reading = Promise.withResolvers<void>();
  const sent = Promise.withResolvers<void>();
  let pulls = 0;
  const streamed = bench.request("/v2/models/double/infer", {
    method: "POST",
    key: KEY,
    headers: { "content-type": "application/json", ...slow.headers },
    body: new ReadableStream(
      {
        async pull(controller) {
          if (pulls++ === 0) return controller.enqueue(slow.body.subarray(0, 10));
          reading.resolve();
          await sent.promise;
          controller.enqueue(slow.body.subarray(10));
          controller.close();
        },
      },
      { highWaterMark: 0 },
    ),
    duplex: "half",
  } as RequestInit);
  await Promise.all([asked.promise, reading.promise]);
  set([keyOf(4)]);
  sent.resolve();
  goOn.resolve();
  const answer = await answered;
  const body = new Uint8Array(await answer.arrayBuffer());
  expect(await sealed.open(answer.status, answer.headers, body)).toEqual(utf8("{}"));
  expect((await streamed).status).toBe(200);
});
