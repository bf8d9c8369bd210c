import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { ModelRegistry } from "../../../models/index.ts";
import { jsonLine, runCommand } from "../testing/run-command.ts";
import { modelsAdd } from "./models.ts";

const ZOO = resolve(import.meta.dirname, "../../../models/zoo");
const ONNX = join(ZOO, "breast-cancer/model.onnx");
let folder: string;
let manifest: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "models-add-"));
  manifest = join(folder, "given.json");
  const text = await readFile(join(ZOO, "breast-cancer/manifest.json"), "utf8");
  await writeFile(manifest, JSON.stringify({ ...(JSON.parse(text) as object), name: "my-model" }));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true, force: true });
});

async function names(directory: string): Promise<string[]> {
  return (await ModelRegistry.load([directory])).list().map((model) => model.manifest.name);
}

describe("models add", () => {
  test("puts a model where the service looks for it", async () => {
    const run = await runCommand(modelsAdd, [ONNX, "--manifest", manifest, "--data-dir", folder, "--json"]);
    const directory = join(folder, "models");
    expect([run.status, jsonLine(run.stdout)]).toEqual([
      0,
      expect.objectContaining({ ok: true, name: "my-model", version: "1.0.0", directory }),
    ]);
    expect(await names(directory)).toEqual(["my-model"]);
    const again = await runCommand(modelsAdd, [ONNX, "--manifest", manifest, "--data-dir", folder]);
    expect([again.status, again.stdout]).toEqual([0, expect.stringContaining("at its next start")]);
  });

  test("follows the service's settings", async () => {
    vi.stubEnv("AFFIDAVIT_DATA_DIR", join(folder, "data"));
    expect((await runCommand(modelsAdd, [ONNX, "--manifest", manifest])).status).toBe(0);
    vi.stubEnv("AFFIDAVIT_MODELS_DIR", join(folder, "own"));
    expect((await runCommand(modelsAdd, [ONNX, "--manifest", manifest])).status).toBe(0);
    expect(await names(join(folder, "data/models"))).toEqual(["my-model"]);
    expect(await names(join(folder, "own"))).toEqual(["my-model"]);
  });

  test.each([
    [1, "weights_digest_mismatch", () => [join(ZOO, "digits/model.onnx"), "--manifest", manifest]],
    [1, "manifest_invalid", () => [ONNX, "--manifest", ONNX]],
    [1, "manifest_invalid", () => [ONNX, "--manifest", join(ZOO, "README.md")]],
    [2, "file_unreadable", () => [join(folder, "none.onnx"), "--manifest", manifest]],
    [2, "usage", () => [ONNX]],
    [2, "usage", () => ["--manifest", manifest]],
  ])("refuses, %i %s", async (status, code, words) => {
    const run = await runCommand(modelsAdd, [...words(), "--data-dir", folder, "--json"]);
    expect([run.status, jsonLine(run.stdout)]).toEqual([
      status,
      expect.objectContaining({ ok: false, code }),
    ]);
    expect(await readdir(folder)).toEqual(["given.json"]);
  });
});
