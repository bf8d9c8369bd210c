/** Sealed requests against a whole running service: the SDK's, and those of npm's `ehbp`, which is not ours. */
import { readFileSync } from "node:fs";
import { createTransport, Identity, KeyConfigMismatchError, Transport } from "ehbp";
import { afterAll, beforeAll, beforeEach, describe, expect, it, test } from "vitest";
import { createClient, type Client } from "../client/index.ts";
import type { ClientOptions } from "../client/index.ts";
import { Sealer } from "../client/sealed-exchange.ts";
import { fromHex, fromUtf8, toHex, utf8 } from "../codec/index.ts";
import { parseInferRequest } from "../models/client.ts";
import { parseKeyset, parseReceiptHeader, SaltedDigests } from "../receipts/index.ts";
import { hpkeKeysOf } from "../sealing/index.ts";
import { startMiddleman, type Middleman } from "./middleman.ts";
import { refusal } from "./refusal.ts";
import { startService, type RunningService } from "./service-process.ts";

const EXAMPLE = readFileSync(new URL("../models/zoo/breast-cancer/example.json", import.meta.url));
const { inputs } = parseInferRequest(EXAMPLE);
const PATH = "/v2/models/breast-cancer/infer";

let service: RunningService;
let middleman: Middleman;

beforeAll(async () => {
  service = await startService();
  middleman = await startMiddleman(service.url);
});
afterAll(async () => {
  await middleman?.close();
  await service?.stop();
});
beforeEach(() => {
  middleman.change = (_, answer) => answer;
});

function clientOf(options: Partial<ClientOptions> = {}): Client {
  const { url, apiKey } = service;
  return createClient({ url, apiKey, policy: { allowSimulated: true }, ...options });
}

const ask = (options?: Partial<ClientOptions>) => () => clientOf(options).infer("breast-cancer", inputs);

function postTo(transport: Transport, path: string, body: string) {
  const headers = { authorization: `Bearer ${service.apiKey}`, "content-type": "application/json" };
  return transport.post(service.url + path, body, { headers });
}

/** An answer with its bytes as they are. */
async function rewritten(
  answer: Response,
  change: {
    body?: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>;
    without?: string;
    status?: number;
  },
): Promise<Response> {
  const bytes = new Uint8Array(await answer.arrayBuffer());
  const headers = new Headers(answer.headers);
  if (change.without) headers.delete(change.without);
  return new Response(change.body?.(bytes) ?? bytes, { headers, status: change.status ?? answer.status });
}

/** As `affidavit sealing-keys rotate` does. */
async function rotate(endOlder: boolean): Promise<number> {
  const headers = { authorization: `Bearer ${service.apiKey}`, "content-type": "application/json" };
  const body = JSON.stringify({ endOlder });
  const answer = await fetch(`${service.url}/v1/sealing-keys`, { method: "POST", headers, body });
  const { keys } = (await answer.json()) as { keys: { epoch: number }[] };
  expect(answer.status).toBe(200);
  return keys[0]!.epoch;
}

describe("the SDK seals", () => {
  it("so that a man in the middle reads neither body nor salt, and gets the same receipt as in the clear", async () => {
    const seen: Uint8Array[] = [];
    middleman.change = async (path, answer) => {
      if (path === PATH) seen.push(new Uint8Array(await answer.clone().arrayBuffer()));
      return answer;
    };
    const sealed = await clientOf({ url: middleman.url }).infer("breast-cancer", inputs);
    const clear = await clientOf({ url: middleman.url, seal: false }).infer("breast-cancer", inputs);
    expect(sealed.outputs).toEqual(clear.outputs);
    expect(sealed.verification.verdict).toBe("accepted");
    expect(Buffer.from(seen[0]!).includes("model_name")).toBe(false);
    expect(Buffer.from(seen[1]!).includes("model_name")).toBe(true);
    const stored = await clientOf().receipt(sealed.receiptId, sealed.privatePart);
    expect(stored.verification.verdict).toBe("accepted");
  });

  it("and refuses answers in the clear, of another exchange, cut or changed", async () => {
    const asked = () => refusal(ask({ url: middleman.url }));
    const infer = (change: Parameters<typeof rewritten>[1]) => {
      middleman.change = (path, answer) => (path === PATH ? rewritten(answer, change) : answer);
      return asked();
    };
    const unread = "server_response_invalid answer_unreadable";
    expect(await infer({})).toBe("none");
    expect(await infer({ without: "ehbp-response-nonce" })).toBe("server_response_invalid answer_not_sealed");
    expect(await infer({ body: (bytes) => bytes.map((byte, i) => (i === 9 ? byte ^ 1 : byte)) })).toBe(
      unread,
    );
    expect(await infer({ body: (bytes) => bytes.subarray(0, -1) })).toBe(unread);
    // An empty sequence of frames opens: the receipt finds what is missing.
    expect(await infer({ body: () => new Uint8Array(0) })).toBe("receipt_rejected response_digest_mismatch");
    // Opened, since the nonce is there, but no answer: its status may be anybody's.
    expect(await infer({ status: 500 })).toMatch(/^server_error/);
    const waiting = Promise.withResolvers<Response>();
    let first: Response | undefined;
    middleman.change = (path, answer) => {
      if (path !== PATH) return answer;
      if (first) {
        waiting.resolve(answer);
        return first;
      }
      first = answer;
      return waiting.promise;
    };
    expect(await Promise.all([asked(), asked()])).toEqual([unread, unread]);
  });

  it("again, once, where the service has another key by now", async () => {
    let asked = 0;
    const problem = { code: "sealed_key_unknown", type: "urn:ietf:params:ehbp:error:key-config" };
    middleman.change = (path, answer) =>
      path === PATH && asked++ === 0 ? Response.json(problem, { status: 422 }) : answer;
    expect(await refusal(ask({ url: middleman.url }))).toBe("none");
    expect(asked).toBe(2);
    middleman.change = (path, answer) => (path === PATH ? Response.json(problem, { status: 422 }) : answer);
    expect(await refusal(ask({ url: middleman.url }))).toBe("request_rejected sealed_key_unknown");
  });

  it("and nobody on the way makes its input public", async () => {
    await expect(clientOf().infer("breast-cancer", inputs, { publicInput: true })).rejects.toMatchObject({
      code: "request_rejected",
      detail: "public_input_sealed",
    });
    const { document } = await clientOf().attestation();
    const [key] = hpkeKeysOf(parseKeyset(document.keyset).encryptionKeys);
    const sealed = await new Sealer(key!.publicKey).seal(EXAMPLE, new Uint8Array(32).fill(2));
    const headers = {
      ...sealed.headers,
      authorization: `Bearer ${service.apiKey}`,
      "content-type": "application/json",
    };
    const send = (more: object) =>
      fetch(service.url + PATH, { method: "POST", headers: { ...headers, ...more }, body: sealed.body });
    expect((await send({ "affidavit-public-input": "true" })).status).toBe(400);
  });

  it("and a repetition by its key gets the same answer, sealed or not", async () => {
    const options = { idempotencyKey: "sealed-and-clear" };
    const sealed = await clientOf().infer("breast-cancer", inputs, options);
    const again = await clientOf().infer("breast-cancer", inputs, options);
    const clear = await clientOf({ seal: false }).infer("breast-cancer", inputs, options);
    expect([again.receiptId, clear.receiptId]).toEqual([sealed.receiptId, sealed.receiptId]);
  });
});

test("five hundred at once: each caller opens its own answer", async () => {
  const { document } = await clientOf().attestation();
  const [key] = hpkeKeysOf(parseKeyset(document.keyset).encryptionKeys);
  const sealer = new Sealer(key!.publicKey);
  const example = JSON.parse(EXAMPLE.toString()) as object;
  const askSealed = async (id: string): Promise<string> => {
    const sealed = await sealer.seal(utf8(JSON.stringify({ ...example, id })), new Uint8Array(32).fill(1));
    const headers = {
      ...sealed.headers,
      authorization: `Bearer ${service.apiKey}`,
      "content-type": "application/json",
    };
    const answer = await fetch(service.url + PATH, { method: "POST", headers, body: sealed.body });
    const opened = await sealed.open(
      answer.status,
      answer.headers,
      new Uint8Array(await answer.arrayBuffer()),
    );
    return (JSON.parse(fromUtf8(opened)) as { id: string }).id;
  };
  const ids = Array.from({ length: 500 }, (_, i) => `caller-${i}`);
  expect(await Promise.all(ids.map(askSealed))).toEqual(ids);
});

describe("npm's ehbp", () => {
  it("asks, reads problems, and gets the salt of its receipt", async () => {
    const transport = await createTransport(service.url);
    const answer = await postTo(transport, PATH, EXAMPLE.toString());
    expect(answer.status).toBe(200);
    expect(answer.headers.get("affidavit-salt")).toBeNull();
    const id = answer.headers.get("affidavit-receipt-id")!;
    const signed = parseReceiptHeader(answer.headers.get("affidavit-receipt")!);
    const body = new Uint8Array(await answer.arrayBuffer());
    expect(JSON.parse(new TextDecoder().decode(body))).toMatchObject({ model_name: "breast-cancer" });
    const kept = await postTo(transport, `/v1/receipts/${id}/salt`, "{}");
    const { salt } = (await kept.json()) as { salt: string };
    const digests = new SaltedDigests(fromHex(salt, 32));
    const { statement } = signed as Extract<typeof signed, { type: "InferenceStatement" }>;
    expect(toHex(digests.responseDigest(body))).toBe(toHex(statement.responseDigest));
    expect((await postTo(transport, PATH, "no JSON")).status).toBe(400);
    // A salt of the caller's own the service does not have.
    const { receiptId } = await clientOf().infer("breast-cancer", inputs);
    const none = await postTo(transport, `/v1/receipts/${receiptId}/salt`, "{}");
    expect(await none.json()).toMatchObject({ code: "salt_not_kept" });
  });

  it("is told when the key is another", async () => {
    const stranger = new Transport(await Identity.generate(), new URL(service.url).host);
    const asked = () => postTo(stranger, PATH, EXAMPLE.toString());
    await expect(asked()).rejects.toBeInstanceOf(KeyConfigMismatchError);
  });
});

describe("a rotation of the HPKE key", () => {
  it("goes unnoticed by who sealed to the one before, and by who must get the keys again", async () => {
    const client = clientOf();
    const before = await client.infer("breast-cancer", inputs);
    const epoch = await rotate(false);
    const overlapping = await client.infer("breast-cancer", inputs);
    expect(await rotate(true)).toBe(epoch + 1);
    // Its key opens nothing any more: it asks for the keyset again, and seals to the new one.
    const after = await client.infer("breast-cancer", inputs);
    for (const { outputs, verification } of [before, overlapping, after])
      expect([outputs, verification.verdict]).toEqual([before.outputs, "accepted"]);
    const keyset = parseKeyset(after.receipt.keyset);
    expect(keyset.encryptionKeys.map(({ keyId }) => Number(keyId))).toEqual([epoch + 1]);
    expect(keyset.epoch).toBe(epoch + 1);
  });

  it("is told to npm's client as it knows it", async () => {
    const transport = await createTransport(service.url);
    const body = EXAMPLE.toString();
    expect((await postTo(transport, PATH, body)).status).toBe(200);
    await rotate(false);
    expect((await postTo(transport, PATH, body)).status).toBe(200);
    await rotate(true);
    await expect(postTo(transport, PATH, body)).rejects.toThrow(KeyConfigMismatchError);
    expect((await postTo(await createTransport(service.url), PATH, body)).status).toBe(200);
  });
});
