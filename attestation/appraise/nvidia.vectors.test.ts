import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { fromHex, toBase64, toHex } from "../../codec/index.ts";
import { appraise, parsePolicy, REPORTING_POLICY } from "../index.ts";
import { NVIDIA_RIM_ROOT } from "../endorsements/nvidia-roots.ts";
import { AttestationError } from "../error.ts";
import { OPAQUE_FIELDS } from "../parse/nvidia-opaque.ts";
import { parseRim } from "../parse/nvidia-rim.ts";
import { parseNvidiaReport, type NvidiaReport } from "../parse/nvidia-spdm.ts";
import { testRim, testRimSigner } from "../testing/nvidia.ts";
import { VECTORS_FOLDER } from "../testing/vectors.ts";
import { verifyRim } from "../verify/nvidia-rim.ts";
import { X509Error } from "../verify/x509.ts";

const folder = join(VECTORS_FOLDER, "nvidia");
const present = existsSync(folder);
const why = present ? "" : " (skipped: the folder of vectors is not there)";
const NOW = new Date("2026-11-23T00:00:00Z");
const NONCE = "931d8dd0add203ac3d8b4fbde75e115278eefcdceac5b87671a748f32364dfcb";
const SAMPLE = "nvsdk-sample_attestation_data";
const SWITCH_RIM = "nvsdk-switchVBIOSRim_NV_SWITCH_BIOS_5612_0002_890_9610550001.xml";

function text(name: string): string {
  return readFileSync(join(folder, name), "utf8");
}

function report(name: string): Uint8Array {
  return fromHex(text(name).trim());
}

function run(type: "nvidia-gpu" | "nvidia-switch", quote: Uint8Array, chain?: string, more: object = {}) {
  const endorsements = { certificates: chain === undefined ? [] : [text(chain)], ...more };
  return appraise({ type, quote }, endorsements, { now: NOW, policy: REPORTING_POLICY });
}

const CASES: readonly ["nvidia-gpu" | "nvidia-switch", string, string, string][] = [
  ["nvidia-gpu", "coco-hopperAttestationReport.txt", "coco-hopper_cert_chain_case1.txt", "ok"],
  ["nvidia-gpu", "nvtrust-hopperAttestationReport.txt", "nvtrust-hopperCertChain.txt", "ok"],
  [
    "nvidia-gpu",
    "coco-hopperAttestationReport.txt",
    "coco-hopper_cert_chain_case2.txt",
    "certificate_ca_as_leaf",
  ],
  [
    "nvidia-gpu",
    "coco-hopperAttestationReport.txt",
    "coco-hopper_cert_chain_case3.txt",
    "certificate_issuer_mismatch",
  ],
  [
    "nvidia-gpu",
    "coco-hopperAttestationReport.txt",
    "coco-hopper_cert_chain_case4.txt",
    "certificate_ca_as_leaf",
  ],
  ["nvidia-gpu", `${SAMPLE}-gpu-hopperAttestationReport.txt`, `${SAMPLE}-gpu-hopperCertChain.txt`, "ok"],
  [
    "nvidia-gpu",
    `${SAMPLE}-gpu-hopperAttestationReportInvalidSignature.txt`,
    `${SAMPLE}-gpu-hopperCertChain.txt`,
    "spdm_signature_invalid",
  ],
  ["nvidia-switch", "nvsdk-switchAttestationReport.txt", "nvsdk-switchCertChain.txt", "ok"],
  [
    "nvidia-switch",
    `${SAMPLE}-switch-switchAttestationReport.txt`,
    `${SAMPLE}-switch-switchCertChain.txt`,
    "ok",
  ],
  [
    "nvidia-switch",
    `${SAMPLE}-switch-switchAttestationReportInvalidSignature.txt`,
    `${SAMPLE}-switch-switchCertChain.txt`,
    "spdm_signature_invalid",
  ],
];

/** The SDK's names of the measurements and fields that it prints. */
interface Printed {
  readonly Nonce: string;
  readonly Signature: string;
  readonly NumberOfBlocks: number;
  readonly OpaqueLength: number;
  readonly MeasurementRecord: {
    MeasurementBlocks: Record<
      string,
      { DMTFSpecMeasurementValueType: number; DMTFSpecMeasurementValue: string }
    >;
  };
  readonly OpaqueData: { OpaqueDataField: Record<string, unknown> };
}

/** A field as the SDK prints it: counts as numbers, ports as bytes, identifiers in eights, the rest in hex. */
function printedField(type: number, value: Uint8Array, expected: unknown): unknown {
  if (!Array.isArray(expected)) return `0x${toHex(value)}`;
  const width = value.length / (type === 26 ? 8 : expected.length);
  const items = type === 26 ? 8 : expected.length;
  const parts = Array.from({ length: items }, (_, i) =>
    value.subarray(i * (value.length / items), (i + 1) * (value.length / items)),
  );
  if (typeof expected[0] === "string")
    return parts.slice(0, expected.length).map((part) => `0x${toHex(part)}`);
  return width === 4 ? parts.map((part) => part[0]! + part[1]! * 256) : parts.map((part) => part[0]);
}

describe.skipIf(!present)(`real NVIDIA evidence${why}`, () => {
  test.each(CASES)("%s %s with %s: %s", (type, name, chain, code) => {
    const result = run(type, report(name), chain);
    expect(result.code).toBe(code);
    if (code === "ok")
      expect(result.claims).toMatchObject({ source: "hardware_proven", measurements: "unchecked" });
  });

  test.each([
    [
      "nvidia-gpu",
      "nvsdk-ev-hopper_evidence.json",
      "e97b23a1718095a0e9e35edca810768c70a6a5a389b705e753b197912bc11576",
    ],
    ["nvidia-switch", "nvsdk-ev-switch_evidence_ls10.json", NONCE],
  ] as const)("%s: the SDK's list %s", (type, name, nonce) => {
    const quote = new Uint8Array(readFileSync(join(folder, name)));
    const options = { now: NOW, policy: REPORTING_POLICY };
    expect(appraise({ type, quote }, null, { ...options, expectedNonce: fromHex(nonce) }).code).toBe("ok");
    expect(appraise({ type, quote }, null, { ...options, expectedNonce: new Uint8Array(32) }).code).toBe(
      "nonce_mismatch",
    );
  });

  test("a claim is what NVIDIA's service said of the same report", () => {
    const claims = JSON.parse(text("nvsdk-sample_attestation_data-hopperClaimsv3_decoded.json"))["GPU-0"];
    const { submods } = run("nvidia-gpu", report("coco-hopperAttestationReport.txt"), CASES[0]![2])
      .claims as {
      submods: { gpu0: Record<string, unknown> };
    };
    expect(submods.gpu0).toMatchObject({
      nonce: claims["eat_nonce"],
      ueid: claims["ueid"],
      hardwareModel: claims["hwmodel"],
      driverVersion: claims["x-nvidia-gpu-driver-version"],
      vbiosVersion: claims["x-nvidia-gpu-vbios-version"].toLowerCase(),
    });
  });

  test("a switch with NVIDIA's own manifest passes whole", () => {
    const quote = report("nvsdk-switchAttestationReport.txt");
    const result = run("nvidia-switch", quote, "nvsdk-switchCertChain.txt", { rims: [text(SWITCH_RIM)] });
    expect(result).toMatchObject({ code: "ok", codeIdentity: "matched" });
    expect(result.claims["measurements"]).toBe("matched");
  });
});

describe.skipIf(!present)(`reports as NVIDIA's SDK prints them${why}`, () => {
  test("the switch's, field by field", () => {
    const parsed = parseNvidiaReport(report("nvsdk-switchAttestationReport.txt"));
    const expected = JSON.parse(text("nvsdk-switch_spdm_parsed_output.json")) as Printed;
    expectPrinted(parsed, expected);
    const request = JSON.parse(text("nvsdk-switch_spdm_req_parsed_output.json"));
    expect(`0x${toHex(parsed.requestNonce)}`).toBe(request.Nonce);
  });
});

function expectPrinted(parsed: NvidiaReport, expected: Printed): void {
  expect(`0x${toHex(parsed.responseNonce)}`).toBe(expected.Nonce);
  expect(`0x${toHex(parsed.signature)}`).toBe(expected.Signature);
  expect(parsed.measurements.length).toBe(expected.NumberOfBlocks);
  const blocks = Object.entries(expected.MeasurementRecord.MeasurementBlocks);
  expect(
    parsed.measurements.map(({ index, type, value }) => [String(index), type, `0x${toHex(value)}`]),
  ).toEqual(
    blocks.map(([index, block]) => [
      index,
      block.DMTFSpecMeasurementValueType,
      block.DMTFSpecMeasurementValue,
    ]),
  );
  const lengths = [...parsed.opaque.values()].reduce((sum, value) => sum + 4 + value.length, 0);
  expect(lengths).toBe(expected.OpaqueLength);
  const names = OPAQUE_FIELDS as Readonly<Record<number, string>>;
  const fields = expected.OpaqueData.OpaqueDataField;
  for (const [type, value] of parsed.opaque) {
    const name = `OPAQUE_FIELD_ID_${names[type]}`;
    const printed = { 23: "OPAQUE_FIELD_ID_DISABLED_PORTS" }[type] ?? name;
    if (type === 23 || type === 26) continue;
    expect(printedField(type, value, fields[printed]), printed).toEqual(fields[printed]);
  }
}

describe.skipIf(!present)(`real reference manifests${why}`, () => {
  const roots = [NVIDIA_RIM_ROOT.certificate];
  function codeAt(name: string, time: string): string {
    try {
      verifyRim(parseRim(text(name)), { roots, nowSeconds: Date.parse(time) / 1000 });
      return "ok";
    } catch (error) {
      if (error instanceof AttestationError || error instanceof X509Error) return error.code;
      throw error;
    }
  }

  test.each([
    ["nvsdk-NV_GPU_DRIVER_GH100_550.144.03.xml", "2026-11-23", "ok"],
    ["nvsdk-NV_GPU_DRIVER_GH100_550.144.03.xml", "2027-06-01", "certificate_expired"],
    [SWITCH_RIM, "2026-11-23", "ok"],
    ["nvtrust-1010_0200_882_96005E0001_PROD.swidtag", "2025-03-01", "ok"],
    ["nvtrust-1010_0200_882_96005E0001_PROD.swidtag", "2026-11-23", "certificate_expired"],
    ["nvtrust-1010_0200_882_96005E0001_test_no_gpu.swidtag", "2025-03-01", "ok"],
    ["nvtrust-1010_0200_882_96005E0003_PROD.swidtag", "2025-03-01", "ok"],
    ["nvtrust-Driver_RIM_test_no_gpu.swidtag", "2025-03-01", "ok"],
    ["nvsdk-incorrect_signature_driver_rim.xml", "2026-11-23", "rim_signature_invalid"],
    ["nvsdk-incorrect_cert_chain_driver_rim.xml", "2026-11-23", "certificate_untrusted_root"],
  ])("%s at %s: %s", (name, time, code) => {
    expect(codeAt(name, time)).toBe(code);
  });

  test("every digit of every measurement, and every name, is signed", () => {
    const original = text("nvsdk-NV_GPU_DRIVER_GH100_550.144.03.xml");
    for (const [from, to] of [
      ['active="False"', 'active="True"'],
      ['index="1"', 'index="99"'],
      ["550.144.03", "550.144.04"],
      ['edition="GPU"', 'edition="GPU" other=""'],
      ["<ns0:Entity", " <ns0:Entity"],
      ['Hash0="0', 'Hash0="1'],
    ] as const) {
      const changed = parseRim(original.replace(from, to));
      expect(() => verifyRim(changed, { roots, nowSeconds: NOW.getTime() / 1000 })).toThrow(
        expect.objectContaining({ code: "rim_digest_mismatch" }),
      );
    }
  });
});

describe.skipIf(!present || readdirSync(folder).length === 0)(
  `a real report and manifests of our own${why}`,
  () => {
    const signer = testRimSigner();
    const policy = parsePolicy({
      formatVersion: 1,
      codeIdentity: "required",
      nvidia: { rimRoots: [{ certificate: toBase64(signer.rootDer) }] },
    });
    const name = "coco-hopperAttestationReport.txt";
    const values = present ? parseNvidiaReport(report(name)).measurements : [];
    const good = (indexes: readonly number[]) =>
      new Map(indexes.map((index) => [index, [new Uint8Array(48), values[index]!.value]]));
    const appraiseWith = (
      driver: ReadonlyMap<number, Uint8Array[]>,
      vbios: ReadonlyMap<number, Uint8Array[]>,
    ) => {
      const rims = [
        testRim({ version: "550.90.07", measurements: driver }, signer),
        testRim({ version: "96.00.9F.00.01", measurements: vbios }, signer),
      ];
      const endorsements = { certificates: [text("coco-hopper_cert_chain_case1.txt")], rims };
      const options = { now: NOW, policy, expectedNonce: fromHex(NONCE) };
      return appraise({ type: "nvidia-gpu", quote: report(name) }, endorsements, options);
    };

    test("passes whole", () => {
      const result = appraiseWith(good([11, 21, 22, 25, 26]), good([0, 1, 2, 3, 8]));
      expect(result).toMatchObject({ verdict: "accepted", code: "ok", codeIdentity: "matched" });
      expect(result.claims).toMatchObject({
        statement: "GPU evidence fresh and genuine",
        measurements: "matched",
        source: "hardware_proven",
      });
    });

    test("fails on one wrong index, by its number", () => {
      const result = appraiseWith(good([11, 21]).set(22, [new Uint8Array(48)]), good([0, 1]));
      expect(result).toMatchObject({ verdict: "rejected", code: "rim_measurement_mismatch" });
      expect(result.message).toContain("22");
    });

    test("fails on an index that both manifests have", () => {
      const result = appraiseWith(good([11, 21]), good([0, 21]));
      expect(result).toMatchObject({ verdict: "rejected", code: "rim_index_conflict" });
    });

    test("does not compare the video decoder's, which is off", () => {
      const result = appraiseWith(good([11]).set(35, [new Uint8Array(48)]), good([0]));
      expect(result.code).toBe("ok");
    });
  },
);
