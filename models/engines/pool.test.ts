import { afterAll, afterEach, describe, expect, it } from "vitest";
import { sha256, toHex, utf8 } from "../../codec/index.ts";
import type { Datatype, Tensor } from "../../receipts/index.ts";
import {
  bestModel,
  floatTensor,
  identityModel,
  layerModel,
  longTensor,
  loopModel,
  readFloats,
  zerosModel,
} from "../testing/models.ts";
import type { EnginePoolOptions, EngineResult, LoadedModel } from "./engine.ts";
import { EnginePool } from "./pool.ts";

const patient = { timeoutMs: 20_000 };
const layer = layerModel();
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

/** `relu([a, b] · [[1, -1], [2, 1]])` */
async function ask(engine: EnginePool, a: number, b: number): Promise<number[]> {
  const { outputs } = await engine.run(layer, [floatTensor("x", [a, b], [1, 2])], patient);
  return readFloats(outputs[0]!);
}

function zeros(engine: EnginePool, count: bigint, model: LoadedModel = zerosModel()): Promise<EngineResult> {
  return engine.run(model, [longTensor("shape", [count])], patient);
}

/** Eight elements of so many bytes. */
function numbers(bytes: number): number[] {
  return Array.from({ length: 8 * bytes }, (_, i) => (i * 37 + 250) % 256);
}

describe("a run", () => {
  const engine = new EnginePool();
  afterAll(() => engine.close());

  it("gives the model's outputs and the record of how they were made", async () => {
    const result = await engine.run(layer, [floatTensor("x", [1, 2, 3, 4], [2, 2])], patient);
    expect(result.outputs.map(({ name, datatype, shape }) => [name, datatype, shape])).toEqual([
      ["y", "FP32", [2, 2]],
    ]);
    expect(readFloats(result.outputs[0]!)).toEqual([5, 1, 11, 1]);
    const record = JSON.parse(result.executionText) as Record<string, unknown>;
    expect(record).toMatchObject({
      engine: "onnxruntime-node",
      version: expect.stringMatching(/^\d+\.\d+\.\d+$/),
      provider: "cpu",
      adapter: null,
      threads: 1,
      optimisation: "all",
      batch: 1,
      seed: null,
    });
    expect(Object.keys(record.cpu as object).sort()).toEqual(["family", "flags", "model", "name", "vendor"]);
    expect(toHex(result.executionDigest)).toBe(toHex(sha256(utf8(result.executionText))));
    const again = await engine.run(layer, [floatTensor("x", [9, 9], [1, 2])], patient);
    expect(again.executionText).toBe(result.executionText);
  });

  const patterns: Record<Datatype, number[]> = {
    BOOL: [0, 1, 1, 0],
    UINT8: numbers(1),
    INT8: numbers(1),
    UINT16: numbers(2),
    INT16: numbers(2),
    UINT32: numbers(4),
    INT32: numbers(4),
    UINT64: [...numbers(8), ...Array<number>(8).fill(255)],
    INT64: [...numbers(8), ...Array<number>(8).fill(255), 0, 0, 0, 0, 0, 0, 0, 128],
    // Negative zero, the smallest subnormal, NaN with a payload, infinity.
    FP16: [0, 128, 1, 0, 1, 126, 0, 124],
    FP32: [0, 0, 0, 128, 1, 0, 0, 0, 1, 0, 192, 127, 0, 0, 128, 255],
    FP64: [0, 0, 0, 0, 0, 0, 0, 128, 1, 0, 0, 0, 0, 0, 248, 127, 0, 0, 0, 0, 0, 0, 240, 255],
    BYTES: [0, 0, 0, 0, 3, 0, 0, 0, 97, 32, 98, 4, 0, 0, 0, ...Buffer.from("😀")],
  };

  it.each(Object.entries(patterns) as [Datatype, number[]][])(
    "carries %s bit for bit",
    async (datatype, pattern) => {
      const plain = identityModel(datatype).manifest;
      const anyBits = (specs: typeof plain.inputs) => specs.map((spec) => ({ ...spec, finite: false }));
      const model = { ...identityModel(datatype), manifest: { ...plain, outputs: anyBits(plain.outputs) } };
      const elements: Record<string, number> = { BOOL: 1, BYTES: 0 };
      const size = elements[datatype] ?? Number(/\d+/.exec(datatype)![0]) / 8;
      const shape = [size === 0 ? 3 : pattern.length / size];
      // An odd address: nothing may count on alignment.
      const data = Uint8Array.from([0, ...pattern]).subarray(1);
      const { outputs } = await engine.run(model, [{ name: "x", datatype, shape, data }], patient);
      expect(outputs).toEqual([{ name: "y", datatype, shape, data: Uint8Array.from(pattern) }]);
    },
  );

  it.each([
    ["not UTF-8", 0xff],
    ["NUL", 0],
  ])("refuses BYTES that the engine would change: %s", async (_, byte) => {
    const tensor: Tensor = {
      name: "x",
      datatype: "BYTES",
      shape: [1],
      data: Uint8Array.of(1, 0, 0, 0, byte),
    };
    await expect(engine.run(identityModel("BYTES"), [tensor], patient)).rejects.toEqual(
      refusal("input_invalid"),
    );
  });

  it("refuses an output that is not finite where the manifest wants it finite", async () => {
    const overflow = engine.run(layer, [floatTensor("x", [3e38, 3e38], [1, 2])], patient);
    await expect(overflow).rejects.toEqual(refusal("output_not_finite"));
  });

  it("tells what the engine refuses apart from a crash", async () => {
    await expect(engine.run(layer, [floatTensor("x", [1, 2, 3], [1, 3])], patient)).rejects.toEqual(
      refusal("engine_failed"),
    );
    expect(engine.stats()).toMatchObject({ crashes: 0, started: 1 });
  });

  it("gives each of 500 callers their own answer", async () => {
    const answers = await Promise.all(Array.from({ length: 500 }, (_, i) => ask(engine, i, 1)));
    expect(answers).toEqual(Array.from({ length: 500 }, (_, i) => [i + 2, Math.max(0, 1 - i)]));
    expect(engine.stats()).toMatchObject({
      queued: 0,
      heldBytes: 0,
      inFlight: 0,
      started: 1,
    });
  });
});

describe("a reduced output", () => {
  const engine = new EnginePool({ maxOutputBytes: 80 });
  afterAll(() => engine.close());
  const best = bestModel();
  const reduce = (values: number[], shape: number[]) =>
    engine.run(best, [floatTensor("x", values, shape)], patient);

  it("leaves the engine as index and value, in the manifest's order", async () => {
    const { outputs } = await reduce([1, 3, 2, 5, 5, 4], [2, 3]);
    expect(outputs.map(({ name, datatype, shape }) => [name, datatype, shape])).toEqual([
      ["index", "INT32", [2]],
      ["value", "FP32", [2]],
    ]);
    expect([...new Int32Array(outputs[0]!.data.slice().buffer)]).toEqual([1, 0]);
    expect(readFloats(outputs[1]!)).toEqual([3, 5]);
  });

  it("counts against the limit with what is left of it", async () => {
    const wide = Array<number>(11_000).fill(0);
    expect((await reduce(wide.slice(1000), [10, 1000])).outputs[0]!.shape).toEqual([10]);
    await expect(reduce(wide, [11, 1000])).rejects.toEqual(refusal("output_too_large"));
  });

  it.each<[string, number[], number[]]>([
    ["output_not_finite", [1, Number.NaN, 2, 3], [2, 2]],
    ["output_not_finite", [1, Infinity], [1, 2]],
    ["output_invalid", [], [2, 0]],
  ])("gives %s for %j", async (code, values, shape) => {
    await expect(reduce(values, shape)).rejects.toEqual(refusal(code));
    expect(engine.stats().crashes).toBe(0);
  });

  it("is bounded before it is reduced, too", async () => {
    const rows = zerosModel().manifest;
    const outputs = bestModel().manifest.outputs.map((spec) => ({ ...spec, shape: [] }));
    const zeroRow = { ...zerosModel(), manifest: { ...rows, outputs, reduce: best.manifest.reduce } };
    expect((await zeros(engine, 1_000_000n, zeroRow)).outputs.map(({ data }) => data.length)).toEqual([4, 4]);
    await expect(zeros(engine, 64n * 1024n * 1024n + 1n, zeroRow)).rejects.toEqual(
      refusal("output_too_large"),
    );
  });
});

describe("loading", () => {
  /** One that ONNX Runtime never has on this system. */
  const absent = process.platform === "darwin" ? "dml" : "coreml";

  it("fails where the provider is missing, and names it", async () => {
    const elsewhere = layerModel({ executionProviders: [absent] });
    const run = pool().run(elsewhere, [floatTensor("x", [1, 2], [1, 2])], patient);
    await expect(run).rejects.toEqual(
      expect.objectContaining({
        code: "engine_provider_missing",
        message: expect.stringContaining(`${absent}: onnxruntime-node has it not`),
      }),
    );
  });

  it("falls back only where a second provider is listed, and records the one used", async () => {
    const engine = pool();
    const model = layerModel({ executionProviders: [absent, "cpu"] });
    const { executionText } = await engine.run(model, [floatTensor("x", [1, 2], [1, 2])], patient);
    expect(JSON.parse(executionText)).toMatchObject({ provider: "cpu", cpuOperations: false, adapter: null });
    expect(engine.stats().hosts[0]!.loaded).toMatchObject([
      { provider: "cpu", skipped: [expect.stringContaining("engine_provider_missing")] },
    ]);
  });

  it("refuses a graph that is not what the manifest says", async () => {
    const other = {
      ...layer,
      manifest: { ...layer.manifest, outputs: [{ ...layer.manifest.outputs[0]!, name: "z" }] },
    };
    const run = pool().run(other, [floatTensor("x", [1, 2], [1, 2])], patient);
    await expect(run).rejects.toEqual(refusal("graph_mismatch"));
  });

  it("fails each waiting run where the weights cannot be had, and no other model's", async () => {
    const engine = pool();
    let asked = 0;
    const lost = { ...identityModel("FP32"), weights: () => (asked++, Promise.reject(new Error("sealed"))) };
    const runs = Array.from({ length: 5 }, () => engine.run(lost, [floatTensor("x", [1])], patient));
    const settled = await Promise.allSettled([...runs, ask(engine, 1, 1)]);
    expect(settled.slice(0, 5).map((one) => (one as PromiseRejectedResult).reason as unknown)).toEqual(
      Array<unknown>(5).fill(refusal("model_unavailable")),
    );
    expect(settled[5]).toMatchObject({ status: "fulfilled", value: [3, 0] });
    await expect(engine.run(lost, [floatTensor("x", [1])], patient)).rejects.toEqual(
      refusal("model_unavailable"),
    );
    expect(asked).toBe(1);
  });

  it("holds no more weights in a host than it may", async () => {
    const ones = [layer, identityModel("FP32"), identityModel("INT64")];
    const sizes = ones.map(({ manifest }) => manifest.weights.bytes);
    const engine = pool({ maxModelBytes: Math.max(sizes[0]!, sizes[1]! + sizes[2]!) });
    for (let i = 0; i < 3; i++) {
      expect(await ask(engine, i, 1)).toEqual([i + 2, Math.max(0, 1 - i)]);
      await engine.run(ones[1]!, [floatTensor("x", [i])], patient);
      await engine.run(ones[2]!, [longTensor("x", [1n])], patient);
      expect(engine.stats().hosts[0]!.models).toEqual(["identity-fp32/1", "identity-int64/1"]);
    }
  });
});

describe("limits", () => {
  it("refuses more than may wait, says when to come back, and then serves again", async () => {
    const engine = pool({ maxQueued: 10 });
    const settled = await Promise.allSettled(Array.from({ length: 30 }, () => ask(engine, 1, 1)));
    const refused = settled.filter((one) => one.status === "rejected").map((one) => one.reason as unknown);
    expect(refused).toEqual(
      Array<unknown>(20).fill(
        expect.objectContaining({ code: "engine_overloaded", retryAfterMs: expect.any(Number) }),
      ),
    );
    expect(engine.stats()).toMatchObject({ overloaded: 20, completed: 10 });
    expect(await ask(engine, 1, 1)).toEqual([3, 0]);
  });

  it("holds no more input than it may, and never one that is too large alone", async () => {
    const engine = pool({ maxHeldBytes: 100 });
    const model = identityModel("UINT8");
    const send = (count: number) =>
      engine.run(
        model,
        [{ name: "x", datatype: "UINT8", shape: [count], data: new Uint8Array(count) }],
        patient,
      );
    const [first, second] = await Promise.allSettled([send(60), send(60)]);
    expect([first?.status, (second as PromiseRejectedResult).reason]).toEqual([
      "fulfilled",
      refusal("engine_overloaded"),
    ]);
    expect((await send(100)).outputs[0]!.data).toHaveLength(100);
    await expect(send(101)).rejects.toEqual(refusal("input_too_large"));
  });

  it("refuses outputs above the limit", async () => {
    const engine = pool({ maxOutputBytes: 4000 });
    expect((await zeros(engine, 1000n)).outputs[0]!.data).toHaveLength(4000);
    await expect(zeros(engine, 1001n)).rejects.toEqual(refusal("output_too_large"));
  });

  it("kills a host that takes more memory than it may", async () => {
    const engine = pool({ maxHostBytes: 400 * 1024 * 1024 });
    const run = zeros(engine, 500_000_000n);
    if (process.platform === "linux") await expect(run).rejects.toEqual(refusal("engine_crashed"));
    else await run.catch(() => undefined);
    expect(await ask(engine, 1, 1)).toEqual([3, 0]);
  });

  it("lets nobody wait for ever", async () => {
    const engine = pool({ maxWaitMs: 400, spareHosts: 0 });
    const loop = loopModel();
    const count = (trips: bigint) =>
      engine.run(loop, [floatTensor("x", [1]), longTensor("trips", [trips])], { timeoutMs: 2500 });
    // Starting may itself take longer than the limit.
    while (engine.stats().completed === 0) await count(1n).catch(() => undefined);
    const hang = count(1n << 60n).catch((error: unknown) => error);
    await expect(ask(engine, 1, 1)).rejects.toEqual(refusal("engine_overloaded"));
    expect(await hang).toEqual(refusal("engine_timeout"));
  });
});
