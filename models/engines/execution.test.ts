import { describe, expect, it } from "vitest";
import { sha256, toHex, utf8 } from "../../codec/index.ts";
import { executionRecord, parseCpuInfo } from "./execution.ts";

const X86 = `processor\t: 0
vendor_id\t: GenuineIntel
cpu family\t: 6
model\t\t: 143
model name\t: Intel(R) Xeon(R) Platinum 8480+
stepping\t: 8
flags\t\t: fpu vme sse4_2 avx2 avx512f amx_tile ht fma

processor\t: 1
vendor_id\t: Other
`;

const ARM = `processor\t: 0
BogoMIPS\t: 243.75
Features\t: fp asimd evtstrm aes asimdhp asimddp sve i8mm bf16
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x1
CPU part\t: 0xd40
`;

describe("parseCpuInfo", () => {
  it("reads the first processor of an x86 machine, and the flags that choose kernels", () => {
    expect(parseCpuInfo(X86)).toEqual({
      vendor: "GenuineIntel",
      family: "6",
      model: "143",
      name: "Intel(R) Xeon(R) Platinum 8480+",
      flags: ["amx_tile", "avx2", "avx512f", "fma", "sse4_2"],
    });
  });

  it("reads an ARM machine", () => {
    expect(parseCpuInfo(ARM)).toEqual({
      vendor: "0x41",
      family: "8",
      model: "0xd40",
      name: "",
      flags: ["asimd", "asimddp", "asimdhp", "bf16", "i8mm", "sve"],
    });
  });

  it("leaves empty what is not said", () => {
    expect(parseCpuInfo("")).toEqual({ vendor: "", family: "", model: "", name: "", flags: [] });
  });
});

describe("executionRecord", () => {
  const cpu = executionRecord({ provider: "cpu", cpuOperations: false }, 1);

  it("differs with everything that a re-execution must pin", () => {
    const others = [
      executionRecord({ provider: "cuda", cpuOperations: false }, 1),
      executionRecord({ provider: "cuda", cpuOperations: true }, 1),
      executionRecord({ provider: "cpu", cpuOperations: false }, 2),
    ];
    expect(new Set([cpu, ...others].map(({ executionDigest }) => toHex(executionDigest))).size).toBe(4);
    expect(JSON.parse(others[0]!.executionText)).toMatchObject({ provider: "cuda", device: "cuda:0" });
  });

  it("is digested as exact text", () => {
    expect(toHex(cpu.executionDigest)).toBe(toHex(sha256(utf8(cpu.executionText))));
    expect(executionRecord({ provider: "cpu", cpuOperations: false }, 1)).toEqual(cpu);
  });
});
