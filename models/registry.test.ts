import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { sha256, toHex } from "../codec/index.ts";
import type { Manifest } from "./manifest.ts";
import { addModel, ModelRegistry } from "./registry.ts";
import { bestModel, layerModel } from "./testing/models.ts";

const layer = layerModel();
const weights = await layer.weights();
let folder: string;

beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), "models-"))));
afterEach(() => rm(folder, { recursive: true, force: true }));

const refusal = (code: string) => expect.objectContaining({ name: "ModelError", code });

async function load(): Promise<Uint8Array> {
  return (await ModelRegistry.load([folder])).require("layer").weights();
}

async function put(path: string, manifest: Manifest, bytes: Uint8Array | undefined = weights): Promise<void> {
  await mkdir(join(folder, path), { recursive: true });
  await writeFile(join(folder, path, "manifest.json"), JSON.stringify(manifest, null, 2));
  if (bytes) await writeFile(join(folder, path, "model.onnx"), bytes);
}

describe("ModelRegistry", () => {
  it("finds models one and two folders deep, and the highest version of each", async () => {
    await put("a", { ...layer.manifest, name: "a", version: "9.9" });
    await put("layer/old", { ...layer.manifest, version: "9" });
    await put("layer/new", { ...layer.manifest, version: "10" });
    await put(".hidden", { ...layer.manifest, name: "hidden" });
    const registry = await ModelRegistry.load([folder, join(folder, "absent")]);
    expect(registry.list().map(({ manifest }) => `${manifest.name}/${manifest.version}`)).toEqual([
      "a/9.9",
      "layer/10",
      "layer/9",
    ]);
    expect(registry.get("layer")?.manifest.version).toBe("10");
    expect(registry.get("layer", "9")?.manifest.version).toBe("9");
    expect([registry.get("layer", "8"), registry.get("constructor")]).toEqual([undefined, undefined]);
    expect(() => registry.require("layer", "8")).toThrow(refusal("model_not_found"));
    expect(await registry.require("a").weights()).toEqual(weights);
  });

  it("names the file of a manifest that it cannot read", async () => {
    await put("bad", { ...layer.manifest, name: "Not A Name" });
    const rejection = expect.objectContaining({
      code: "manifest_invalid",
      message: expect.stringContaining(join("bad", "manifest.json")),
    });
    await expect(ModelRegistry.load([folder])).rejects.toEqual(rejection);
  });

  it("refuses two manifests of one name and version", async () => {
    await put("a", layer.manifest);
    await put("b", layer.manifest);
    expect((await ModelRegistry.load([folder])).list()).toHaveLength(1);
    await put("c", { ...layer.manifest, title: "other" });
    await expect(ModelRegistry.load([folder])).rejects.toEqual(refusal("model_exists"));
  });
});

describe("weights", () => {
  it.each([
    ["flipped", Uint8Array.from(weights, (byte, i) => (i === 7 ? byte ^ 1 : byte))],
    ["shorter", weights.subarray(1)],
    ["longer", Uint8Array.from([...weights, 0])],
  ])("must have the manifest's digest: %s", async (_, bytes) => {
    await put("layer", layer.manifest, bytes);
    await expect(load()).rejects.toEqual(refusal("weights_digest_mismatch"));
  });

  it("must be there", async () => {
    await put("layer", { ...layer.manifest, source: { ...layer.manifest.source, file: "other.onnx" } });
    await expect(load()).rejects.toEqual(refusal("weights_missing"));
    await mkdir(join(folder, "layer", "other.onnx"));
    await expect(load()).rejects.toEqual(refusal("weights_missing"));
  });

  it("must lie in the manifest's folder, links included", async () => {
    await writeFile(join(folder, "outside.onnx"), weights);
    await put("layer", { ...layer.manifest, source: { ...layer.manifest.source, file: "link.onnx" } });
    await symlink(join(folder, "outside.onnx"), join(folder, "layer", "link.onnx"));
    await expect(load()).rejects.toEqual(refusal("weights_missing"));
  });

  it("come from an installed package of the manifest's version only", async () => {
    const source = { package: "canonicalize", file: "package.json", digest: `sha256:${"00".repeat(32)}` };
    const bytes = new Uint8Array(
      await (await import("node:fs/promises")).readFile("node_modules/canonicalize/package.json"),
    );
    const { version } = JSON.parse(Buffer.from(bytes).toString()) as { version: string };
    const manifest = {
      ...layer.manifest,
      weights: { sha256: toHex(sha256(bytes)), bytes: bytes.length, format: "onnx" as const },
    };
    await put("layer", { ...manifest, source: { ...source, version } });
    expect(await load()).toEqual(bytes);
    for (const wrong of [
      { ...source, version: "0.0.0" },
      { ...source, version, file: "absent.onnx" },
      { ...source, package: "not-installed", version },
    ]) {
      await put("layer", { ...manifest, source: wrong });
      await expect(load()).rejects.toEqual(refusal("weights_missing"));
    }
  });
});

describe("addModel", () => {
  it("adds a model that the registry then finds; adding it again changes nothing", async () => {
    const added = await addModel(folder, weights, layer.manifest);
    expect(toHex(added.modelId)).toBe(toHex(layer.modelId));
    expect(toHex((await addModel(folder, weights, layer.manifest)).modelId)).toBe(toHex(layer.modelId));
    const found = (await ModelRegistry.load([folder])).require("layer", "1");
    expect([found.manifestText, await found.weights()]).toEqual([layer.manifestText, weights]);
    await expect(addModel(folder, weights, { ...layer.manifest, title: "other" })).rejects.toEqual(
      refusal("model_exists"),
    );
  });

  const junk = new Uint8Array(100).fill(1);
  const { inputs, outputs } = layer.manifest;
  it.each<[string, Uint8Array, Manifest]>([
    ["weights_digest_mismatch", junk, layer.manifest],
    [
      "graph_invalid",
      junk,
      { ...layer.manifest, weights: { sha256: toHex(sha256(junk)), bytes: 100, format: "onnx" } },
    ],
    ["graph_mismatch", weights, { ...layer.manifest, inputs: [{ ...inputs[0]!, name: "z" }] }],
    ["graph_mismatch", weights, { ...layer.manifest, inputs: [inputs[0]!, { ...inputs[0]!, name: "z" }] }],
    ["graph_mismatch", weights, { ...layer.manifest, inputs: [{ ...inputs[0]!, datatype: "FP64" }] }],
    ["graph_mismatch", weights, { ...layer.manifest, inputs: [{ ...inputs[0]!, shape: [-1, 3] }] }],
    ["graph_mismatch", weights, { ...layer.manifest, outputs: [{ ...outputs[0]!, shape: [-1, -1] }] }],
    ["manifest_invalid", weights, { ...layer.manifest, name: "../escape" }],
    [
      "manifest_invalid",
      weights,
      { ...layer.manifest, source: { ...layer.manifest.source, file: "elsewhere.onnx" } },
    ],
  ])("refuses with %s and leaves nothing behind", async (code, bytes, manifest) => {
    await expect(addModel(folder, bytes, manifest)).rejects.toEqual(refusal(code));
    expect((await ModelRegistry.load([folder])).list()).toEqual([]);
  });

  const best = bestModel();
  const [index, value] = best.manifest.outputs;
  const [reduction] = best.manifest.reduce!;
  const both = (change: Partial<Manifest["outputs"][number]>) => [
    { ...index!, ...change },
    { ...value!, ...change },
  ];
  it.each<[string, Partial<Manifest>]>([
    ["not in the graph", { reduce: [{ ...reduction!, output: "w" }] }],
    ["of another datatype", { outputs: [index!, { ...value!, datatype: "FP64" }] }],
    ["of another rank", { outputs: both({ shape: [-1, -1] }) }],
    ["without a last axis beyond the rows", { outputs: both({ shape: [-1, -1, -1] }) }],
    ["beside outputs that the graph lacks", { outputs: [index!, value!, { ...value!, name: "more" }] }],
  ])("refuses a reduced output: %s", async (_, change) => {
    const adding = addModel(folder, await best.weights(), { ...best.manifest, ...change });
    await expect(adding).rejects.toEqual(refusal("graph_mismatch"));
  });

  it("takes a model whose output is reduced", async () => {
    const added = await addModel(folder, await best.weights(), best.manifest);
    expect(added.manifest.reduce).toEqual(best.manifest.reduce);
  });

  it("takes a manifest that fixes what the graph leaves open", async () => {
    const fixed = {
      ...layer.manifest,
      inputs: [{ ...inputs[0]!, shape: [1, 2] }],
      outputs: [{ ...outputs[0]!, shape: [1, 2] }],
    };
    expect((await addModel(folder, weights, fixed)).manifest.inputs[0]!.shape).toEqual([1, 2]);
  });
});
