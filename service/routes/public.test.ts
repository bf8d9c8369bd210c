import { describe, expect, test } from "vitest";
import { sha256, toHex, utf8 } from "../../codec/index.ts";
import { PROBLEMS } from "../problem.ts";
import type { Component } from "../services.ts";
import { createTestBench, KEY } from "./testing/services.ts";

describe("reference", () => {
  test("the page loads from this origin alone", async () => {
    const bench = createTestBench();
    const page = await bench.request("/docs");
    const policy = page.headers.get("content-security-policy")!;
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self';");
    const html = await page.text();
    expect(html).not.toMatch(/https?:\/\//);
    const script = await bench.request("/docs/rapidoc.js");
    expect(script.headers.get("content-type")).toMatch(/^text\/javascript/);
    expect((await script.text()).length).toBeGreaterThan(100_000);
  });

  test("OpenAPI 3.1 names every endpoint, its security and its problems", async () => {
    const bench = createTestBench();
    const response = await bench.request("/openapi.json");
    const document = (await response.json()) as {
      openapi: string;
      paths: Record<string, Record<string, { security?: unknown; responses: Record<string, unknown> }>>;
      components: { securitySchemes: object };
    };
    expect(document.openapi).toBe("3.1.0");
    expect(Object.keys(document.components.securitySchemes)).toEqual(["bearer", "apiKey"]);
    expect(document.paths["/v2/models/{name}/infer"]!["post"]!.security).toEqual([
      { bearer: [] },
      { apiKey: [] },
    ]);
    expect(Object.keys(document.paths["/v2/models/{name}/infer"]!["post"]!.responses)).toEqual(
      expect.arrayContaining(["200", "400", "401", "404", "413", "415", "429", "503", "504"]),
    );
    const documented = Object.keys(document.paths).map((path) => path.replaceAll(/\{(\w+)\}/g, ":$1"));
    const undocumented = new Set(["/", "/docs", "/docs/rapidoc.js", "/openapi.json", "/*"]);
    const served = bench.app.routes
      .map(({ path }) => path.replaceAll("{.+}", ""))
      .filter((path) => !undocumented.has(path));
    expect(documented.toSorted()).toEqual([...new Set(served)].toSorted());
  });

  test("the landing speaks to people and to programs", async () => {
    const bench = createTestBench();
    const page = await bench.request("/", { headers: { accept: "text/html" } });
    expect(page.headers.get("content-type")).toMatch(/^text\/html/);
    expect(await (await bench.request("/")).json()).toMatchObject({ version: "1.2.3", reference: "/docs" });
  });

  test("every problem's type leads to its meaning", async () => {
    const bench = createTestBench();
    const list = (await (await bench.request("/problems")).json()) as { problems: { code: string }[] };
    expect(list.problems.map(({ code }) => code)).toEqual(Object.keys(PROBLEMS).toSorted());
    expect(await (await bench.request("/problems/model_not_found")).json()).toEqual({
      code: "model_not_found",
      status: 404,
      title: "No such model or version",
      charged: false,
    });
    for (const name of ["constructor", "__proto__", "nothing"]) {
      expect((await bench.request(`/problems/${name}`)).status).toBe(404);
    }
  });
});

const part = (status: Component["status"]): Component => ({
  name: "vault",
  status,
  notes: ["signer: noble"],
});

const benchWith = (status: Component["status"]) =>
  createTestBench({ services: { health: { components: async () => [part(status)] } } });

describe("health", () => {
  test.each([
    ["ok", 200],
    ["degraded", 200],
    ["off", 200],
    ["down", 503],
  ] as const)("a part that is %s answers %i", async (status, expected) => {
    const response = await benchWith(status).request("/readyz");
    expect(response.status).toBe(expected);
    expect(await response.json()).toEqual({
      ready: expected === 200,
      draining: false,
      components: [part(status)],
    });
    expect((await benchWith(status).request("/v2/health/ready")).status).toBe(expected);
    expect((await benchWith(status).request("/livez")).status).toBe(200);
  });
});

describe("public documents", () => {
  test("by digest, for ever", async () => {
    const bench = createTestBench();
    const digest = toHex(sha256(utf8("a document")));
    for (const name of [digest, `0x${digest}`, digest.toUpperCase()]) {
      const response = await bench.request(`/v1/documents/${name}`);
      expect(response.headers.get("cache-control")).toContain("immutable");
      expect(await response.text()).toBe("a document");
    }
    expect((await bench.request(`/v1/documents/${"0".repeat(64)}`)).status).toBe(404);
    expect((await bench.request("/v1/documents/abc")).status).toBe(400);
  });

  test("models with the exact text of their manifests", async () => {
    const { models } = (await (await createTestBench().request("/v1/models")).json()) as {
      models: { modelId: string; manifest: string; ready: boolean }[];
    };
    expect(models.map(({ ready }) => ready)).toEqual([false, true]);
    for (const { modelId, manifest } of models) expect(modelId).toBe(`0x${toHex(sha256(utf8(manifest)))}`);
  });

  test("checkpoint, once there is one", async () => {
    expect(await (await createTestBench().request("/log/checkpoint")).json()).toMatchObject({
      code: "checkpoint_not_found",
    });
    const { services } = createTestBench();
    const transparencyLog = { ...services.transparencyLog, checkpoint: async () => "note\n" };
    const response = await createTestBench({ services: { transparencyLog } }).request("/log/checkpoint");
    expect(response.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    expect(await response.text()).toBe("note\n");
  });

  test("attestation for a nonce, which no log shows", async () => {
    const bench = createTestBench();
    const nonce = "5e".repeat(32);
    const response = await bench.request(`/v1/attestation?nonce=${nonce}`);
    expect(await response.json()).toEqual({ evidence: { nonce } });
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(await (await bench.request("/v1/attestation")).json()).toEqual({ evidence: { nonce: null } });
    for (const bad of ["5e", `${nonce}00`, "zz".repeat(32)]) {
      expect((await bench.request(`/v1/attestation?nonce=${bad}`)).status).toBe(400);
    }
    expect(bench.logged()).not.toContain(nonce);
  });
});

test("who am I", async () => {
  const bench = createTestBench();
  const mine = await bench.request("/v1/account", { key: KEY });
  expect(await mine.json()).toEqual({ accountId: "alice", tenantId: "one", keyId: "k1" });
  expect((await bench.request("/v1/account")).status).toBe(401);
});
