/** A worker of its own beside a service that makes no proofs: both on one database, with one cluster's keys. */
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hasProver, proverCache, WITHOUT_PROVER } from "../proofs/testing/prover.ts";
import { temporaryDirectory } from "./folder.ts";
import { startTestServer } from "./postgres.ts";
import { command, zooCircuit } from "./prover-fixture.ts";
import { startService, type RunningService } from "./service-process.ts";

const CLI = fileURLToPath(new URL("../client/cli/main.ts", import.meta.url));
const body = readFileSync(new URL("../models/zoo/breast-cancer/example.json", import.meta.url));

const folder = temporaryDirectory();
let server: Awaited<ReturnType<typeof startTestServer>>;
let environment: Record<string, string>;
let service: RunningService;
let worker: ChildProcess;
let output = "";

beforeAll(async () => {
  if (!hasProver) return;
  server = await startTestServer();
  const { user, password, host, port } = server.administration;
  const client = new Client(server.administration);
  await client.connect();
  await client.query("CREATE DATABASE worked");
  await client.end();
  const place = `host=${encodeURIComponent(String(host))}&port=${port}`;
  const circuits = join(folder.path, "circuits");
  const config = join(folder.path, "service", "config");
  mkdirSync(config, { recursive: true, mode: 0o711 });
  const key = join(config, "owner.key");
  writeFileSync(key, `${"2b".repeat(32)}\n`, { mode: 0o600 });
  mkdirSync(circuits);
  const id = await zooCircuit("breast-cancer", circuits);
  await command(["circuit", "bind", id, "--key", key, "--data-dir", folder.path], {
    AFFIDAVIT_CIRCUITS_DIR: "",
  });
  environment = {
    DATABASE_URL: `postgres://${user}:${encodeURIComponent(String(password))}@localhost/worked?${place}`,
    AFFIDAVIT_CACHE_DIR: proverCache,
    AFFIDAVIT_CIRCUITS_DIR: circuits,
    AFFIDAVIT_CONFIG_DIR: config,
  };
  const directory = join(folder.path, "service");
  service = await startService({
    directory,
    environment: {
      ...environment,
      AFFIDAVIT_PROVERS: "0",
      // Longer than the deadline: only another keyset's worker keeps it.
      AFFIDAVIT_REEXECUTION_GRACE_MS: "120000",
    },
  });
  execFileSync("cp", ["-a", join(directory, "vault"), join(folder.path, "vault")]);
}, 600_000);
afterAll(async () => {
  worker?.kill("SIGTERM");
  await service?.stop();
  await server?.remove();
  folder.remove();
}, 60_000);

async function startWorker(vault: string, kind = "prove"): Promise<number | "works"> {
  const data = join(folder.path, "worker");
  worker = spawn(process.execPath, [CLI, "worker", "--kind", kind], {
    env: {
      ...environment,
      PATH: process.env["PATH"],
      HOME: folder.path,
      AFFIDAVIT_VAULT_DIR: vault,
      AFFIDAVIT_DATA_DIR: data,
      AFFIDAVIT_PROVERS: "1",
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  output = "";
  return await new Promise((done) => {
    for (const stream of [worker.stdout!, worker.stderr!]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        output += text;
        if (output.includes(`Working on ${kind}`)) done("works");
      });
    }
    worker.once("exit", (code) => done(code ?? -1));
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

describe.skipIf(!hasProver)(`a worker${WITHOUT_PROVER}`, () => {
  it("without the cluster's keys does not start, and says so", async () => {
    expect(await startWorker(join(folder.path, "other-vault"))).toBe(1);
    expect(output).toMatch(/did not start: .*cluster's keys.*\[setting_invalid\]/);
  });

  it("proves what the service promised, under its own attested keyset", async () => {
    expect(await startWorker(join(folder.path, "vault"))).toBe("works");
    const headers = { "affidavit-assurance": "tee+zk" };
    const answer = await ask("/v2/models/breast-cancer/infer", { method: "POST", headers, body });
    const id = answer.headers.get("affidavit-proof-id")!;
    const events = await (await ask(`/v1/proofs/${id}/events`)).text();
    const last = JSON.parse(/.*data: (.*)/s.exec(events)![1]!) as {
      state: string;
      outcome: { keysetDigest: string };
    };
    expect(last.state).toBe("delivered");
    expect(last.outcome.keysetDigest).not.toBe(answer.headers.get("affidavit-keyset"));
    const file = join(folder.path, "bundle.json");
    writeFileSync(file, await (await ask(`/v1/proofs/${id}/bundle`)).text());
    const flags = ["--allow-simulated", "--allow-development-srs"];
    expect(await command(["verify", file, ...flags])).toMatchObject({ ok: true });
  });

  it("runs an answer again under another keyset, before the answer's own service would", async () => {
    worker.kill("SIGTERM");
    await new Promise((gone) => worker.once("exit", gone));
    expect(await startWorker(join(folder.path, "vault"), "reexecute")).toBe("works");
    const headers = { "affidavit-assurance": "tee+reexecution" };
    const answer = await ask("/v2/models/breast-cancer/infer", { method: "POST", headers, body });
    const id = answer.headers.get("affidavit-reexecution-id")!;
    const events = await (await ask(`/v1/reexecutions/${id}/events`)).text();
    const last = JSON.parse(/.*data: (.*)/s.exec(events)![1]!) as {
      state: string;
      outcome: { anotherKeyset: boolean; keysetDigest: string };
    };
    expect(last).toMatchObject({ state: "delivered", outcome: { anotherKeyset: true } });
    expect(last.outcome.keysetDigest).not.toBe(answer.headers.get("affidavit-keyset"));
  });
});
