/**
 * What goes wrong with provers, seen through a service: each proof ends in a state that says so, nothing is stuck, and inferences
 * go on. The real prover where it can be made to fail; an interpreter that stands in for it where a fault of the machine is meant.
 */
import { createHash } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { toHex } from "../codec/index.ts";
import { manifestText, modelId, parseManifest } from "../models/client.ts";
import { zooModel } from "../proofs/testing/models.ts";
import { hasProver, openProver, proverCache, WITHOUT_PROVER } from "../proofs/testing/prover.ts";
import { OWNER, writePaperCircuit } from "./circuit-fixture.ts";
import { temporaryDirectory } from "./folder.ts";
import { command, zooCircuit } from "./prover-fixture.ts";
import { startService, type RunningService } from "./service-process.ts";

const zoo = (file: string) => readFileSync(new URL(`../models/zoo/breast-cancer/${file}`, import.meta.url));
const body = zoo("example.json");
const DEADLINE_MS = 25_000;

interface Seen {
  state: string;
  stage: string | null;
  code: string | null;
  outcome: object | null;
}

function over(service: () => RunningService) {
  const ask = async (path: string, init: RequestInit = {}): Promise<Response> => {
    const headers = {
      authorization: `Bearer ${service().apiKey}`,
      "content-type": "application/json",
      ...(init.headers as Record<string, string>),
    };
    return await fetch(service().url + path, { ...init, headers });
  };
  const infer = (headers: Record<string, string> = {}) =>
    ask("/v2/models/breast-cancer/infer", { method: "POST", headers, body });
  return {
    ask,
    infer,
    async promised(): Promise<string> {
      const answer = await infer({ "affidavit-assurance": "tee+zk" });
      expect(answer.status).toBe(200);
      return answer.headers.get("affidavit-proof-id")!;
    },
    async seen(id: string): Promise<Seen> {
      return (await (await ask(`/v1/proofs/${id}`)).json()) as Seen;
    },
    async end(id: string): Promise<Seen> {
      const text = await (await ask(`/v1/proofs/${id}/events`)).text();
      return JSON.parse(/.*data: (.*)/s.exec(text)![1]!) as Seen;
    },
    async running(id: string, stage: string): Promise<void> {
      for (let tries = 0; ; tries++) {
        const now = (await (await ask(`/v1/proofs/${id}`)).json()) as Seen;
        if (now.stage === stage) return;
        if (tries > 600 || now.outcome) throw new Error(`not at ${stage}: ${JSON.stringify(now)}`);
        await sleep(50);
      }
    },
    /** The slowest of twenty, one after another. */
    async slowestMs(): Promise<number> {
      let slowest = 0;
      for (let i = 0; i < 20; i++) {
        const started = performance.now();
        expect((await infer()).status).toBe(200);
        slowest = Math.max(slowest, performance.now() - started);
      }
      return slowest;
    },
  };
}

describe("a prover of a broken machine", () => {
  const folder = temporaryDirectory();
  const cache = join(folder.path, "cache");
  const requirements = readFileSync(new URL("../proofs/ezkl/requirements.txt", import.meta.url));
  const home = join(cache, `ezkl-${createHash("sha256").update(requirements).digest("hex").slice(0, 16)}`);
  const python = join(home, "bin", "python");
  const mode = (wanted: "hang" | "disk") => writeFileSync(join(home, "mode"), wanted);
  /** Process ids that the stand-in has left. */
  const alive = (): number[] =>
    readFileSync(join(home, "pids"), "utf8")
      .split("\n")
      .filter((pid) => pid !== "" && existsSync(`/proc/${pid}`))
      .map(Number);
  let service: RunningService;
  const { ask, promised, end, running, slowestMs } = over(() => service);

  beforeAll(async () => {
    mkdirSync(join(home, "bin"), { recursive: true });
    const script = `#!${process.execPath}
const { appendFileSync, readFileSync } = require("node:fs");
const home = ${JSON.stringify(home)};
appendFileSync(home + "/pids", process.pid + "\\n");
const say = (message) => process.stdout.write(JSON.stringify(message) + "\\n");
say({ ready: true });
require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const { id } = JSON.parse(line);
  say({ id, stage: "prove" });
  if (readFileSync(home + "/mode", "utf8") === "disk")
    say({ id, error: "[Errno 28] No space left on device" });
});
`;
    writeFileSync(python, script);
    chmodSync(python, 0o755);
    for (const name of ["complete", "pids"]) writeFileSync(join(home, name), "");
    const circuits = join(folder.path, "circuits");
    const id = modelId(manifestText(parseManifest(zoo("manifest.json").toString())));
    writePaperCircuit(circuits, id, [1, 30]);
    service = await startService({
      environment: {
        AFFIDAVIT_CIRCUITS_DIR: circuits,
        AFFIDAVIT_CACHE_DIR: cache,
        AFFIDAVIT_OWNER_KEY: toHex(OWNER),
        AFFIDAVIT_PROVERS: "1",
        AFFIDAVIT_PROOF_DEADLINE_MS: String(DEADLINE_MS),
      },
    });
  }, 90_000);
  afterAll(async () => {
    await service?.stop();
    folder.remove();
  });

  it("whose disk is full is tried again, and then the proof has failed by that name", async () => {
    mode("disk");
    const id = await promised();
    expect(await slowestMs()).toBeLessThan(5000);
    const ended = await end(id);
    expect(ended).toMatchObject({ state: "failed", code: "prover_disk_full", stage: null });
    const job = (await (await ask(`/v1/jobs/${id}`)).json()) as { state: string; retries: number };
    expect(job).toMatchObject({ state: "failed", retries: 3, code: "prover_disk_full" });
  });

  it("that hangs is killed at the deadline, which the log says was missed; the next one is begun", async () => {
    mode("hang");
    const id = await promised();
    await running(id, "prove");
    expect(alive()).not.toEqual([]);
    const waiting = await promised();
    expect(await slowestMs()).toBeLessThan(5000);
    expect(await end(id)).toMatchObject({ state: "expired", outcome: expect.anything() });
    await sleep(1000);
    mode("disk");
    const job = (await (await ask(`/v1/jobs/${id}`)).json()) as { state: string };
    expect(job.state).toBe("cancelled");
    expect(["failed", "expired"]).toContain((await end(waiting)).state);
  });

  it("leaves nothing of ten proofs that are cancelled", async () => {
    mode("hang");
    const ids = await Promise.all(Array.from({ length: 10 }, promised));
    await sleep(500);
    const cancelled = await Promise.all(ids.map((id) => ask(`/v1/proofs/${id}`, { method: "DELETE" })));
    expect(cancelled.map(({ status }) => status)).toEqual(ids.map(() => 200));
    await sleep(1500);
    for (const id of ids) expect(await end(id)).toMatchObject({ state: "cancelled" });
    const jobs = (await (await ask("/v1/jobs?kind=prove&state=active")).json()) as { jobs: object[] };
    expect([jobs.jobs, alive()]).toEqual([[], []]);
  });

  it("that is gone fails each proof, and nothing else", async () => {
    renameSync(python, `${python}.away`);
    const id = await promised();
    expect(await slowestMs()).toBeLessThan(5000);
    expect(await end(id)).toMatchObject({ state: "failed", code: "prover_crashed" });
    renameSync(`${python}.away`, python);
  });
});

describe.skipIf(!hasProver)(`a real prover${WITHOUT_PROVER}`, () => {
  const folder = temporaryDirectory();
  const circuits = join(folder.path, "circuits");
  const environment = {
    AFFIDAVIT_CACHE_DIR: proverCache,
    AFFIDAVIT_CIRCUITS_DIR: circuits,
    AFFIDAVIT_PROVERS: "1",
    AFFIDAVIT_PROOF_DEADLINE_MS: "60000",
  };
  let service: RunningService;
  let circuit: string;
  const { promised, end, running, slowestMs } = over(() => service);

  beforeAll(async () => {
    if (!hasProver) return;
    mkdirSync(circuits);
    mkdirSync(join(folder.path, "config"), { mode: 0o700 });
    const key = join(folder.path, "config", "owner.key");
    writeFileSync(key, `${"2d".repeat(32)}\n`, { mode: 0o600 });
    const id = await zooCircuit("breast-cancer", circuits);
    const bind = ["circuit", "bind", id, "--key", key, "--data-dir", folder.path];
    await command(bind, { AFFIDAVIT_CIRCUITS_DIR: "" });
    circuit = join(circuits, id);
    service = await startService({ directory: folder.path, environment });
  }, 600_000);
  afterAll(async () => {
    await service?.stop();
    folder.remove();
  });

  it("delivers after its service was killed in the middle of a proof and started again", async () => {
    const id = await promised();
    await running(id, "prove");
    service.child.kill("SIGKILL");
    await new Promise((gone) => service.child.once("exit", gone));
    // At another port the start makes another key, of another account.
    const { apiKey } = service;
    service = { ...(await startService({ directory: folder.path, environment })), apiKey };
    expect(await end(id)).toMatchObject({ state: "delivered" });
  });

  it("with a proving key from other settings ends at the deadline or fails, and proves on once it is mended", async () => {
    const copy = join(folder.path, "other-settings");
    cpSync(circuit, copy, { recursive: true });
    const system = openProver();
    const { logrows } = JSON.parse(readFileSync(join(circuit, "circuit.json"), "utf8")) as {
      logrows: number;
    };
    const other = { parameters: "fixed", scale: 9, decompositionBase: 2 ** 7, decompositionLegs: 4 } as const;
    await system.compile(copy, zooModel("breast-cancer").graph, { ...other, logrows: Math.max(12, logrows) });
    await system.generateSrs(join(copy, "kzg.srs"), Math.max(12, logrows));
    await system.setup(copy);
    await system.close();
    renameSync(join(circuit, "pk"), join(circuit, "pk.own"));
    copyFileSync(join(copy, "pk"), join(circuit, "pk"));
    const id = await promised();
    expect(await slowestMs()).toBeLessThan(5000);
    const ended = await end(id);
    expect([ended.state, ended.code]).toEqual(
      ended.state === "expired" ? ["expired", null] : ["failed", expect.stringMatching(/^prover_/)],
    );
    rmSync(join(circuit, "pk"));
    renameSync(join(circuit, "pk.own"), join(circuit, "pk"));
    expect(await end(await promised())).toMatchObject({ state: "delivered" });
  });
});
