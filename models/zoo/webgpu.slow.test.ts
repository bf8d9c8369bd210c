/** The largest model of the zoo on a software adapter, whole. */
import { describe, expect, it } from "vitest";
import { SOFTWARE_ADAPTER_MISSING, softwareAdapter } from "../testing/software-adapter.ts";
import { onWebGpu } from "../testing/zoo-on-webgpu.ts";

describe.skipIf(!softwareAdapter)(`ocr on WebGPU (${SOFTWARE_ADAPTER_MISSING})`, () => {
  it("reads the same letters, some of its operations on the CPU", async () => {
    const { execution, difference } = await onWebGpu("ocr");
    expect(execution).toMatchObject({
      provider: "webgpu",
      cpuOperations: true,
      adapter: { type: "software" },
    });
    expect(execution.operations!.provider).toBeGreaterThan(execution.operations!.cpu);
    const [indices, values] = difference!.outputs;
    expect(indices!.maxAbsolute).toBe(0);
    expect(values!.maxAbsolute).toBeLessThanOrEqual(1e-4);
  });
});
