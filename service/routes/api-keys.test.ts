import { describe, expect, test } from "vitest";
import { ADMIN_KEY, createTestBench, KEY, OTHER_ADMIN_KEY, OTHER_KEY } from "./testing/services.ts";
import type { TestBench } from "./testing/services.ts";

interface Shown {
  id: string;
  accountId: string;
  label: string;
  scopes: string[];
  expiresAt: string | null;
  revokedAt: string | null;
}

async function code(response: Response): Promise<string> {
  return ((await response.json()) as { code: string }).code;
}

function create(bench: TestBench, body: unknown, key = ADMIN_KEY): Promise<Response> {
  return bench.request("/v1/keys", { method: "POST", key, body: JSON.stringify(body) });
}

async function created(bench: TestBench, body: unknown): Promise<Shown & { key: string }> {
  const response = await create(bench, body);
  expect(response.status).toBe(201);
  expect(response.headers.get("cache-control")).toBe("no-store");
  return (await response.json()) as Shown & { key: string };
}

async function listed(bench: TestBench, key = ADMIN_KEY): Promise<Shown[]> {
  const response = await bench.request("/v1/keys", { key });
  expect(response.status).toBe(200);
  return ((await response.json()) as { keys: Shown[] }).keys;
}

const works = async (bench: TestBench, key: string) =>
  (await bench.request("/v1/account", { key })).status === 200;

describe("a new key", () => {
  test("works, may infer and no more, and is shown once", async () => {
    const bench = createTestBench();
    const made = await created(bench, { label: "laptop" });
    expect(made).toMatchObject({ label: "laptop", scopes: ["infer"], expiresAt: null, revokedAt: null });
    expect(await works(bench, made.key)).toBe(true);
    expect((await bench.request("/v1/keys", { key: made.key })).status).toBe(403);
    const list = await listed(bench);
    expect(list.map(({ id }) => id)).toContain(made.id);
    expect(JSON.stringify(list)).not.toContain(made.key);
    expect(bench.logged()).toContain(made.id);
    expect(bench.logged()).not.toContain(made.key);
  });

  test("belongs to the account and has the scopes and the end that were asked for", async () => {
    const bench = createTestBench();
    const first = await created(bench, { label: "first", scopes: ["admin", "infer"] });
    const expiresAt = new Date(Date.now() + 60_000).toISOString();
    const second = await created(bench, { label: "second", accountId: first.accountId, expiresAt });
    expect(second).toMatchObject({ accountId: first.accountId, expiresAt });
    expect((await created(bench, { label: "third" })).accountId).not.toBe(first.accountId);
    expect((await bench.request("/v1/keys", { key: first.key })).status).toBe(200);
  });

  test("cannot join an account of another tenant", async () => {
    const bench = createTestBench();
    const { accountId } = await created(bench, { label: "theirs" });
    const response = await create(bench, { label: "mine", accountId }, OTHER_ADMIN_KEY);
    expect([response.status, await code(response)]).toEqual([404, "account_not_found"]);
  });

  test.each([
    [{}],
    [{ label: "" }],
    [{ label: "x".repeat(101) }],
    [{ label: "bell \u0007" }],
    [{ label: "hidden \u202e" }],
    [{ label: "x", scopes: [] }],
    [{ label: "x", scopes: ["root"] }],
    [{ label: "x", scopes: ["infer", "infer"] }],
    [{ label: "x", scopes: "admin" }],
    [{ label: "x", accountId: "alice" }],
    [{ label: "x", expiresAt: "tomorrow" }],
    [{ label: "x", expiresAt: "2001-01-01T00:00:00Z" }],
    [{ label: "x", tenantId: "two" }],
    [[]],
  ])("is refused for %j", async (body) => {
    const bench = createTestBench();
    const before = await listed(bench);
    const response = await create(bench, body);
    expect([response.status, await code(response)]).toEqual([400, "request_invalid"]);
    expect(await listed(bench)).toEqual(before);
  });
});

describe("revoking", () => {
  test("ends a key, once", async () => {
    const bench = createTestBench();
    const made = await created(bench, { label: "short-lived" });
    const path = `/v1/keys/${made.id}`;
    expect((await bench.request(path, { method: "DELETE", key: ADMIN_KEY })).status).toBe(204);
    expect(await works(bench, made.key)).toBe(false);
    const again = await bench.request(path, { method: "DELETE", key: ADMIN_KEY });
    expect([again.status, await code(again)]).toEqual([404, "key_not_found"]);
    expect((await listed(bench)).find(({ id }) => id === made.id)!.revokedAt).not.toBeNull();
  });

  test("another tenant's key is as if it were not there", async () => {
    const bench = createTestBench();
    const made = await created(bench, { label: "mine" });
    const response = await bench.request(`/v1/keys/${made.id}`, { method: "DELETE", key: OTHER_ADMIN_KEY });
    expect([response.status, await code(response)]).toEqual([404, "key_not_found"]);
    expect(await works(bench, made.key)).toBe(true);
    expect((await listed(bench, OTHER_ADMIN_KEY)).map(({ id }) => id)).not.toContain(made.id);
  });

  test("wants an id", async () => {
    const response = await createTestBench().request("/v1/keys/all", { method: "DELETE", key: ADMIN_KEY });
    expect([response.status, await code(response)]).toEqual([400, "request_invalid"]);
  });
});

describe.each([
  ["POST", "/v1/keys"],
  ["GET", "/v1/keys"],
  ["DELETE", "/v1/keys/00000000-0000-4000-8000-000000000000"],
])("%s %s", (method, path) => {
  test.each([
    [401, "unauthenticated", undefined],
    [401, "api_key_invalid", `${ADMIN_KEY}x`],
    [403, "scope_missing", KEY],
    [403, "scope_missing", OTHER_KEY],
  ])("answers %i %s", async (status, expected, key) => {
    const bench = createTestBench();
    const init = {
      method,
      ...(method === "POST" && { body: '{"label":"x"}' }),
      ...(key !== undefined && { key }),
    };
    const response = await bench.request(path, init);
    expect([response.status, await code(response)]).toEqual([status, expected]);
  });

  test("a key whose stored scopes nobody knows is let do nothing", async () => {
    const bench = createTestBench();
    const { find } = bench.services.keys;
    bench.services.keys.find = async (digest) => {
      const holder = await find(digest);
      return holder && { ...holder, scopes: ["ADMIN", "admin ", "*"] };
    };
    expect((await bench.request(path, { method, key: ADMIN_KEY })).status).toBe(403);
  });
});
