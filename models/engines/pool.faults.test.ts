/** What the pool does when runs hang, hosts die and callers leave. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { afterEach, describe, expect, it } from "vitest";
import {
  floatTensor,
  identityModel,
  layerModel,
  longTensor,
  loopModel,
  readFloats,
} from "../testing/models.ts";
import type { EnginePoolOptions, EngineResult } from "./engine.ts";
import { EnginePool } from "./pool.ts";

const FOREVER = 1n << 60n;
const patient = { timeoutMs: 20_000 };
const layer = layerModel();
const loop = loopModel();
const identity = identityModel("FP32");
let open: EnginePool[] = [];

function pool(options: EnginePoolOptions = {}): EnginePool {
  const made = new EnginePool(options);
  open.push(made);
  return made;
}

afterEach(async () => {
  await Promise.all(open.map((made) => made.close()));
  open = [];
});

const refusal = (code: string) => expect.objectContaining({ name: "ModelError", code });

async function ask(engine: EnginePool, a: number): Promise<number> {
  const { outputs } = await engine.run(layer, [floatTensor("x", [a, 1], [1, 2])], patient);
  return readFloats(outputs[0]!)[0]!;
}

async function copy(engine: EnginePool, value: number): Promise<number> {
  return readFloats((await engine.run(identity, [floatTensor("x", [value])], patient)).outputs[0]!)[0]!;
}

function count(
  engine: EnginePool,
  trips: bigint,
  timeoutMs = 20_000,
  signal?: AbortSignal,
): Promise<EngineResult> {
  return engine.run(loop, [floatTensor("x", [0]), longTensor("trips", [trips])], { timeoutMs, signal });
}

function alive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

async function until(condition: () => boolean, limitMs = 10_000): Promise<void> {
  const endMs = performance.now() + limitMs;
  while (!condition()) {
    if (performance.now() > endMs) throw new Error("did not happen in time");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const runs = (length: number) => Array.from({ length }, (_, i) => i);

describe("a run that hangs", () => {
  it("ends with engine_timeout; its host is replaced", async () => {
    const engine = pool();
    await ask(engine, 1);
    const { pid } = engine.stats().hosts[0]!;
    await expect(count(engine, FOREVER, 300)).rejects.toEqual(refusal("engine_timeout"));
    expect(await ask(engine, 2)).toBe(4);
    expect(engine.stats()).toMatchObject({ timeouts: 1, crashes: 0, restarts: 1, heldBytes: 0 });
    expect(alive(pid!)).toBe(false);
  });

  it("is held to the manifest's limit where that is lower", async () => {
    const { manifest } = loop;
    const brief = { ...loop, manifest: { ...manifest, limits: { ...manifest.limits, timeoutMs: 300 } } };
    const run = pool().run(brief, [floatTensor("x", [0]), longTensor("trips", [FOREVER])], patient);
    await expect(run).rejects.toEqual(
      expect.objectContaining({ code: "engine_timeout", message: expect.stringContaining("300") }),
    );
  });

  it("leaves another host's runs alone", async () => {
    const engine = pool({ hosts: 2 });
    await Promise.all([count(engine, 1n), ask(engine, 1)]);
    let hanging = true;
    const hang = count(engine, FOREVER, 1500).catch((error: unknown) => ((hanging = false), error));
    expect(await Promise.all(runs(200).map((i) => ask(engine, i)))).toEqual(runs(200).map((i) => i + 2));
    expect(hanging).toBe(true);
    expect(await hang).toEqual(refusal("engine_timeout"));
  });

  it("leaves other models alone where there is one host: a spare takes them", async () => {
    const engine = pool({ hosts: 1, spareHosts: 1 });
    await ask(engine, 1);
    let hanging = true;
    const hang = count(engine, FOREVER, 3000).catch((error: unknown) => ((hanging = false), error));
    expect(await Promise.all(runs(50).map((i) => ask(engine, i)))).toEqual(runs(50).map((i) => i + 2));
    expect(hanging).toBe(true);
    expect(engine.stats().hosts.map(({ spare }) => spare)).toEqual([false, true]);
    expect(await hang).toEqual(refusal("engine_timeout"));
    await until(() => engine.stats().hosts.length === 1);
    expect(engine.stats()).toMatchObject({ hosts: [{ spare: false }], started: 2, restarts: 1 });
  });

  it("cannot take the spare with a second run", async () => {
    const engine = pool({ hosts: 1, spareHosts: 1 });
    await ask(engine, 1);
    const hangs = [count(engine, FOREVER, 2000), count(engine, FOREVER, 2000)].map((run) =>
      run.catch((error: unknown) => error),
    );
    expect(await ask(engine, 5)).toBe(7);
    expect(engine.stats().inFlight).toBe(1);
    expect(await Promise.all(hangs)).toEqual([refusal("engine_timeout"), refusal("engine_timeout")]);
  });

  it("loses none of the runs that were sent behind it, with or without another host", async () => {
    for (const spareHosts of [0, 1]) {
      const engine = pool({ hosts: 1, spareHosts });
      // Short runs first, so that the pool thinks the model quick and sends others ahead of time.
      for (let i = 0; i < 20; i++) await Promise.all([count(engine, 1n), ask(engine, 1), copy(engine, 1)]);
      const hang = count(engine, FOREVER, 1000).catch((error: unknown) => error);
      const behind = Promise.all(runs(40).flatMap((i) => [ask(engine, i), copy(engine, i)]));
      expect(engine.stats().inFlight).toBeGreaterThan(1);
      expect(await behind).toEqual(runs(40).flatMap((i) => [i + 2, i]));
      expect(await hang).toEqual(refusal("engine_timeout"));
      expect(engine.stats()).toMatchObject({ timeouts: 1, heldBytes: 0, queued: 0, failed: 1 });
    }
  });

  it("makes the model unavailable after three in a row, for a while, and no other model", async () => {
    const engine = pool({ breakerFailures: 3 });
    for (let i = 0; i < 3; i++)
      await expect(count(engine, FOREVER, 100)).rejects.toEqual(refusal("engine_timeout"));
    const refused = expect.objectContaining({ code: "model_unavailable", retryAfterMs: expect.any(Number) });
    await expect(count(engine, 1n)).rejects.toEqual(refused);
    expect(await ask(engine, 1)).toBe(3);
    await new Promise((resolve) => setTimeout(resolve, 1100));
    const [trial, second] = await Promise.allSettled([count(engine, 2n), count(engine, 2n)]);
    expect([trial?.status, (second as PromiseRejectedResult).reason]).toEqual(["fulfilled", refused]);
    expect(readFloats((await count(engine, 3n)).outputs[0]!)).toEqual([3]);
  });
});

describe("a host that dies", () => {
  it("fails the run that it ran and none of those that waited in it", async () => {
    const engine = pool({ spareHosts: 0 });
    for (let i = 0; i < 20; i++) await Promise.all([count(engine, 1n), ask(engine, 1)]);
    const running = count(engine, FOREVER).catch((error: unknown) => error);
    const behind = Promise.all(runs(50).map((i) => ask(engine, i)));
    await new Promise((resolve) => setTimeout(resolve, 100));
    process.kill(engine.stats().hosts[0]!.pid!, "SIGABRT");
    expect(await running).toEqual(refusal("engine_crashed"));
    expect(await behind).toEqual(runs(50).map((i) => i + 2));
    expect(engine.stats()).toMatchObject({ crashes: 1, restarts: 1, failed: 1 });
  });

  it("while idle costs nothing but a restart", async () => {
    const engine = pool();
    await ask(engine, 1);
    process.kill(engine.stats().hosts[0]!.pid!, "SIGKILL");
    expect(await ask(engine, 2)).toBe(4);
    expect(engine.stats()).toMatchObject({ failed: 0, restarts: 1 });
  });

  it("again and again under load loses at most the one run of each death, and crosses none", async () => {
    const engine = pool({ hosts: 2, breakerFailures: 100, maxQueued: 3000 });
    await Promise.all([ask(engine, 1), ask(engine, 1)]);
    const asked = runs(3000).map((i) => ask(engine, i).catch((error: unknown) => error));
    let kills = 0;
    for (let i = 0; i < 5; i++) {
      await until(
        () => engine.stats().hosts.some(({ state }) => state === "busy") || engine.stats().queued === 0,
      );
      const victim = engine.stats().hosts.find(({ state }) => state === "busy");
      if (victim?.pid === undefined) break;
      process.kill(victim.pid, "SIGKILL");
      kills++;
      await until(() => !engine.stats().hosts.some(({ pid }) => pid === victim.pid));
    }
    const answers = await Promise.all(asked);
    const failures = answers.filter((answer) => typeof answer !== "number");
    expect(failures).toEqual(failures.map(() => refusal("engine_crashed")));
    expect(failures.length).toBeLessThanOrEqual(kills);
    expect(kills).toBeGreaterThan(0);
    answers.forEach((answer, i) => typeof answer === "number" && expect(answer).toBe(i + 2));
  }, 60_000);

  it.skipIf(process.platform !== "linux")(
    "dies with its parent, even in a native call (Linux only)",
    async () => {
      const script = `
      const { EnginePool } = await import(${JSON.stringify(new URL("./pool.ts", import.meta.url).href)});
      const m = await import(${JSON.stringify(new URL("../testing/models.ts", import.meta.url).href)});
      const pool = new EnginePool();
      void pool.run(m.loopModel(), [m.floatTensor("x", [0]), m.longTensor("trips", [${FOREVER}n])], { timeoutMs: 60_000 });
      setInterval(() => {
        const [host] = pool.stats().hosts;
        if (host.state === "busy") console.log(host.pid);
      }, 50);`;
      const parent = spawn(process.execPath, ["--input-type=module", "-e", script], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      const [line] = (await once(createInterface(parent.stdout), "line")) as [string];
      expect(alive(Number(line))).toBe(true);
      parent.kill("SIGKILL");
      await until(() => !alive(Number(line)));
    },
  );
});

describe("a caller that leaves", () => {
  it("is refused where it has left already", async () => {
    await expect(count(pool(), 1n, 1000, AbortSignal.abort())).rejects.toEqual(refusal("cancelled"));
  });

  it("takes its waiting run out of the queue", async () => {
    const engine = pool({ spareHosts: 0 });
    // A slow run first, so that the pool sends nothing ahead.
    await Promise.all([count(engine, 20_000n), ask(engine, 1)]);
    const hang = count(engine, FOREVER, 400).catch((error: unknown) => error);
    const leaver = new AbortController();
    const waits = engine.run(layer, [floatTensor("x", [1, 1], [1, 2])], {
      ...patient,
      signal: leaver.signal,
    });
    const stays = ask(engine, 3);
    expect(engine.stats().queued).toBe(2);
    leaver.abort();
    expect(engine.stats().queued).toBe(1);
    await expect(waits).rejects.toEqual(refusal("cancelled"));
    expect(await stays).toBe(5);
    await hang;
    expect(engine.stats()).toMatchObject({ cancelled: 1, completed: 3, heldBytes: 0 });
  });

  it("lets its run end, gets no result, and disturbs nobody", async () => {
    const engine = pool();
    await Promise.all([count(engine, 1n), ask(engine, 1)]);
    const leaver = new AbortController();
    const running = count(engine, 50_000n, 20_000, leaver.signal);
    const stays = ask(engine, 3);
    leaver.abort();
    await expect(running).rejects.toEqual(refusal("cancelled"));
    expect(await stays).toBe(5);
    await until(() => engine.stats().heldBytes === 0);
    expect(engine.stats()).toMatchObject({ cancelled: 1, failed: 0, crashes: 0, timeouts: 0 });
  });

  it("keeps a host from beginning what had been sent ahead", async () => {
    const engine = pool({ spareHosts: 0 });
    for (let i = 0; i < 20; i++) await Promise.all([count(engine, 1n), ask(engine, 1)]);
    // On a busy machine it takes more of them until they look short enough for five to be sent ahead.
    for (let i = 0, sent = 0; i < 200 && sent < 6; i++) {
      const probes = runs(6).map(() => count(engine, 1n));
      sent = engine.stats().inFlight;
      await Promise.all(probes);
    }
    const first = count(engine, 100_000n);
    const leaver = new AbortController();
    const ahead = runs(5).map(() => count(engine, FOREVER, 20_000, leaver.signal));
    expect(engine.stats().inFlight).toBe(6);
    leaver.abort();
    for (const run of ahead) await expect(run).rejects.toEqual(refusal("cancelled"));
    await first;
    expect(await ask(engine, 1)).toBe(3);
    expect(engine.stats()).toMatchObject({ cancelled: 5, started: 1, heldBytes: 0, inFlight: 0 });
  });
});

describe("close", () => {
  it("rejects what waits and runs, and leaves no process", async () => {
    const engine = pool({ hosts: 2 });
    await ask(engine, 1);
    const pids = engine.stats().hosts.map(({ pid }) => pid!);
    const left = [count(engine, FOREVER), ask(engine, 1), ask(engine, 2)].map((run) =>
      run.catch((error: unknown) => error),
    );
    await engine.close();
    expect(pids.map(alive)).toEqual([false, false]);
    for (const outcome of await Promise.all(left)) expect(outcome).toEqual(refusal("cancelled"));
    await expect(ask(engine, 1)).rejects.toEqual(refusal("cancelled"));
    await engine.close();
  });
});
