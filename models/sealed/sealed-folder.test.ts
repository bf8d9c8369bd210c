import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { x25519 } from "@noble/curves/ed25519.js";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { toHex } from "../../codec/index.ts";
import { ModelError } from "../errors.ts";
import { ModelRegistry } from "../registry.ts";
import { layerModel } from "../testing/models.ts";
import { parseHead, sealWeights, unwrapContentKey, type KeyWanted } from "./index.ts";

const broker = x25519.keygen();
const layer = layerModel();
const weights = await layer.weights();
const refusal = (code: string) => expect.objectContaining({ name: "ModelError", code });
let folder: string;
let asked: KeyWanted[];
let keys: Uint8Array[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sealed-folder-"));
  [asked, keys] = [[], []];
  await put(layer.modelId);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function put(modelId: Uint8Array): Promise<void> {
  const source = join(folder, "plain");
  await writeFile(source, weights);
  const expected = layer.manifest.weights;
  const target = join(folder, "layer");
  await rm(target, { recursive: true, force: true });
  await mkdir(target);
  await sealWeights(source, join(target, "weights.sealed"), {
    brokerKey: broker.publicKey,
    modelId,
    expected,
  });
  await writeFile(join(target, "manifest.json"), layer.manifestText);
  await writeFile(join(target, "broker.json"), '{"url":"https://broker.example"}');
  await rm(source);
}

async function release(wanted: KeyWanted): Promise<Uint8Array> {
  asked.push(wanted);
  keys.push(await unwrapContentKey(broker.secretKey, parseHead(wanted.head)));
  return keys.at(-1)!;
}

function refuse(): Promise<never> {
  return Promise.reject(new ModelError("model_key_refused", "model_revoked"));
}

const registry = (releaseKey = release) => ModelRegistry.load([folder], releaseKey);

describe("a folder of sealed weights", () => {
  it("opens by a key that is asked for at every load, and wiped", async () => {
    const model = (await registry()).require("layer");
    expect([model.sealed, toHex(model.modelId), asked]).toEqual([true, toHex(layer.modelId), []]);
    expect(await model.weights()).toEqual(weights);
    expect(await model.weights()).toEqual(weights);
    expect(asked).toMatchObject([
      { brokerUrl: "https://broker.example", modelId: layer.modelId },
      { brokerUrl: "https://broker.example" },
    ]);
    expect(keys.every((key) => key.every((byte) => byte === 0))).toBe(true);
    expect((await readdir(join(folder, "layer"))).toSorted()).toEqual([
      "broker.json",
      "manifest.json",
      "weights.sealed",
    ]);
  });

  it("does not open without anybody to ask, nor by another key, which is wiped too", async () => {
    const alone = (await ModelRegistry.load([folder])).require("layer");
    await expect(alone.weights()).rejects.toEqual(refusal("model_key_unavailable"));
    const key = new Uint8Array(32).fill(1);
    const other = (await registry(async () => key)).require("layer");
    await expect(other.weights()).rejects.toEqual(refusal("sealed_weights_unreadable"));
    expect(key.every((byte) => byte === 0)).toBe(true);
    const refused = (await registry(refuse)).require("layer");
    await expect(refused.weights()).rejects.toEqual(refusal("model_key_refused"));
  });

  it("is not asked for where the file is another model's", async () => {
    await put(new Uint8Array(32));
    const model = (await registry()).require("layer");
    await expect(model.weights()).rejects.toEqual(refusal("sealed_weights_malformed"));
    expect(asked).toEqual([]);
  });

  it.each([
    '{"url":"http://broker.example"}',
    '{"url":"https://a:b@broker.example"}',
    '{"url":"file:///x"}',
    "{}",
    "x",
  ])("must name its broker: not %s", async (text) => {
    await writeFile(join(folder, "layer", "broker.json"), text);
    await expect(registry()).rejects.toEqual(refusal("sealed_folder_invalid"));
  });
});
