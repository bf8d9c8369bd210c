import { beforeEach, describe, expect, it } from "vitest";
import { toHex } from "../codec/index.ts";
import { statementDigest } from "../receipts/index.ts";
import { changed, createFixtureService, type FixtureService } from "../test/fixture-service.ts";
import { fixtureManifest, requestBody, responseBody } from "../test/model-fixture.ts";
import { createIssuer, NOW, NOW_MS, type Receipt } from "../test/receipt-fixture.ts";
import { refusal } from "../test/refusal.ts";
import { floats } from "../test/tensors.ts";
import { createClient, type Client, type ClientOptions } from "./client.ts";
import { manifestText, modelId } from "../models/client.ts";

const INPUT = floats(
  "x",
  Array.from({ length: 30 }, (_, i) => i / 4),
);
let service: FixtureService;
let client: Client;

function clientOf(options: Partial<ClientOptions> = {}): Client {
  const { fetch } = service;
  const policy = { allowSimulated: true };
  return createClient({
    url: "http://fixture.test/",
    policy,
    fetch,
    now: () => NOW,
    apiKey: "key",
    ...options,
  });
}

beforeEach(async () => {
  service = await createFixtureService();
  client = clientOf();
});

function attestationPaths(): string[] {
  return service.heard.map(({ path }) => path).filter((path) => path.startsWith("/v1/attestation"));
}

/** Changes every answer to these paths on its way. */
function between(path: RegExp, change: Parameters<typeof changed>[1]): void {
  service.tamper = (at, given) => (path.test(at) ? changed(given, change) : given);
}

const infer = () => client.infer("fixture", [INPUT]);

describe("a client", () => {
  it("hands out a verified answer with its receipt", async () => {
    const result = await client.infer("fixture", [INPUT]);
    expect(result.outputs).toEqual([floats("logit", [-1.25]), floats("aux", [0.5, 2])]);
    expect(result.verification.verdict).toBe("accepted");
    expect(result.verification.claims).toContainEqual(
      expect.objectContaining({ claim: "fresh", status: "verified" }),
    );
    const { statement } = result.receipt as Receipt["bundle"];
    expect(result.receiptId).toBe(toHex(statementDigest("InferenceStatement", statement)));
    const fetched = await client.receipt(result.receiptId, result.privatePart);
    expect(fetched.verification.verdict).toBe("accepted");
    expect(await client.manifest("fixture")).toEqual(fixtureManifest());
  });

  it("follows an alias to the model that it names, and asks for that by its own name alone", async () => {
    const id = toHex(modelId(manifestText(fixtureManifest())));
    const aliases = JSON.stringify([{ name: "stable", modelId: `0x${id}` }]);
    between(/models$/, { body: (text) => text.replace(/}$/, `,"aliases":${aliases}}`) });
    expect(await client.manifest("stable")).toEqual(fixtureManifest());
    expect(await refusal(() => client.manifest("stable", "1.0.0"))).toBe("request_rejected model_not_found");
    expect(await refusal(() => client.infer("stable", [INPUT]))).toMatch(/^receipt_rejected model_/);
  });

  it("seals what it sends unless told not to, and only to a keyset that has a key", async () => {
    await infer();
    client = clientOf({ seal: false });
    await infer();
    const asked = service.heard.filter(({ path }) => path.endsWith("/infer"));
    expect(asked.map(({ wasSealed }) => wasSealed)).toEqual([true, false]);
    service.issuer = await createIssuer({ hpkeSeed: null });
    expect(await refusal(infer)).toBe("none");
    client = clientOf();
    expect(await refusal(infer)).toBe("sealing_unavailable");
    expect(service.heard.filter(({ path }) => path.endsWith("/infer"))).toHaveLength(3);
  });

  it("does the same in binary", async () => {
    service.call = { response: responseBody(undefined, { binary: true }) };
    const result = await client.infer("fixture", [INPUT], { binary: true });
    expect(result.outputs.map(({ data }) => [...data])).toEqual(
      [floats("logit", [-1.25]), floats("aux", [0.5, 2])].map(({ data }) => [...data]),
    );
    expect(result.privatePart.request.headerLength).toBeGreaterThan(0);
  });

  it("sends nothing to a server that it does not accept", async () => {
    client = clientOf({ policy: {} });
    expect(await refusal(infer)).toBe("attestation_rejected simulated_refused");
    expect(service.heard.map(({ path }) => path.split("?")[0])).toEqual([
      "/v1/attestation",
      "/v1/revocations",
    ]);
  });

  it("attests once for many calls, again after ten minutes, and for each with a new nonce", async () => {
    let nowMs = NOW_MS;
    client = clientOf({ now: () => new Date(nowMs) });
    await Promise.all(Array.from({ length: 20 }, infer));
    expect(attestationPaths()).toHaveLength(1);
    nowMs += 11 * 60_000;
    await infer();
    expect(new Set(attestationPaths()).size).toBe(2);
  });

  it("attests anew when the keyset changes, with calls in flight on both sides of the change", async () => {
    await infer();
    const old = service.issuer;
    const next = await createIssuer({ seed: 3 });
    let count = 0;
    const { fetch } = service;
    client = clientOf({
      fetch: async (input, init) => {
        const isInfer = String(input).endsWith("/infer");
        if (isInfer) service.issuer = count++ % 2 === 0 ? next : old;
        const given = await fetch(input, init);
        // The service attests the new keyset alone from now on.
        if (isInfer) service.issuer = next;
        return given;
      },
    });
    service.issuer = old;
    await client.attestation();
    const results = await Promise.all(Array.from({ length: 12 }, infer));
    expect(new Set(results.map(({ receipt }) => toHex(receipt.statement.keysetDigest))).size).toBe(2);
  });

  it("refuses an answer under a keyset that the service does not attest", async () => {
    await infer();
    const attested = service.issuer;
    const stranger = await createIssuer({ seed: 9 });
    client = clientOf({
      fetch: async (input, init) => {
        service.issuer = String(input).endsWith("/infer") ? stranger : attested;
        return await service.fetch(input, init);
      },
    });
    expect(await refusal(infer)).toBe("receipt_rejected keyset_digest_mismatch");
  });

  it("takes the replay of an answer whose keyset has ended, from its stored receipt", async () => {
    const first = await client.infer("fixture", [INPUT], { idempotencyKey: "once" });
    const restarted = clientOf();
    const old = service.issuer;
    const next = await createIssuer({ seed: 4 });
    service.issuer = next;
    const { fetch } = service;
    const replaying = clientOf({
      fetch: async (input, init) => {
        service.issuer = String(input).endsWith("/infer") ? old : next;
        return await fetch(input, init);
      },
    });
    const second = await replaying.infer("fixture", [INPUT], { idempotencyKey: "once" });
    expect(second.receiptId).toBe(first.receiptId);
    expect(second.privatePart.salt).toEqual(first.privatePart.salt);
    expect(second.verification.claims).toContainEqual(
      expect.objectContaining({ claim: "fresh", status: "unchecked" }),
    );
    const salts = async (options: { idempotencyKey?: string }, input = INPUT) =>
      toHex((await restarted.infer("fixture", [input], options)).privatePart.salt);
    const mine = toHex(first.privatePart.salt);
    expect(await salts({ idempotencyKey: "once" })).toBe(mine);
    expect(await salts({ idempotencyKey: "twice" })).not.toBe(mine);
    expect(
      await salts(
        { idempotencyKey: "once" },
        floats(
          "x",
          Array.from({ length: 30 }, () => 1),
        ),
      ),
    ).not.toBe(mine);
    expect(await salts({})).not.toBe(await salts({}));
  });
});

describe("a man in the middle is found who", () => {
  const INFER = /\/infer$/;

  it("changes, strips or swaps what an answer says", async () => {
    const stranger = (await createIssuer({ seed: 9 })).issue();
    const aborted = service.issuer.abort();
    const cases: [string, Parameters<typeof changed>[1]][] = [
      ["receipt_rejected response_digest_mismatch", { body: (text) => text.replace("-1.25", "-1.26") }],
      ["receipt_rejected response_digest_mismatch", { body: (text) => `${text} ` }],
      ["receipt_rejected response_digest_mismatch", { body: () => "" }],
      ["receipt_rejected response_invalid", { headers: { "Inference-Header-Content-Length": "10" } }],
      ["server_response_invalid", { headers: { "Inference-Header-Content-Length": "1e3" } }],
      ["server_response_invalid", { headers: { "Inference-Header-Content-Length": "9999999" } }],
      ["receipt_missing", { headers: { "Affidavit-Receipt": null } }],
      ["receipt_missing", { headers: { "Affidavit-Requester": null } }],
      ["receipt_missing", { headers: { "Affidavit-Receipt": aborted.bundle.receipt } }],
      ["receipt_rejected requester_mismatch", { headers: { "Affidavit-Requester": "account:other" } }],
      ["receipt_rejected digest_input_invalid", { headers: { "Affidavit-Requester": "a".repeat(5000) } }],
      [
        "receipt_rejected keyset_digest_mismatch",
        { headers: { "Affidavit-Receipt": stranger.bundle.receipt } },
      ],
      ["server_response_invalid header_invalid", { headers: { "Affidavit-Receipt": "AA" } }],
      ["server_response_invalid header_invalid", { headers: { "Affidavit-Receipt": "!" } }],
    ];
    for (const [wanted, change] of cases) {
      between(INFER, change);
      expect(await refusal(infer)).toBe(wanted);
    }
    const replayed = await (async () => {
      service.tamper = (_, given) => given;
      return await infer();
    })();
    between(INFER, { headers: { "Affidavit-Receipt": replayed.receipt.receipt } });
    expect(await refusal(infer)).toMatch(/^receipt_rejected (requester|response_digest)_mismatch$/);
  });

  it("names another receipt or another type: neither is believed", async () => {
    between(INFER, { headers: { "Affidavit-Receipt-Id": "00".repeat(32), "Content-Type": "text/html" } });
    const result = await infer();
    const { statement } = result.receipt as Receipt["bundle"];
    expect(result.receiptId).toBe(toHex(statementDigest("InferenceStatement", statement)));
    expect(result.privatePart.response.contentType).toBe("application/json");
  });

  it("swaps two concurrent answers", async () => {
    const waiting: { given: Response; resolve: (other: Response) => void }[] = [];
    service.tamper = (path, given) => {
      if (!INFER.test(path)) return given;
      const { promise, resolve } = Promise.withResolvers<Response>();
      waiting.push({ given, resolve });
      const [one, two] = waiting;
      if (one && two) {
        one.resolve(two.given);
        two.resolve(one.given);
      }
      return promise;
    };
    const both = await Promise.all([refusal(infer), refusal(infer)]);
    expect(both).toEqual(Array(2).fill("receipt_rejected requester_mismatch"));
  });

  it("replaces documents, evidence and stored receipts", async () => {
    between(/\/v1\/documents\//, { body: (text) => text.replace("1", "2") });
    expect(await refusal(infer)).toBe("server_response_invalid");
    between(/\/v1\/documents\//, { body: () => "x".repeat(1024 * 1024 + 1) });
    expect(await refusal(infer)).toBe("server_response_invalid");
    const old = await createIssuer();
    const stale = await old.quote(new Uint8Array(32).fill(1));
    service.issuer = { ...old, attestation: async () => ({ ...old.record, fresh: stale }) };
    expect(await refusal(() => client.attestation())).toBe("attestation_rejected fresh_nonce_mismatch");
    service.issuer = {
      ...old,
      attestation: async (nonce) => ({ ...old.record, fresh: { ...stale, nonce } }),
    };
    expect(await refusal(() => client.attestation())).toBe("attestation_rejected report_data_mismatch");
    service.issuer = { ...old, attestation: async () => ({ ...old.record, fresh: null }) };
    expect(await refusal(() => client.attestation())).toBe("attestation_invalid");
    service.issuer = old;
    for (const [body, wanted] of [
      ["{}", "server_response_invalid bundle_invalid"],
      ["<html>", "server_response_invalid bundle_invalid"],
      ['{"formatVersion":2}', "server_response_invalid format_version_unknown"],
    ] as const) {
      between(/attestation/, { body: () => body });
      expect(await refusal(() => client.attestation())).toBe(wanted);
    }
    service.tamper = (_, given) => given;
    const [one, two] = [await infer(), await infer()];
    client = clientOf({
      fetch: (input, init) => service.fetch(String(input).replace(one.receiptId, two.receiptId), init),
    });
    expect(await refusal(() => client.receipt(one.receiptId))).toBe("server_response_invalid");
  });

  it("tells of models in another form, or of another manifest than the receipt's", async () => {
    for (const body of [
      "null",
      "[]",
      "{}",
      '{"models":7}',
      '{"models":[null]}',
      '{"models":[{"name":"fixture"}]}',
      "<",
    ]) {
      between(/models$/, { body: () => body });
      expect(await refusal(() => client.manifest("fixture"))).toMatch(/^server_response_invalid/);
    }
    service.tamper = (_, given) => given;
    expect(await refusal(() => client.manifest("none"))).toBe("request_rejected model_not_found");
    for (const aliases of [
      "7",
      "[null]",
      '[{"name":"none"}]',
      `[{"name":"none","modelId":"0x${"0".repeat(64)}"}]`,
    ]) {
      between(/models$/, { body: (text) => text.replace(/}$/, `,"aliases":${aliases}}`) });
      expect(await refusal(() => client.manifest("none"))).toBe("request_rejected model_not_found");
    }
    const other = modelId(manifestText(fixtureManifest("other")));
    expect(await refusal(() => client.infer("fixture", [INPUT], { modelId: other }))).toBe(
      "receipt_rejected model_unexpected",
    );
    service.tamper = (_, given) => given;
    expect(await refusal(() => client.infer("other", [INPUT]))).toBe("receipt_rejected model_unexpected");
  });

  it("answers with problems, redirects and statuses of its own", async () => {
    const cases: [number, string, string][] = [
      [401, '{"code":"unauthenticated"}', "unauthorized unauthenticated"],
      [404, '{"code":"model_not_found","detail":"none"}', "request_rejected model_not_found"],
      [429, '{"code":"engine_overloaded"}', "server_error engine_overloaded"],
      [500, "<html>", "server_error"],
      [503, '{"code":"bad code \\u001b"}', "server_error"],
      [201, "{}", "server_response_invalid"],
    ];
    await infer();
    for (const [status, body, wanted] of cases) {
      between(INFER, { status, body: () => body });
      expect(await refusal(infer)).toBe(wanted);
    }
  });
});

describe("before anything is sent", () => {
  it("refuses what the service could not take", async () => {
    const bad: [string, Parameters<Client["infer"]>[2]][] = [
      ["salt_invalid", { salt: new Uint8Array(31) }],
      ["model_id_invalid", { modelId: new Uint8Array(31) }],
      ["audience_invalid", { audience: { chainId: 1n, address: new Uint8Array(19) } }],
      ["audience_invalid", { audience: { chainId: 0n, address: new Uint8Array(20) } }],
      ["idempotency_key_invalid", { idempotencyKey: "a\nb" }],
      ["idempotency_key_invalid", { idempotencyKey: "" }],
    ];
    for (const [detail, options] of bad) {
      expect(await refusal(() => client.infer("fixture", [INPUT], options))).toBe(
        `request_rejected ${detail}`,
      );
    }
    const nan = floats("x", [Number.NaN]);
    expect(await refusal(() => client.infer("fixture", [nan]))).toBe("request_rejected oip_not_finite");
    const short = { ...INPUT, data: INPUT.data.subarray(1) };
    expect(await refusal(() => client.infer("fixture", [short]))).toBe("request_rejected tensor_invalid");
    expect(service.heard).toEqual([]);
    const odd = { ...requestBody(), contentType: "a\nb" };
    expect(await refusal(() => client.inferBody("fixture", odd))).toBe("request_rejected header_invalid");
  });

  it("takes no URL or API key that it could not use, and does not repeat the key", () => {
    for (const url of ["", "nonsense", "ftp://h", "http://u:p@h", "http://h/?q", "http://h/#f"]) {
      expect(() => clientOf({ url })).toThrow(TypeError);
    }
    expect(clientOf({ url: "https://h.test/base/" }).url).toBe("https://h.test/base");
    for (const apiKey of ["", "secret\nkey", "secret–key", "x".repeat(600)]) {
      expect(() => clientOf({ apiKey })).toThrow(expect.objectContaining({ code: "unauthorized" }));
      try {
        clientOf({ apiKey });
      } catch (error) {
        expect((error as Error).message).not.toContain("secret");
      }
    }
  });

  it("ends where the caller cancels, also while others wait for the same attestation", async () => {
    const controller = new AbortController();
    const hanging = Promise.withResolvers<void>();
    service.tamper = async (_, given) => {
      await hanging.promise;
      return given;
    };
    const cancelled = refusal(() => client.infer("fixture", [INPUT], { signal: controller.signal }));
    const waiting = infer();
    controller.abort();
    expect(await cancelled).toBe("cancelled");
    hanging.resolve();
    expect((await waiting).verification.verdict).toBe("accepted");
    expect(await refusal(() => client.infer("fixture", [INPUT], { signal: controller.signal }))).toBe(
      "cancelled",
    );
  });
});
