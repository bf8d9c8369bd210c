import { expect, test } from "vitest";
import { toBase64, utf8 } from "../../codec/index.ts";
import { attestationStatement, gpuNonce, reportData } from "../../receipts/index.ts";
import { parsePolicy } from "../index.ts";
import { rootCertificate, testCollateral, testPki, testQuote, TEST_NOW } from "../testing/dcap.ts";
import { listEntry, testDevice, testReport } from "../testing/nvidia.ts";
import { appraiseComposite } from "./composite.ts";

const keyset: Uint8Array = new Uint8Array(32).fill(0x6b);
const nonce = new Uint8Array(32).fill(0x6e);
const first = testDevice();
const second = testDevice({ serial: 78 });
const policy = parsePolicy({
  formatVersion: 1,
  roots: [rootCertificate(testPki()), first.certificates.at(-1)!].map((root) => ({
    certificate: toBase64(root),
  })),
  codeIdentity: "reported",
});

function run(keysetOfGpus: Uint8Array, nonceOfGpus: Uint8Array | null, keysetOfCpu: Uint8Array = keyset) {
  const forGpus = gpuNonce(keysetOfGpus, nonceOfGpus);
  const entries = [first, second].map((device) =>
    listEntry(testReport({ device, nonce: forGpus }), device, forGpus),
  );
  const quote = testQuote("tdx4", { reportData: reportData(keysetOfCpu, nonce) });
  return appraiseComposite(
    {
      cpu: { evidence: { type: "tdx", quote }, endorsements: testCollateral("tdx4") },
      gpus: { evidence: { type: "nvidia-gpu", quote: utf8(JSON.stringify(entries)) }, endorsements: null },
    },
    {
      now: TEST_NOW,
      policy,
      expectedReportData: reportData(keyset, nonce),
      expectedGpuNonce: gpuNonce(keyset, nonce),
    },
  );
}

test("a keyset binds CPU and GPUs", () => {
  expect(attestationStatement(keyset, nonce)).toContain("aci.report_data.v1");
  const result = run(keyset, nonce);
  expect(result).toMatchObject({ verdict: "accepted", code: "ok", simulated: false });
  expect(Object.keys(result.submods)).toEqual(["cpu0", "gpu0", "gpu1"]);
  expect(result.submods["gpu1"]).toMatchObject({
    verdict: "accepted",
    claims: { ueid: "78", measurements: "unchecked" },
  });
  expect(result.statement).toBe("CPU evidence vouches for the keyset; GPU evidence fresh and genuine");
  expect(JSON.stringify(result)).not.toMatch(/attached/);
});

test("GPUs under another keyset or an older nonce reject the whole", () => {
  expect(run(new Uint8Array(32), nonce)).toMatchObject({
    verdict: "rejected",
    code: "nonce_mismatch",
    statement: "",
  });
  expect(run(keyset, null).code).toBe("nonce_mismatch");
  expect(Object.keys(run(keyset, null).submods)).toEqual(["cpu0", "gpu0"]);
});

test("a CPU under another keyset rejects the whole, and the GPUs' verdict is still told", () => {
  const result = run(keyset, nonce, new Uint8Array(32));
  expect(result).toMatchObject({ verdict: "rejected", code: "report_data_mismatch" });
  expect(result.submods["gpu0"]!.verdict).toBe("accepted");
});
