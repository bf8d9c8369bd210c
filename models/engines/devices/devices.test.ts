import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { requireCuda } from "./cuda.ts";
import { catchStandardError } from "./standard-error.ts";
import { openedAdapter, type VulkanAdapter } from "./vulkan.ts";

const gpu: VulkanAdapter = { name: "NVIDIA H100", type: "discrete", driver: "NVIDIA 580.65.06" };
const software: VulkanAdapter = { name: "llvmpipe (LLVM 19)", type: "software", driver: "llvmpipe Mesa 25" };
const opens = (name: string) => `DRIVER | LAYER:          Using "${name}" with driver: "/usr/lib/x.so"\n`;
const unknown = { name: "", type: "unknown", driver: "", source: "none" };
const refusal = (code: string, message: string) =>
  expect.objectContaining({ name: "HostError", code, message: expect.stringContaining(message) });

describe("the adapter that was opened", () => {
  it("is the one that the loader named last", () => {
    expect(openedAdapter([gpu, software], opens(software.name))).toEqual({ ...software, source: "loader" });
    const both = opens(software.name) + opens(gpu.name);
    expect(openedAdapter([gpu, software], both)).toEqual({ ...gpu, source: "loader" });
  });

  it("is the only one where the loader says nothing", () => {
    expect(openedAdapter([software], "")).toEqual({ ...software, source: "only" });
  });

  it("is unknown, never a GPU by guess, where nothing tells", () => {
    expect(openedAdapter([gpu, software], "")).toEqual(unknown);
    expect(openedAdapter([gpu], opens("another"))).toEqual(unknown);
    expect(openedAdapter([], "")).toEqual(unknown);
    expect(openedAdapter([gpu, { ...software, name: gpu.name }], opens(gpu.name))).toEqual(unknown);
  });
});

describe("the CUDA provider", () => {
  const folder = mkdtempSync(join(tmpdir(), "affidavit-cuda-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("is missing where its libraries are not beside the engine, and the set-up is named", () => {
    expect(() => requireCuda(folder)).toThrow(refusal("engine_provider_missing", "npm run setup:cuda"));
  });

  it("lacks a library by its name where CUDA is not installed", (context) => {
    writeFileSync(join(folder, "libonnxruntime_providers_shared.so"), "");
    writeFileSync(join(folder, "libonnxruntime_providers_cuda.so"), "");
    try {
      requireCuda(folder);
    } catch (error) {
      expect(error).toEqual(refusal("engine_library_missing", "LD_LIBRARY_PATH"));
      return;
    }
    context.skip("CUDA 13 and cuDNN 9 are installed here");
  });
});

describe.skipIf(process.platform !== "linux")("standard error (Linux only)", () => {
  it("is caught to its end, and given back", () => {
    const end = catchStandardError();
    writeFileSync(2, "first ");
    writeFileSync(2, "second");
    expect(end()).toBe("first second");
    const again = catchStandardError();
    expect(again()).toBe("");
  });
});
