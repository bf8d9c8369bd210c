/** Workers elsewhere, as the command starts them: with evidence and without, beside a service that makes no proofs itself. */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { DEFAULT_POLICY, SIMULATED_POLICY } from "../attestation/index.ts";
import { hasProver, proverCache, WITHOUT_PROVER } from "../proofs/testing/prover.ts";
import { temporaryDirectory } from "./folder.ts";
import { command, zooCircuit } from "./prover-fixture.ts";
import { startService, type RunningService } from "./service-process.ts";

const CLI = fileURLToPath(new URL("../client/cli/main.ts", import.meta.url));
const body = readFileSync(new URL("../models/zoo/breast-cancer/example.json", import.meta.url));

const folder = temporaryDirectory();
const circuits = join(folder.path, "circuits");
let service: RunningService;
let key: string;
const running: ChildProcess[] = [];

async function start(policy: object): Promise<RunningService> {
  const file = join(folder.path, "workers.json");
  writeFileSync(file, JSON.stringify(policy));
  return await startService({
    directory: join(folder.path, "service"),
    environment: {
      AFFIDAVIT_CACHE_DIR: proverCache,
      AFFIDAVIT_CIRCUITS_DIR: circuits,
      AFFIDAVIT_PROVERS: "0",
      AFFIDAVIT_WORKER_POLICY: file,
    },
  });
}

async function ask(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = {
    authorization: `Bearer ${service.apiKey}`,
    "content-type": "application/json",
    ...(init.headers as Record<string, string>),
  };
  return await fetch(service.url + path, { ...init, headers });
}

beforeAll(async () => {
  if (!hasProver) return;
  mkdirSync(circuits);
  const config = join(folder.path, "service", "config");
  mkdirSync(config, { recursive: true, mode: 0o711 });
  const ownerKey = join(config, "owner.key");
  writeFileSync(ownerKey, `${"2c".repeat(32)}\n`, { mode: 0o600 });
  const id = await zooCircuit("breast-cancer", circuits);
  const bind = ["circuit", "bind", id, "--key", ownerKey, "--data-dir", folder.path];
  await command(bind, { AFFIDAVIT_CIRCUITS_DIR: "" });
  service = await start(SIMULATED_POLICY);
  const made = await ask("/v1/keys", {
    method: "POST",
    body: JSON.stringify({ label: "worker", scopes: ["worker"] }),
  });
  ({ key } = (await made.json()) as { key: string });
}, 600_000);
afterEach(async () => {
  for (const child of running.splice(0)) {
    child.kill("SIGKILL");
    if (child.exitCode === null && child.signalCode === null)
      await new Promise((gone) => child.once("exit", gone));
  }
});
afterAll(async () => {
  await service?.stop();
  folder.remove();
}, 60_000);

function startWorker(words: string[] = [], environment: Record<string, string> = {}) {
  const child = spawn(
    process.execPath,
    [CLI, "worker", "--kind", "prove", "--service", service.url, ...words],
    {
      env: {
        PATH: process.env["PATH"],
        HOME: folder.path,
        AFFIDAVIT_ATTESTATION: "simulated",
        AFFIDAVIT_API_KEY: key,
        AFFIDAVIT_CACHE_DIR: proverCache,
        AFFIDAVIT_CIRCUITS_DIR: circuits,
        AFFIDAVIT_DATA_DIR: join(folder.path, "worker"),
        AFFIDAVIT_PROVERS: "1",
        ...environment,
      },
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  running.push(child);
  let output = "";
  const seen = async (text: string): Promise<string> => {
    for (let tries = 0; !output.includes(text); tries++) {
      if (tries > 600 || child.exitCode !== null) throw new Error(`not seen: ${text}\n${output}`);
      await sleep(100);
    }
    return output;
  };
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => (output += text));
  const ended = new Promise<{ code: number | null; output: string }>((done) =>
    child.once("exit", (code) => done({ code, output })),
  );
  return { child, seen, ended };
}

async function promised(headers: Record<string, string> = {}): Promise<string> {
  const given = { "affidavit-assurance": "tee+zk", ...headers };
  const answer = await ask("/v2/models/breast-cancer/infer", { method: "POST", headers: given, body });
  expect(answer.status).toBe(200);
  return answer.headers.get("affidavit-proof-id")!;
}

async function state(id: string): Promise<string> {
  return ((await (await ask(`/v1/proofs/${id}`)).json()) as { state: string }).state;
}

async function delivered(id: string): Promise<void> {
  const events = await (await ask(`/v1/proofs/${id}/events`)).text();
  expect(events).toContain('"state":"delivered"');
  const file = join(folder.path, `${id}.json`);
  writeFileSync(file, await (await ask(`/v1/proofs/${id}/bundle`)).text());
  const flags = ["--allow-simulated", "--allow-development-srs"];
  expect(await command(["verify", file, ...flags])).toMatchObject({ ok: true });
}

describe.skipIf(!hasProver)(`a worker elsewhere${WITHOUT_PROVER}`, () => {
  it("proves what it may see: with evidence all, without it public inputs alone", async () => {
    const without = startWorker(["--unattested"]);
    await without.seen("Working on prove");
    const [kept, shown] = [await promised(), await promised({ "affidavit-public-input": "true" })];
    await delivered(shown);
    await sleep(3000);
    expect(await state(kept)).toBe("waiting");
    without.child.kill("SIGTERM");
    expect((await without.ended).code).toBe(0);
    const attested = startWorker();
    await attested.seen("Working on prove");
    expect(await (await ask("/readyz")).text()).toContain("1 workers elsewhere are admitted.");
    await delivered(kept);
    const jobs = (await (await ask("/v1/jobs?kind=prove")).json()) as { jobs: { state: string }[] };
    expect(jobs.jobs.map((job) => job.state)).toEqual(["completed", "completed"]);
  });

  it("killed in the middle of a proof loses it to another one", async () => {
    const first = startWorker();
    await first.seen("Working on prove");
    const id = await promised();
    await first.seen('"kind":"task"');
    first.child.kill("SIGKILL");
    // All that it started goes with it: nobody reports any more.
    const second = startWorker();
    await second.seen("Working on prove");
    await delivered(id);
  });

  it("ends, and says why, where its key or its evidence is not accepted", async () => {
    const wrongKey = startWorker([], { AFFIDAVIT_API_KEY: service.apiKey });
    expect(await wrongKey.ended).toMatchObject({
      code: 1,
      output: expect.stringContaining("[scope_missing]"),
    });
    await service.stop();
    service = await start(DEFAULT_POLICY);
    const simulated = startWorker();
    const { code, output } = await simulated.ended;
    expect(code).toBe(1);
    expect(output).toContain("simulated_refused");
    expect(output).toContain("[worker_refused]");
  });
});
