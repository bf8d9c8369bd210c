import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { testSnpAuthorities, testSnpEvidence } from "../../../attestation/testing/sev-snp.ts";
import { testCrl } from "../../../attestation/testing/certificates.ts";
import { pem } from "../../../attestation/attest/der-write.ts";
import { jsonLine, runCommand } from "../testing/run-command.ts";
import { appraise } from "./appraise.ts";
import { doctor } from "./doctor.ts";
import { endorsementsBundle, endorsementsFetch, endorsementsShow } from "./endorsements.ts";

const folder = mkdtempSync(join(tmpdir(), "endorsements-cli-"));
const file = (name: string) => join(folder, name);
const { report, certificates, root } = testSnpEvidence();
const { askDer, root: rootKey } = testSnpAuthorities("Genoa");
const server = createServer((request, response) => {
  const url = request.url ?? "";
  if (url.endsWith("/crl")) response.end(testCrl({ issuer: rootKey }));
  else if (url.endsWith("/cert_chain")) response.end(pem("CERTIFICATE", askDer) + pem("CERTIFICATE", root));
  else if (url.includes("blSPL=")) response.end(certificates[0]);
  else response.writeHead(404).end();
});
let kds: string;

beforeAll(async () => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  kds = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  writeFileSync(file("report.bin"), report);
  writeFileSync(file("root.der"), root);
});
afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

const fetchWords = (...more: string[]) => [
  file("report.bin"),
  "--kds",
  kds,
  "--cache",
  file("cache"),
  ...more,
];

describe("affidavit endorsements", () => {
  it("fetches what an appraisal without network accepts", async () => {
    const words = fetchWords("--type", "sev-snp", "--out", file("snp.json"), "--json");
    const fetched = await runCommand(endorsementsFetch, words);
    expect([fetched.status, jsonLine(fetched.stdout)["ok"]]).toEqual([0, true]);
    const judged = await runCommand(appraise, [
      file("report.bin"),
      "--type",
      "sev-snp",
      "--collateral",
      file("snp.json"),
      "--root",
      file("root.der"),
      "--json",
      "--now",
      "2026-11-23T12:00:00Z",
    ]);
    expect(jsonLine(judged.stdout)).toMatchObject({ verdict: "accepted" });
  });

  it("lists what is kept, and joins files", async () => {
    const kept = jsonLine((await runCommand(endorsementsShow, ["--cache", file("cache"), "--json"])).stdout);
    expect(kept["kept"]).toHaveLength(3);
    writeFileSync(file("rims.json"), JSON.stringify({ rims: ["<x/>"] }));
    const joined = await runCommand(endorsementsBundle, [
      file("all.json"),
      file("snp.json"),
      file("rims.json"),
    ]);
    expect(joined.status).toBe(0);
    const whole = JSON.parse(readFileSync(file("all.json"), "utf8")) as Record<string, unknown[]>;
    expect([whole["certificates"]?.length, whole["crls"]?.length, whole["rims"]]).toEqual([3, 1, ["<x/>"]]);
    writeFileSync(file("a.json"), JSON.stringify({ tcb_info: "1" }));
    writeFileSync(file("b.json"), JSON.stringify({ tcb_info: "2" }));
    const clash = await runCommand(endorsementsBundle, [file("c.json"), file("a.json"), file("b.json")]);
    expect(clash.status).toBe(2);
  });

  it("says no with the publisher's code, and 2 for bad flags", async () => {
    const missing = await runCommand(endorsementsFetch, [
      "--rim",
      "NV_NONE",
      "--json",
      "--timeout",
      "2000",
      "--cache",
      file("other"),
      "--ocsp",
      file("none.pem"),
    ]);
    expect(missing.status).toBe(2);
    const wrong = await runCommand(endorsementsFetch, fetchWords("--type", "tdx", "--json"));
    expect([wrong.status, jsonLine(wrong.stdout)["code"]]).toEqual([1, expect.stringMatching(/^quote_/)]);
    expect((await runCommand(endorsementsFetch, fetchWords("--type", "nitro"))).status).toBe(2);
    expect((await runCommand(endorsementsFetch, fetchWords("--type", "sgx", "--pccs", "x"))).status).toBe(2);
  });
});

describe("affidavit doctor", () => {
  it("names every interface with a reason, in one line", async () => {
    const { status, stdout } = await runCommand(doctor, ["--json"]);
    const line = jsonLine(stdout);
    const checks = line["checks"] as { part: string; status: string; code: string; detail: string }[];
    expect(checks.map(({ part }) => part)).toEqual([
      "tee configfs-tsm",
      "tee tdx-guest",
      "tee sev-guest",
      "tee dstack",
      "tee nitro",
      "measured models",
      "gpu",
      "engine",
      "vulkan adapters",
      "cuda devices",
      "provider cpu",
      "provider webgpu",
      "provider cuda",
      "native signer",
      "postgresql",
      "vault user",
    ]);
    for (const check of checks) expect(check.detail).not.toBe("");
    expect(status).toBe(line["ok"] === true ? 0 : 1);
  });

  it("tells people in words, and that a simulation proves nothing", async () => {
    const { stdout } = await runCommand(doctor, []);
    expect(stdout).toContain("attestation auto:");
    if (stdout.includes("auto: simulated")) expect(stdout).toContain("proves nothing");
  });
});
