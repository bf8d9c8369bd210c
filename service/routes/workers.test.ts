/** The HTTP side of workers elsewhere: who may ask, and what is no question. What workers get is tested beside `workers/`. */
import { beforeEach, describe, expect, test } from "vitest";
import { toBase64, toHex } from "../../codec/index.ts";
import type { Services } from "../services.ts";
import { ADMIN_KEY, createTestBench, KEY, type TestBench } from "./testing/services.ts";

const ID = "00000000-0000-4000-8000-000000000001";
const TASK = "00000000-0000-4000-8000-000000000002";
const hex = toHex(new Uint8Array(32).fill(7));
const evidence = { nonce: hex, hpkeKey: hex, type: "tdx", quote: "AAAA", endorsements: "{}" };

let bench: TestBench;
let key: string;
/** What reached the workers, by name. */
let asked: [string, unknown][];

beforeEach(async () => {
  asked = [];
  const heard = (name: string, given: unknown) => void asked.push([name, given]);
  const workers: ReturnType<Services["workers"]> = {
    challenge: async () => ({ nonce: new Uint8Array(32).fill(7), expiresAtMs: 60_000 }),
    begin: async (account, introduction) => {
      heard("begin", introduction);
      return { id: ID, attested: undefined, account, expiresAtMs: 5 } as never;
    },
    next: async (_, id) => {
      heard("next", id);
      const payload = { sealed: new Uint8Array([1, 2]), sealedKey: new Uint8Array(80) };
      return { id: TASK, jobId: ID, circuitId: new Uint8Array(32), timeoutMs: 9, payload };
    },
    report: (_, id, taskId, report) => {
      heard("report", { id, taskId, report });
      return false;
    },
    end: (_, id) => heard("end", id),
  };
  bench = createTestBench({ services: { workers: () => workers } });
  const body = JSON.stringify({ label: "w", scopes: ["worker"] });
  const made = await bench.request("/v1/keys", { method: "POST", key: ADMIN_KEY, body });
  ({ key } = (await made.json()) as { key: string });
});

async function ask(path: string, body?: object, by: string | undefined = key, method = "POST") {
  const given = { method, ...(body && { body: JSON.stringify(body) }), ...(by && { key: by }) };
  const response = await bench.request(`/v1/workers${path}`, given);
  const text = await response.text();
  const { code, ...rest } = (text ? JSON.parse(text) : {}) as Record<string, unknown>;
  return { status: response.status, code, ...rest };
}

describe("workers over HTTP", () => {
  test("need a key with the scope for it", async () => {
    const routes: [string, string][] = [
      ["POST", "/challenges"],
      ["POST", ""],
      ["POST", `/${ID}/tasks`],
      ["POST", `/${ID}/tasks/${TASK}`],
      ["DELETE", `/${ID}`],
    ];
    for (const [method, path] of routes) {
      for (const [by, status, code] of [
        ["", 401, "unauthenticated"],
        [KEY, 403, "scope_missing"],
        [ADMIN_KEY, 403, "scope_missing"],
      ] as const)
        expect([path, await ask(path, undefined, by, method)]).toMatchObject([path, { status, code }]);
    }
    expect(asked).toEqual([]);
  });

  test("are admitted with evidence or without, are given tasks, and report", async () => {
    expect(await ask("/challenges")).toMatchObject({ status: 200, nonce: hex, expiresAtMs: 60_000 });
    expect(await ask("", { kind: "prove", circuits: [hex], evidence })).toMatchObject({
      status: 201,
      id: ID,
    });
    expect(await ask("", { kind: "prove", circuits: [] })).toMatchObject({ attested: false });
    expect(await ask(`/${ID}/tasks`)).toMatchObject({
      status: 200,
      id: TASK,
      sealed: toBase64(new Uint8Array([1, 2])),
      sealedKey: "00".repeat(80),
    });
    expect(await ask(`/${ID}/tasks/${TASK}`, { proof: "AQI=", instances: [hex] })).toMatchObject({
      ended: false,
    });
    await ask(`/${ID}/tasks/${TASK}`, { stage: "prove" });
    await ask(`/${ID}/tasks/${TASK}`, { code: "prover_memory" });
    expect((await ask(`/${ID}`, undefined, key, "DELETE")).status).toBe(204);
    const bytes = new Uint8Array(32).fill(7);
    const shown = { ...evidence, nonce: bytes, hpkeKey: bytes, quote: new Uint8Array(3) };
    const of = (report: object) => ["report", { id: ID, taskId: TASK, report }];
    expect(asked).toEqual([
      ["begin", { circuits: [hex], evidence: shown }],
      ["begin", { circuits: [], evidence: undefined }],
      ["next", ID],
      of({ kind: "proof", parts: { proof: new Uint8Array([1, 2]), instances: [bytes] } }),
      of({ kind: "progress", stage: "prove" }),
      of({ kind: "failure", code: "prover_memory" }),
      ["end", ID],
    ]);
  });

  test.each([
    ["", {}],
    ["", { kind: "settle", circuits: [] }],
    ["", { kind: "prove", circuits: [hex.slice(1)] }],
    ["", { kind: "prove", circuits: [], evidence: { ...evidence, type: "nvidia-gpu" } }],
    ["", { kind: "prove", circuits: [], evidence: { ...evidence, nonce: "0" } }],
    ["", { kind: "prove", circuits: [], evidence: { ...evidence, quote: "?" } }],
    ["", { kind: "prove", circuits: [], evidence: { ...evidence, more: 1 } }],
    [`/${ID}/tasks/${TASK}`, { stage: "done" }],
    [`/${ID}/tasks/${TASK}`, { stage: "prove", code: "prover_failed" }],
    [`/${ID}/tasks/${TASK}`, { code: "proof_invalid" }],
    [`/${ID}/tasks/${TASK}`, { proof: "AQI=", instances: [`${hex}00`] }],
    [`/${ID}/tasks/x`, { stage: "prove" }],
  ])("refuse at %j what is no question: %j", async (path, body) => {
    expect(await ask(path, body)).toMatchObject({ status: 400, code: "request_invalid" });
    expect(asked).toEqual([]);
  });
});
