/** The road to a GPU, on an adapter that computes in software: what it is must never be hidden. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { parseExecutionRecord } from "../execution.ts";
import {
  deepModel,
  floatTensor,
  layerModel,
  longTensor,
  loopModel,
  readFloats,
  volumeModel,
} from "../testing/models.ts";
import { softwareAdapter, SOFTWARE_ADAPTER_MISSING } from "../testing/software-adapter.ts";
import type { EngineDevice, EnginePoolOptions, LoadedModel } from "./engine.ts";
import { EnginePool } from "./pool.ts";

const device = softwareAdapter!;
const absent: EngineDevice = {
  name: "absent",
  environment: { VK_ICD_FILENAMES: "/nonexistent", VK_DRIVER_FILES: "/nonexistent" },
};
const patient = { timeoutMs: 20_000 };
const ones = [floatTensor("x", [1, 1, 1, 1, 1, 1, 1, 1], [1, 1, 2, 2, 2])];
const refusal = (code: string, message = "") =>
  expect.objectContaining({ name: "ModelError", code, message: expect.stringContaining(message) });

let open: EnginePool[] = [];
const folder = mkdtempSync(join(tmpdir(), "affidavit-webgpu-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(async () => {
  await Promise.all(open.map((made) => made.close()));
  open = [];
});

function pool(options: EnginePoolOptions): EnginePool {
  const made = new EnginePool({ executionProviders: ["webgpu"], hosts: 0, ...options });
  open.push(made);
  return made;
}

async function ask(engine: EnginePool, a: number, model = layerModel()): Promise<number> {
  const { outputs } = await engine.run(model, [floatTensor("x", [a, 1], [1, 2])], patient);
  return readFloats(outputs[0]!)[0]!;
}

async function recordOf(engine: EnginePool, model: LoadedModel, inputs = ones) {
  return parseExecutionRecord((await engine.run(model, inputs, patient)).executionText)!;
}

function loop(engine: EnginePool, trips: bigint) {
  return engine.run(loopModel(), [floatTensor("x", [0]), longTensor("trips", [trips])], patient);
}

describe.skipIf(!softwareAdapter)(`WebGPU on a software adapter (${SOFTWARE_ADAPTER_MISSING})`, () => {
  it("runs there, and the record names the adapter and says that it is software", async () => {
    const engine = pool({ devices: [device] });
    const { outputs, executionText } = await engine.run(
      layerModel(),
      [floatTensor("x", [3, 1], [1, 2])],
      patient,
    );
    expect(readFloats(outputs[0]!)).toEqual([5, 0]);
    expect(parseExecutionRecord(executionText)).toMatchObject({
      provider: "webgpu",
      cpuOperations: false,
      operations: null,
      precision: "graph",
      adapter: { name: expect.stringContaining("SwiftShader"), type: "software", source: "loader" },
    });
    expect(engine.stats()).toMatchObject({
      hosts: [
        { device: device.name, loaded: [{ model: "layer/1", adapter: { type: "software" }, skipped: [] }] },
      ],
      usage: [{ provider: "webgpu", adapter: { type: "software" }, runs: 1 }],
    });
  });

  it("names the same adapter for a second model of the host, for which none is opened again", async () => {
    const engine = pool({ devices: [device] });
    await ask(engine, 1);
    await ask(engine, 1, layerModel({ version: "2" }));
    const adapters = engine.stats().hosts[0]!.loaded.map(({ adapter }) => adapter);
    expect(adapters).toHaveLength(2);
    expect(adapters[1]).toEqual(adapters[0]);
  });

  it("leaves operations that it lacks to the CPU only where that is listed, and counts them", async () => {
    const engine = pool({ devices: [device] });
    await expect(loop(engine, 3n)).rejects.toEqual(refusal("engine_operation_unsupported", "list cpu"));
    const mixed = pool({ devices: [device], executionProviders: ["webgpu", "cpu"] });
    const { outputs, executionText } = await loop(mixed, 3n);
    expect(readFloats(outputs[0]!)).toEqual([3]);
    const { provider, cpuOperations, operations } = parseExecutionRecord(executionText)!;
    expect([provider, cpuOperations]).toEqual(["webgpu", true]);
    expect(operations!.cpu).toBeGreaterThan(0);
    expect(operations!.provider).toBeGreaterThan(0);
  });

  it("gives engine_provider_failed where it fails at the first run, with a new host for the next", async () => {
    const engine = pool({ devices: [device] });
    await expect(engine.run(volumeModel(), ones, patient)).rejects.toEqual(
      refusal("engine_provider_failed", "webgpu"),
    );
    expect(await ask(engine, 1)).toBe(3);
    expect(engine.stats()).toMatchObject({
      providerFailures: 1,
      crashes: 0,
      restarts: 1,
      failed: 1,
      heldBytes: 0,
    });
  });

  it("goes on with the CPU after such a failure where that is listed, and says so in the record", async () => {
    const engine = pool({ devices: [device], executionProviders: ["webgpu", "cpu"] });
    const { outputs, executionText } = await engine.run(volumeModel(), ones, patient);
    expect(readFloats(outputs[0]!)[0]).toBe(1);
    expect(parseExecutionRecord(executionText)).toMatchObject({ provider: "cpu", adapter: null });
    expect(engine.stats().hosts[0]!.loaded).toMatchObject([
      { model: "volume/1", provider: "cpu", skipped: [expect.stringContaining("webgpu: it failed")] },
    ]);
    expect(await recordOf(engine, layerModel(), [floatTensor("x", [3, 1], [1, 2])])).toMatchObject({
      provider: "webgpu",
    });
    expect(engine.stats()).toMatchObject({ providerFailures: 1, failed: 0, completed: 2, heldBytes: 0 });
  });

  it("gives engine_crashed where its host is killed under a run, and the next one a new host", async () => {
    const engine = pool({ devices: [device] });
    const long = () =>
      engine.run(deepModel(100), [floatTensor("x", Array<number>(400_000).fill(1), [200_000, 2])], patient);
    await long();
    const startedMs = performance.now();
    await long();
    const tookMs = performance.now() - startedMs;
    const running = long().catch((error: unknown) => error);
    await new Promise((resolve) => setTimeout(resolve, tookMs / 2));
    process.kill(engine.stats().hosts[0]!.pid!, "SIGKILL");
    expect(await running).toEqual(refusal("engine_crashed"));
    expect(await ask(engine, 2)).toBe(4);
    expect(engine.stats()).toMatchObject({ crashes: 1, restarts: 1, hosts: [{ device: device.name }] });
  });

  it("does the run again on the CPU where that is listed and the host died of it", async () => {
    const engine = pool({ devices: [device], executionProviders: ["webgpu", "cpu"] });
    await loop(engine, 1n);
    const running = loop(engine, 100_000n);
    await new Promise((resolve) => setTimeout(resolve, 300));
    process.kill(engine.stats().hosts[0]!.pid!, "SIGKILL");
    const { outputs, executionText } = await running;
    expect(readFloats(outputs[0]!)).toEqual([100_000]);
    expect(parseExecutionRecord(executionText)).toMatchObject({ provider: "cpu", adapter: null });
    expect(engine.stats()).toMatchObject({ crashes: 1, failed: 0, completed: 2, heldBytes: 0 });
  });

  it("spreads runs over several devices, and lets nobody wait behind a device that has failed to load", async () => {
    const engine = pool({ devices: [absent, device, { ...device, name: "second" }] });
    const rows = Array<number>(2_000_000).fill(1);
    const many = [floatTensor("x", rows, [rows.length / 2, 2])];
    await Promise.all(Array.from({ length: 6 }, () => engine.run(layerModel(), many, patient)));
    const used = engine.stats().hosts.filter(({ loaded }) => loaded.length > 0);
    expect(used.map(({ device: name }) => name)).toEqual([device.name, "second"]);
    expect(engine.stats().failed).toBe(0);
  });

  it("keeps models of the CPU on their own hosts, and neither kind waits for the other", async () => {
    const engine = pool({ devices: [device], hosts: 1, spareHosts: 0 });
    const cpu = layerModel({ version: "3", executionProviders: ["cpu"] });
    expect(await engine.preload([cpu, layerModel()])).toEqual([]);
    const places = engine.stats().hosts.map(({ device: name, models }) => [name, models]);
    expect(places).toEqual([
      [undefined, ["layer/3"]],
      [device.name, ["layer/1"]],
    ]);
    process.kill(engine.stats().hosts[1]!.pid!, "SIGSTOP");
    const held = Array.from({ length: 3 }, () => ask(engine, 1));
    expect(await ask(engine, 5, cpu)).toBe(7);
    process.kill(engine.stats().hosts[1]!.pid!, "SIGCONT");
    expect(await Promise.all(held)).toEqual([3, 3, 3]);
  });

  it("gives engine_adapter_missing where the loader finds no driver", async () => {
    const run = ask(pool({ devices: [absent] }), 1);
    await expect(run).rejects.toEqual(refusal("engine_adapter_missing", "Vulkan driver"));
  });

  it("gives engine_library_missing where the loader does not load", async () => {
    writeFileSync(join(folder, "libvulkan.so.1"), "no library");
    const broken = { name: "broken", environment: { LD_LIBRARY_PATH: folder } };
    await expect(ask(pool({ devices: [broken] }), 1)).rejects.toEqual(
      refusal("engine_library_missing", "libvulkan1"),
    );
    const both = pool({ devices: [broken], executionProviders: ["cuda", "webgpu"] });
    await expect(ask(both, 1)).rejects.toEqual(
      refusal("engine_provider_unavailable", "engine_library_missing"),
    );
    const fallback = pool({ devices: [broken], executionProviders: ["webgpu", "cpu"] });
    expect(await ask(fallback, 1)).toBe(3);
    expect(fallback.stats().hosts[0]!.loaded[0]!.skipped).toEqual([
      expect.stringContaining("engine_library_missing"),
    ]);
  });
});
