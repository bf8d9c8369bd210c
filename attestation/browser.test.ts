/** What a browser loads: no module of Node's in it, and the same verdicts. */
import { build } from "esbuild";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { toBase64 } from "../codec/index.ts";
import { createSimulatedAttester } from "./attest/index.ts";
import * as node from "./index.ts";
import * as evidence from "./testing/dcap.ts";

const folder = mkdtempSync(join(tmpdir(), "affidavit-browser-"));
let browser: typeof node;

beforeAll(async () => {
  const outfile = join(folder, "attestation.mjs");
  const { metafile } = await build({
    entryPoints: [join(import.meta.dirname, "index.ts")],
    bundle: true,
    format: "esm",
    platform: "browser",
    metafile: true,
    outfile,
  });
  const inputs = Object.keys(metafile.inputs);
  expect(inputs.some((path) => path.endsWith("p256.browser.ts"))).toBe(true);
  expect(inputs.filter((path) => path.startsWith("node:") || path.endsWith(".node.ts"))).toEqual([]);
  const imports = Object.values(metafile.outputs).flatMap((output) => output.imports);
  expect(imports).toEqual([]);
  browser = await import(pathToFileURL(outfile).href);
});

afterAll(() => rmSync(folder, { recursive: true }));

test.each(evidence.QUOTE_KINDS)("%s quotes, good and bad, get the same verdicts", (kind) => {
  const certificate = toBase64(evidence.rootCertificate(evidence.testPki()));
  const policy = node.parsePolicy({ formatVersion: 1, codeIdentity: "reported", roots: [{ certificate }] });
  const collateral = evidence.testCollateral(kind);
  const good = evidence.testQuote(kind);
  const bad = good.slice();
  bad[60]! ^= 1;
  for (const quote of [good, bad]) {
    const type = kind === "sgx3" ? "sgx" : "tdx";
    const options = { now: evidence.TEST_NOW, policy };
    const expected = node.appraise({ type, quote }, collateral, options);
    expect(browser.appraise({ type, quote }, collateral, options)).toEqual(expected);
    expect(expected.verdict).toBe(quote === good ? "accepted" : "rejected");
  }
});

test("simulated quotes are refused by name", async () => {
  const now = new Date("2026-08-15T10:30:00Z");
  const attester = createSimulatedAttester();
  const quote = await attester.quote(new Uint8Array(64));
  const endorsements = await attester.endorsements(now);
  const codeUnder = (policy: node.AppraisalPolicy) =>
    browser.appraise({ type: "tdx", quote }, endorsements, { now, policy }).code;
  expect(codeUnder(browser.DEFAULT_POLICY)).toBe("simulated_refused");
  expect(codeUnder(browser.SIMULATED_POLICY)).toBe("ok");
});
