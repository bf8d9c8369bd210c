/** How a service ends and begins again: asked to stop under load, while it starts, and on data that another one holds. */
import { once } from "node:events";
import { Agent, request } from "node:http";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { utf8 } from "../codec/index.ts";
import { temporaryDirectory } from "./folder.ts";
import { checkReceipt, infer, requestDigestOf, smallCall, type Target } from "./service-load.ts";
import { spawnService, startService, type RunningService } from "./service-process.ts";
import { appendWaits, auditLog, holdLog, openStore } from "./service-store.ts";
import { findRole, processTree, stillRunning, type ProcessEntry } from "./service-tree.ts";

const folder = temporaryDirectory();
const environment = { AFFIDAVIT_ENGINE_HOSTS: "1" };
const start = () => startService({ directory: folder.path, environment });
let service: RunningService;

beforeAll(async () => void (service = await start()));
afterAll(async () => {
  await service.stop();
  folder.remove();
});

async function exitOf(running: RunningService): Promise<[number | null, NodeJS.Signals | null]> {
  const { child } = running;
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  return [child.exitCode, child.signalCode];
}

interface Reply {
  status: number;
  headers: NodeJS.Dict<string | string[]>;
  body: string;
}

/** Over a connection of its own unless told otherwise: what a new caller sees. */
function get(url: string, agent = new Agent({ keepAlive: false })): Promise<Reply> {
  return new Promise((resolve, reject) => {
    request(url, { agent }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => (body += text));
      response.on("end", () => resolve({ status: response.statusCode!, headers: response.headers, body }));
    })
      .on("error", reject)
      .end();
  });
}

function expectWholeTree(tree: ProcessEntry[]): void {
  expect(new Set(tree.map(({ role }) => role))).toEqual(
    new Set(["service", "vault", "host", "postgres", "backend"]),
  );
}

test("under load: running requests finish, new ones are told to go elsewhere, and no process stays", async () => {
  const target: Target = { url: service.url, apiKey: service.apiKey };
  const tree = processTree(service.child.pid!);
  expectWholeTree(tree);
  expect((await infer(target, smallCall("digits"))).status).toBe(200);
  const host = findRole(service.child.pid!, "host");
  process.kill(host, "SIGSTOP");
  const calls = Array.from({ length: 40 }, () => smallCall("digits"));
  const running = calls.map((call) => infer(target, call));
  const inFlight = async () => (await get(`${target.url}/metrics`)).body;
  await expect.poll(inFlight).toMatch(/^affidavit_http_in_flight 41$/m);
  service.child.kill("SIGTERM");
  await expect.poll(async () => (await get(`${target.url}/readyz`)).status, { interval: 10 }).toBe(503);
  const ready = await get(`${target.url}/readyz`);
  expect(JSON.parse(ready.body)).toMatchObject({ ready: false, draining: true });
  const refused = await get(`${target.url}/v2/models/digits`);
  expect(refused.status).toBe(503);
  expect(refused.headers).toMatchObject({ connection: "close", "retry-after": "1" });
  expect(JSON.parse(refused.body)).toMatchObject({ code: "service_draining" });
  const late = await infer(target, smallCall("digits"));
  expect(late).toMatchObject({ status: 503, code: "service_draining" });

  process.kill(host, "SIGCONT");
  const answers = await Promise.all(running);
  expect(answers.map(({ status }) => status)).toEqual(calls.map(() => 200));
  expect(await exitOf(service)).toEqual([0, null]);
  expect(stillRunning(tree)).toEqual([]);

  const begun = performance.now();
  service = await start();
  expect(performance.now() - begun).toBeLessThan(20_000);
  const again = { url: service.url, apiKey: target.apiKey };
  for (const [index, answer] of answers.entries()) {
    expect(await checkReceipt(again, calls[index]!, answer)).toBeUndefined();
  }
  expect((await infer(again, smallCall("digits"))).status).toBe(200);
  const store = openStore(folder.path);
  expect((await auditLog(store)).keysets).toBe(2);
  await store.end();
});

test("a second start on the same data is refused by name, and harms nothing", async () => {
  const child = spawnService(folder.path, environment);
  let error = "";
  child.stderr!.setEncoding("utf8").on("data", (text: string) => (error += text));
  await once(child, "close");
  expect(child.exitCode).toBe(1);
  expect(error).toBe(
    `Affidavit did not start: ${folder.path}/data is in use by another service (process ${service.child.pid}) [database_in_use]\n`,
  );
  expect((await infer(service, smallCall("breast-cancer"))).status).toBe(200);
});

test("what was signed for a caller who has gone is stored before the end", async () => {
  const store = openStore(folder.path);
  const holder = await holdLog(store);
  const call = smallCall("digits");
  const caller = new AbortController();
  const gone = infer(service, call, caller.signal).catch(() => "gone");
  await expect.poll(() => appendWaits(store), { interval: 10 }).toBe(true);
  caller.abort();
  expect(await gone).toBe("gone");
  service.child.kill("SIGTERM");
  await sleep(300);
  expect(service.child.exitCode).toBeNull();
  await holder.release();
  expect(await exitOf(service)).toEqual([0, null]);
  await store.end();
  service = await start();
  const reopened = openStore(folder.path);
  const { inferences } = await auditLog(reopened);
  await reopened.end();
  const stored = [...inferences.values()].filter(
    ({ requestDigest }) => requestDigest === requestDigestOf(call),
  );
  expect(stored).toHaveLength(1);
});

test("a connection that says nothing does not hold the end up", async () => {
  const idle = new Agent({ keepAlive: true });
  expect((await get(`${service.url}/livez`, idle)).status).toBe(200);
  const silent = connect(Number(new URL(service.url).port), "127.0.0.1");
  await once(silent, "connect");
  silent.on("error", () => {});
  const tree = processTree(service.child.pid!);
  const begun = performance.now();
  service.child.kill("SIGINT");
  service.child.kill("SIGTERM");
  expect(await exitOf(service)).toEqual([0, null]);
  expect(performance.now() - begun).toBeLessThan(5000);
  expect(stillRunning(tree)).toEqual([]);
  idle.destroy();
  silent.destroy();
});

test.each(["postgres", "vault"] as const)(
  "asked to stop while it starts, when its %s has just begun, it leaves no process",
  async (role) => {
    const child = spawnService(folder.path, environment);
    onTestFinished(() => void child.kill("SIGKILL"));
    child.stdout!.resume();
    child.stderr!.resume();
    const seen = new Map<number, ProcessEntry>();
    const look = (): boolean => {
      const tree = processTree(child.pid!);
      for (const entry of tree) seen.set(entry.pid, entry);
      return tree.some((entry) => entry.role === role);
    };
    await expect.poll(look, { interval: 2, timeout: 25_000 }).toBe(true);
    child.kill("SIGTERM");
    while (child.exitCode === null && child.signalCode === null) {
      look();
      await sleep(5);
    }
    expect([child.exitCode, child.signalCode]).toEqual([0, null]);
    expect(stillRunning([...seen.values()])).toEqual([]);
  },
  60_000,
);

test("and what it left works at once", async () => {
  service = await start();
  expect((await infer(service, { ...smallCall("digits"), salt: utf8("s".repeat(32)) })).status).toBe(200);
});
