import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { SOFTWARE_ADAPTER_MISSING, softwareAdapter } from "../../../models/testing/software-adapter.ts";
import { jsonLine, runCommand } from "../testing/run-command.ts";
import { benchModel } from "./bench-model.ts";
import { doctor } from "./doctor.ts";

let folder: string;
beforeAll(async () => (folder = await mkdtemp(join(tmpdir(), "affidavit-bench-model-"))));
afterAll(() => rm(folder, { recursive: true, force: true }));

const words = (...more: string[]) => ["digits", "--data-dir", folder, "--runs", "2", "--json", ...more];
const providersOf = (stdout: string) => jsonLine(stdout)["providers"] as Record<string, unknown>[];
/** One that ONNX Runtime never has on this system. */
const absent = process.platform === "darwin" ? "dml" : "coreml";

describe("bench-model", () => {
  test("names what is missing, and says no only where it was asked for by name", async () => {
    const { status, stdout } = await runCommand(benchModel, words("--providers", absent));
    expect(status).toBe(1);
    expect(jsonLine(stdout)).toMatchObject({
      ok: false,
      code: "provider_refused",
      model: { name: "digits" },
    });
    expect(providersOf(stdout)).toMatchObject([
      { provider: "cpu", code: "ok", adapter: null, overCpu: 1 },
      { provider: absent, code: "engine_provider_missing" },
    ]);
  });

  test.each([
    [2, ["no-such", "--bogus"]],
    [2, []],
    [2, ["digits", "--runs", "0"]],
    [2, ["digits", "--providers", "rocm"]],
    [2, ["digits", "--tolerance", "-1"]],
    [2, ["digits", "--tolerance", "1,2,3"]],
    [2, ["digits", "--input", "/nonexistent"]],
    [1, ["no-such-model"]],
  ])("exits %i for %j", async (status, bad) => {
    expect((await runCommand(benchModel, bad)).status).toBe(status);
  });

  test("refuses an input that is not the model's", async () => {
    const file = join(folder, "input.json");
    await writeFile(file, '{"inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":[1]}]}');
    const { status, stdout } = await runCommand(benchModel, words("--input", file));
    expect([status, jsonLine(stdout)["code"]]).toEqual([2, "file_unreadable"]);
  });
});

describe.skipIf(!softwareAdapter)(`bench-model on a software adapter (${SOFTWARE_ADAPTER_MISSING})`, () => {
  beforeAll(() => {
    for (const [name, value] of Object.entries(softwareAdapter!.environment)) vi.stubEnv(name, value);
  });
  afterAll(() => vi.unstubAllEnvs());

  test("measures it beside the CPU and judges its outputs by the tolerance given", async () => {
    const { status, stdout } = await runCommand(
      benchModel,
      words("--providers", "webgpu", "--tolerance", "1e-9"),
    );
    expect(status).toBe(1);
    const [cpu, webgpu] = providersOf(stdout);
    expect(cpu).toMatchObject({ provider: "cpu", difference: null });
    expect(webgpu).toMatchObject({
      provider: "webgpu",
      adapter: { type: "software" },
      cpuOperations: false,
      difference: { within: false, outputs: [{ name: "logits" }] },
    });
  });

  test("doctor tries it, and a software adapter is not called a GPU", async () => {
    const { stdout } = await runCommand(doctor, ["--json"]);
    const checks = jsonLine(stdout)["checks"] as { part: string; code: string; detail: string }[];
    const find = (part: string) => checks.find((check) => check.part === part);
    expect(find("vulkan adapters")).toMatchObject({
      code: "engine_adapter_missing",
      detail: expect.stringContaining("software"),
    });
    expect(find("provider webgpu")).toMatchObject({
      code: "adapter_software",
      detail: expect.stringContaining("(software)"),
    });
  });
});
