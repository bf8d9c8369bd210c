import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { GpuStandIn } from "../../attestation/testing/gpu-stand-in.ts";
import { STAND_IN_MISSING } from "../../attestation/testing/tee-stand-in.ts";
import { gpuCheck, registerCheck } from "./gpu-checks.ts";

test("says that there is no driver, and no register, where there is none", async () => {
  const environment = { AFFIDAVIT_GPU_ATTESTATION: "nvml:/nowhere/nvml.so" };
  expect(await gpuCheck(environment)).toMatchObject({ status: "off", code: "interface_absent" });
  const { part, status } = await registerCheck();
  expect(part).toBe("measured models");
  expect(["ok", "off"]).toContain(status);
});

describe.skipIf(STAND_IN_MISSING)(`a GPU${STAND_IN_MISSING ? ` (${STAND_IN_MISSING})` : ""}`, () => {
  let gpu: GpuStandIn;
  const failed: string[] = [];
  beforeAll(async () => void (gpu = await GpuStandIn.start()));
  afterEach(() => failed.splice(0).forEach((name) => gpu.mend(name)));
  afterAll(() => gpu.close());
  const check = () => gpuCheck({ AFFIDAVIT_GPU_ATTESTATION: `nvml:${gpu.library}` });

  test("that gives evidence is named, and its root", async () => {
    expect(await check()).toMatchObject({
      status: "ok",
      detail:
        "NVML: NVIDIA H100, driver 550.90.07, in confidential mode, gives evidence under the development root: SIMULATED, proves nothing",
    });
  });

  test.each([
    ["no-driver", "interface_absent"],
    ["no-gpu", "gpu_missing"],
    ["not-confidential", "gpu_not_confidential"],
    ["old-driver", "gpu_not_confidential"],
    ["dev-tools", "evidence_unsupported"],
    ["too-long", "reply_malformed"],
    ["in-use", "interface_busy"],
  ])("with %s is off, and why", async (name, code) => {
    failed.push(name);
    gpu.fail(name);
    expect(await check()).toMatchObject({ status: "off", code });
  });
});
