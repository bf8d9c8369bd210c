import { describe, expect, test } from "vitest";
import { createTestBench, KEY, OTHER_KEY } from "./testing/services.ts";
import type { TestBench } from "./testing/services.ts";

async function expectProblem(response: Response, status: number, code: string): Promise<void> {
  expect(response.status).toBe(status);
  expect(await response.json()).toMatchObject({ code, charged: false });
}

async function makeLink(
  bench: TestBench,
  body?: unknown,
): Promise<{ path: string; token: string; expiresAt: string }> {
  const init = { method: "POST", key: KEY, ...(body !== undefined && { body: JSON.stringify(body) }) };
  const response = await bench.request("/v1/receipts/r1/link", init);
  expect(response.status).toBe(201);
  return (await response.json()) as { path: string; token: string; expiresAt: string };
}

const withoutTrace = async (response: Response) => ({
  ...((await response.json()) as object),
  traceId: "",
});

describe("a receipt", () => {
  test("is its owner's", async () => {
    const response = await createTestBench().request("/v1/receipts/r1", { key: KEY });
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("application/vnd.affidavit.receipt+json");
    expect(response.headers.get("cache-control")).toBe("private, no-store");
    expect(await response.json()).toEqual({ formatVersion: 1 });
  });

  test("of another tenant, with an account of the same name, is as if it were not there", async () => {
    const bench = createTestBench();
    const theirs = await bench.request("/v1/receipts/r1", { key: OTHER_KEY });
    const none = await bench.request("/v1/receipts/r2", { key: OTHER_KEY });
    expect(theirs.status).toBe(404);
    expect(await withoutTrace(theirs)).toEqual(await withoutTrace(none));
    await expectProblem(
      await bench.request("/v1/receipts/r1/link", { method: "POST", key: OTHER_KEY }),
      404,
      "receipt_not_found",
    );
  });

  test("needs a key or a token", async () => {
    const bench = createTestBench();
    await expectProblem(await bench.request("/v1/receipts/r1"), 401, "unauthenticated");
    await expectProblem(
      await bench.request("/v1/receipts/r1/link", { method: "POST" }),
      401,
      "unauthenticated",
    );
    await expectProblem(await bench.request("/v1/receipts/a.b", { key: KEY }), 400, "request_invalid");
  });
});

describe("a link", () => {
  test("lets anyone read that receipt until it expires", async () => {
    let nowMs = 1_000_000;
    const bench = createTestBench({ services: { nowMs: () => nowMs } });
    const { path, expiresAt } = await makeLink(bench, { expiresInSeconds: 60 });
    expect(expiresAt).toBe(new Date(nowMs + 60_000).toISOString());
    expect((await bench.request(path)).status).toBe(200);
    await expectProblem(await bench.request(path.replace("r1", "r2")), 404, "receipt_not_found");
    nowMs += 60_000;
    await expectProblem(await bench.request(path), 410, "link_expired");
  });

  test("is stored as a digest only, and its token is in no log", async () => {
    const stored: unknown[] = [];
    const bench = createTestBench();
    const { addLink } = bench.services.receipts;
    bench.services.receipts.addLink = (link) => {
      stored.push(link);
      return addLink(link);
    };
    const { path, token } = await makeLink(bench);
    await bench.request(path);
    expect(token).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect(JSON.stringify(stored)).not.toContain(token);
    expect(bench.logged()).not.toContain(token);
  });

  test("with another token opens nothing", async () => {
    const bench = createTestBench();
    const { token } = await makeLink(bench);
    const other = (token.startsWith("A") ? "B" : "A") + token.slice(1);
    await expectProblem(await bench.request(`/v1/receipts/r1?token=${other}`), 404, "receipt_not_found");
    await expectProblem(await bench.request("/v1/receipts/r1?token=short"), 400, "request_invalid");
  });

  test.each([
    [{ expiresInSeconds: 1 }],
    [{ expiresInSeconds: "60" }],
    [{ expires: 60 }],
    [[]],
    ["x".repeat(20_000)],
  ])("refuses a bad request %#", async (body) => {
    const response = await createTestBench().request("/v1/receipts/r1/link", {
      method: "POST",
      key: KEY,
      body: JSON.stringify(body),
    });
    expect([400, 413]).toContain(response.status);
  });
});
