/** NVML by dlopen, on a library that stands in for NVIDIA's. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { compileNvml } from "../testing/gpu-stand-in.ts";
import { STAND_IN_MISSING } from "../testing/tee-stand-in.ts";
import { collectGpuEvidence, gpuEvidenceList, gpuState } from "./nvml.ts";

const nonce = Uint8Array.from({ length: 32 }, (_, i) => i + 1);
const REPORT = new Uint8Array(500).fill(0x11);
const CHAIN = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";

describe.skipIf(STAND_IN_MISSING)(`NVML${STAND_IN_MISSING ? ` (${STAND_IN_MISSING})` : ""}`, () => {
  const folder = mkdtempSync(join(tmpdir(), "nvml-"));
  const library = join(folder, "libnvidia-ml.so.1");
  const flagged: string[] = [];
  const flag = (name: string): void => {
    writeFileSync(join(folder, name), "");
    flagged.push(name);
  };

  beforeAll(() => {
    compileNvml(folder);
    writeFileSync(join(folder, "report.bin"), REPORT);
    writeFileSync(join(folder, "chain.pem"), CHAIN);
  });
  afterEach(() => {
    for (const name of flagged.splice(0)) rmSync(join(folder, name));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("tells driver, GPUs and confidential mode", async () => {
    expect(await gpuState(library)).toEqual({
      driverVersion: "550.90.07",
      confidential: true,
      devTools: false,
      gpus: [{ name: "NVIDIA H100", uuid: "GPU-0" }],
    });
    flag("not-confidential");
    expect(await gpuState(library)).toMatchObject({ confidential: false });
    flag("old-driver");
    expect(await gpuState(library)).toMatchObject({ confidential: undefined, devTools: undefined });
  });

  test("collects a report over the nonce, and its chain, as NVIDIA's SDK lists them", async () => {
    const evidence = await collectGpuEvidence(nonce, library);
    const report = Uint8Array.from(REPORT);
    report.set(nonce, 4);
    expect(evidence).toEqual([{ uuid: "GPU-0", report, certificateChain: CHAIN }]);
    const [entry] = JSON.parse(gpuEvidenceList(evidence, nonce)) as Record<string, string>[];
    expect(Buffer.from(entry!["evidence"]!, "base64")).toEqual(Buffer.from(report));
    expect(Buffer.from(entry!["certificate"]!, "base64").toString()).toBe(CHAIN);
  });

  test.each([
    ["no-driver", "interface_absent"],
    ["no-gpu", "interface_absent"],
    ["not-confidential", "interface_absent"],
    ["in-use", "interface_busy"],
    ["too-long", "reply_malformed"],
    ["too-many", "reply_malformed"],
    ["empty", "reply_malformed"],
    ["stale", "reply_malformed"],
  ])("with %s is %s", async (name, code) => {
    flag(name);
    await expect(collectGpuEvidence(nonce, library)).rejects.toMatchObject({ code });
  });

  test("without the library says that there is no driver", async () => {
    await expect(gpuState(join(folder, "none.so"))).rejects.toMatchObject({ code: "interface_absent" });
  });
});
