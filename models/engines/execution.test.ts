import { describe, expect, it } from "vitest";
import { sha256, toHex, utf8 } from "../../codec/index.ts";
import { formatExecution, parseExecutionRecord, type Adapter } from "../execution.ts";
import { executionRecord, parseCpuInfo, type Placement } from "./execution.ts";

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
  const onCpu: Placement = {
    provider: "cpu",
    cpuOperations: false,
    operations: null,
    adapter: null,
    precision: "graph",
  };
  const adapter = {
    name: "NVIDIA H100",
    type: "discrete",
    driver: "NVIDIA 580.65",
    source: "ordinal",
  } as const;
  const onCuda: Placement = { ...onCpu, provider: "cuda", adapter };
  const cpu = executionRecord(onCpu, 1);

  it("differs with everything that a re-execution must pin", () => {
    const others = [
      executionRecord(onCuda, 1),
      executionRecord({ ...onCuda, cpuOperations: true }, 1),
      executionRecord({ ...onCuda, cpuOperations: true, operations: { provider: 4, cpu: 2 } }, 1),
      executionRecord({ ...onCuda, precision: "tf32" }, 1),
      ...Object.keys(adapter).map((member) =>
        executionRecord({ ...onCuda, adapter: { ...adapter, [member]: "only" } as Adapter }, 1),
      ),
      executionRecord(onCpu, 2),
    ];
    const digests = [cpu, ...others].map(({ executionDigest }) => toHex(executionDigest));
    expect(new Set(digests).size).toBe(others.length + 1);
  });

  it("is digested as exact text", () => {
    expect(toHex(cpu.executionDigest)).toBe(toHex(sha256(utf8(cpu.executionText))));
    expect(executionRecord(onCpu, 1)).toEqual(cpu);
  });

  it("is read back by whoever has its text, and a record of another form is not", () => {
    expect(parseExecutionRecord(executionRecord(onCuda, 1).executionText)).toMatchObject(onCuda);
    expect(parseExecutionRecord(cpu.executionText.replace('"formatVersion":2', '"formatVersion":3'))).toBe(
      undefined,
    );
    expect(parseExecutionRecord("{")).toBe(undefined);
  });

  it("reads as one line that never calls a software adapter a GPU", () => {
    const software = { name: "SwiftShader Device", type: "software", driver: "", source: "loader" } as const;
    const record = { ...onCpu, provider: "webgpu", adapter: software, cpuOperations: true } as const;
    const text = executionRecord(record, 1).executionText;
    expect(formatExecution(parseExecutionRecord(text)!)).toBe(
      "webgpu on SwiftShader Device (software, parts on the CPU)",
    );
    expect(formatExecution(parseExecutionRecord(cpu.executionText)!)).toBe("cpu");
  });
});
