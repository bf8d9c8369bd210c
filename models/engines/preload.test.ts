import { afterEach, describe, expect, it } from "vitest";
import {
  floatTensor,
  identityModel,
  layerModel,
  loopModel,
  longTensor,
  readFloats,
} from "../testing/models.ts";
import type { EnginePoolOptions } from "./engine.ts";
import { EnginePool } from "./pool.ts";

const layer = layerModel();
const identity = identityModel("FP32");
const loop = loopModel();
const lost = { ...identityModel("FP64"), weights: () => Promise.reject(new Error("sealed")) };
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

describe("preload", () => {
  it("puts several models into a host before any run, and loads none twice", async () => {
    const engine = pool();
    let read = 0;
    const counted = { ...layer, weights: () => (read++, layer.weights()) };
    expect(await Promise.all([engine.preload([counted, identity]), engine.preload([counted])])).toEqual([
      [],
      [],
    ]);
    expect(engine.stats().hosts.map(({ models }) => models)).toEqual([["layer/1", "identity-fp32/1"]]);
    const { outputs } = await engine.run(counted, [floatTensor("x", [1, 1], [1, 2])], { timeoutMs: 20_000 });
    expect(readFloats(outputs[0]!)).toEqual([3, 0]);
    expect(await engine.preload([counted, counted])).toEqual([]);
    expect([read, engine.stats().started]).toEqual([1, 1]);
  });

  it("tells what did not load, and loads the others", async () => {
    const other = { ...layer.manifest, outputs: [{ ...layer.manifest.outputs[0]!, name: "z" }] };
    const wrong = { ...layerModel({ version: "2" }), manifest: other };
    const engine = pool();
    expect(await engine.preload([lost, wrong, identity])).toEqual([
      { model: lost, error: refusal("model_unavailable") },
      { model: wrong, error: refusal("graph_mismatch") },
    ]);
    expect(engine.stats().hosts[0]!.models).toEqual(["identity-fp32/1"]);
  });

  it("pushes no model out for another", async () => {
    const engine = pool({ maxModelBytes: layer.manifest.weights.bytes });
    expect(await engine.preload([layer, identity])).toEqual([
      { model: identity, error: refusal("model_unavailable") },
    ]);
    expect(engine.stats().hosts[0]!.models).toEqual(["layer/1"]);
    // Asked for, it takes the place.
    await engine.run(identity, [floatTensor("x", [1])], { timeoutMs: 20_000 });
    expect(engine.stats().hosts[0]!.models).toEqual(["identity-fp32/1"]);
  });

  it("waits for runs, not runs for it", async () => {
    const engine = pool({ spareHosts: 0 });
    await engine.preload([loop]);
    const run = engine.run(loop, [floatTensor("x", [0]), longTensor("trips", [300_000n])], {
      timeoutMs: 20_000,
    });
    const preloaded = engine.preload([identity]);
    expect(engine.stats().hosts[0]).toMatchObject({ state: "busy", models: ["loop/1"] });
    await run;
    expect(await preloaded).toEqual([]);
  });

  it("does not try again what died with its host", async () => {
    const engine = pool({ loadTimeoutMs: 1 });
    let read = 0;
    const slow = { ...layer, weights: () => (read++, new Promise<Uint8Array>(() => undefined)) };
    const never = { ...identity, weights: () => new Promise<Uint8Array>(() => undefined) };
    expect(await engine.preload([slow, never])).toEqual([
      { model: slow, error: refusal("engine_crashed") },
      { model: never, error: expect.anything() },
    ]);
    expect(read).toBe(1);
  });

  it("ends with the engine", async () => {
    const engine = pool();
    const never = { ...identity, weights: () => new Promise<Uint8Array>(() => undefined) };
    const preloaded = engine.preload([never]);
    await engine.close();
    expect(await preloaded).toEqual([{ model: never, error: refusal("cancelled") }]);
    await expect(engine.preload([layer])).rejects.toEqual(refusal("cancelled"));
  });
});
