import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { azureJson, TEST_AZURE_NONCE, testAzure } from "../../../attestation/testing/azure-vtpm.ts";
import { rootCertificate, testCollateral, testPki, testQuote } from "../../../attestation/testing/dcap.ts";
import { quoteResponse, testDstack } from "../../../attestation/testing/dstack.ts";
import { registersOf, TEST_BOOT_EVENTS, tcgLog } from "../../../attestation/testing/event-log.ts";
import {
  TEST_NVIDIA_NONCE,
  testDevice,
  testReport,
  testRim,
  testRimSigner,
} from "../../../attestation/testing/nvidia.ts";
import { testOcsp } from "../../../attestation/testing/ocsp.ts";
import { VECTORS_FOLDER } from "../../../attestation/testing/vectors.ts";
import { pem } from "../../../attestation/attest/der-write.ts";
import { concat, toHex } from "../../../codec/index.ts";
import { temporaryDirectory } from "../../../test/folder.ts";
import { jsonLine, runCommand } from "../testing/run-command.ts";
import { appraise as command } from "./appraise.ts";

const folder = temporaryDirectory();
afterAll(() => folder.remove());

function file(name: string, content: Uint8Array | string): string {
  const path = join(folder.path, name);
  writeFileSync(path, content);
  return path;
}

async function appraise(...args: string[]): Promise<Record<string, unknown>> {
  const { status, stdout } = await runCommand(command, [...args, "--json"]);
  return { status, ...jsonLine(stdout) };
}

const device = testDevice();
const signer = testRimSigner();
const [, , identity, root] = device.certificates as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
const measured = (index: number) => new Map([[index, [new Uint8Array(48).fill(index)]]]);
const chain = device.certificates.map((certificate) => pem("CERTIFICATE", certificate)).join("");
const gpu = [
  file("report.txt", toHex(testReport())),
  "--type",
  "nvidia-gpu",
  "--cert",
  file("chain.pem", chain),
  "--root",
  file("roots.pem", pem("CERTIFICATE", root) + pem("CERTIFICATE", signer.rootDer)),
  "--now",
  "2026-11-23T00:00:00Z",
];
const rims = ["driver", "vbios"].flatMap((kind, i) => {
  const version = kind === "driver" ? "550.90.07" : "96.00.9F.00.01";
  return ["--rim", file(`${kind}.xml`, testRim({ version, measurements: measured(i) }, signer))];
});

test("a GPU has a nonce, and no report data that a flag could name", async () => {
  const result = await appraise(...gpu, "--report-data", "00".repeat(64));
  expect(result).toMatchObject({ status: 2, code: "usage", message: expect.stringContaining("--nonce") });
});

test("a GPU, with its nonce, manifests and OCSP responses, or without", async () => {
  expect(await appraise(...gpu)).toMatchObject({
    status: 0,
    code: "ok",
    claims: { measurements: "unchecked" },
  });
  const nonce = ["--nonce", toHex(TEST_NVIDIA_NONCE)];
  expect(await appraise(...gpu, ...rims, ...nonce)).toMatchObject({
    status: 0,
    codeIdentity: "matched",
    claims: { measurements: "matched", statement: "GPU evidence fresh and genuine" },
  });
  expect(await appraise(...gpu, "--nonce", "00".repeat(32))).toMatchObject({
    status: 1,
    code: "nonce_mismatch",
  });
  expect(await appraise(...gpu, ...rims.slice(0, 2))).toMatchObject({ status: 1, code: "rim_missing" });
  const hold = testOcsp({ key: device.root }, { certificate: identity, issuer: root, status: "hold" });
  const ocsp = ["--ocsp", file("hold.der", hold)];
  expect(await appraise(...gpu, ...ocsp)).toMatchObject({ status: 1, code: "certificate_revoked" });
});

const time = ["--now", "2026-06-01T12:00:00Z"];
const tdxRoot = file("tdx.pem", pem("CERTIFICATE", rootCertificate(testPki())));
const collateral = [
  "--collateral",
  file("collateral.json", JSON.stringify(testCollateral("tdx4"))),
  "--root",
  tdxRoot,
  ...time,
];

test("a TD and its event log", async () => {
  const quote = file("quote.bin", testQuote("tdx4", { body: registersOf(TEST_BOOT_EVENTS) }));
  const tdx = [quote, "--type", "tdx", ...collateral, "--event-log"];
  const log = tcgLog(TEST_BOOT_EVENTS);
  expect(await appraise(...tdx, file("ccel.bin", log))).toMatchObject({
    status: 0,
    claims: { eventLog: { eventsByRegister: [2, 2, 2, 0] } },
  });
  const other = file("other.bin", tcgLog(TEST_BOOT_EVENTS.slice(1)));
  expect(await appraise(...tdx, other)).toMatchObject({ status: 1, code: "event_log_replay_mismatch" });
  expect(await appraise(...tdx, file("cut.bin", concat(log.subarray(0, 90))))).toMatchObject({
    status: 1,
    code: "event_log_malformed",
  });
});

test("a dstack guest and an Azure VM", async () => {
  const dstack = file("dstack.json", quoteResponse(testDstack()));
  expect(await appraise(dstack, "--type", "dstack", ...collateral)).toMatchObject({ status: 0, code: "ok" });
  const evidence = testAzure();
  const azure = [
    file("azure.json", azureJson(evidence)),
    "--type",
    "azure-vtpm",
    "--nonce",
    toHex(TEST_AZURE_NONCE),
  ];
  const certificates = evidence.certificates.map((certificate) => pem("CERTIFICATE", certificate)).join("");
  const cert = [
    "--cert",
    file("snp.pem", certificates),
    "--root",
    file("ark.pem", pem("CERTIFICATE", evidence.snpRoot)),
  ];
  expect(await appraise(...azure, ...cert, ...time)).toMatchObject({ status: 0, code: "ok" });
});

test.each([
  ["--nonce", "zz"],
  ["--nonce", ""],
  ["--nonce", "00".repeat(65)],
  ["--crl", "chain.pem"],
  ["--collateral", "chain.pem"],
  ["--event-log", "chain.pem"],
  ["--rim", "missing.xml"],
])("%s %s is refused for a GPU", async (flag, value) => {
  const path = value.includes(".") ? join(folder.path, value) : value;
  expect(await appraise(...gpu, flag, path)).toMatchObject({ status: 2, ok: false });
});

const vectors = join(VECTORS_FOLDER, "nvidia");
const why = existsSync(vectors) ? "" : " (skipped: the folder of vectors is not there)";

describe.skipIf(!existsSync(vectors))(`real evidence${why}`, () => {
  test.each([
    ["nvidia-gpu", "coco-hopperAttestationReport.txt", ["--cert", "coco-hopper_cert_chain_case1.txt"], 0],
    ["nvidia-gpu", "coco-hopperAttestationReport.txt", ["--cert", "coco-hopper_cert_chain_case3.txt"], 1],
    ["nvidia-gpu", "nvsdk-ev-hopper_evidence.json", [], 0],
    [
      "nvidia-switch",
      "nvsdk-switchAttestationReport.txt",
      [
        "--cert",
        "nvsdk-switchCertChain.txt",
        "--rim",
        "nvsdk-switchVBIOSRim_NV_SWITCH_BIOS_5612_0002_890_9610550001.xml",
      ],
      0,
    ],
  ] as const)("%s %s %o: %i", async (type, name, flags, status) => {
    const files = flags.map((word) => (word.startsWith("--") ? word : join(vectors, word)));
    const args = [join(vectors, name), "--type", type, "--now", "2026-11-23T00:00:00Z", ...files];
    expect((await appraise(...args))["status"]).toBe(status);
  });
});
