/** Which GPU evidence goes with the TEE's: by dlopen on a library that answers as a GPU under the development root. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { appraise, SIMULATED_POLICY } from "../index.ts";
import { GpuStandIn } from "../testing/gpu-stand-in.ts";
import { STAND_IN_MISSING } from "../testing/tee-stand-in.ts";
import { openGpus } from "./gpu.ts";

const nonce = Uint8Array.from({ length: 32 }, (_, i) => i);
const now = new Date("2026-11-23T00:00:00Z");
const lines: string[] = [];
const log = (line: string) => void lines.push(line);
const unavailable = (code: string) =>
  expect.objectContaining({ code: "attester_unavailable", message: expect.stringContaining(code) });

function codeOver(quote: Uint8Array): string {
  const options = { now, policy: SIMULATED_POLICY, expectedNonce: nonce };
  return appraise({ type: "nvidia-gpu", quote }, null, options).code;
}

test("none is none, and what is not known is refused", async () => {
  expect(await openGpus("none", { log })).toBeUndefined();
  for (const selection of ["", "hardware", "nvml:relative.so", "auto:/x", "none,simulated", "simulated:/x"]) {
    await expect(openGpus(selection, { log })).rejects.toThrow(unavailable(""));
  }
});

test("auto goes without where there is no driver, and never simulates", async () => {
  expect(await openGpus("auto", { log })).toBeUndefined();
});

test("a simulated one gives a list over the nonce", async () => {
  const gpus = (await openGpus("simulated", { log }))!;
  expect(gpus).toMatchObject({ type: "nvidia-gpu", name: "simulated", simulated: true });
  expect(codeOver(await gpus.collect(nonce))).toBe("ok");
});

describe.skipIf(STAND_IN_MISSING)(`NVML${STAND_IN_MISSING ? ` (${STAND_IN_MISSING})` : ""}`, () => {
  let gpu: GpuStandIn;
  const failed: string[] = [];
  beforeAll(async () => void (gpu = await GpuStandIn.start()));
  afterEach(() => failed.splice(0).forEach((name) => gpu.mend(name)));
  afterAll(() => gpu.close());
  const fail = (name: string): void => {
    failed.push(name);
    gpu.fail(name);
  };
  const open = () => openGpus(`nvml:${gpu.library}`, { log });

  test("serves real reports over each nonce, called simulated by their root", async () => {
    const gpus = (await open())!;
    expect(gpus).toMatchObject({ name: "nvml", simulated: true });
    expect(codeOver(await gpus.collect(nonce))).toBe("ok");
    expect(gpu.nonces.at(-1)).toEqual(nonce);
  });

  test("is asked again where it is busy for a moment", async () => {
    const gpus = (await open())!;
    fail("in-use-once");
    expect(codeOver(await gpus.collect(nonce))).toBe("ok");
  });

  test.each([
    ["no-driver", "interface_absent"],
    ["no-gpu", "interface_absent"],
    ["not-confidential", "interface_absent"],
    ["dev-tools", "evidence_unsupported"],
    ["empty", "reply_malformed"],
  ])("that was asked for and has %s does not open", async (name, code) => {
    fail(name);
    await expect(open()).rejects.toThrow(unavailable(code));
  });

  test("that fails later gives no evidence", async () => {
    const gpus = (await open())!;
    fail("too-long");
    await expect(gpus.collect(nonce)).rejects.toMatchObject({ code: "reply_malformed" });
  });
});
