/** The verifiers of evidence in a browser: bundled without anything of Node, and of one mind with Node to the byte. */
import { readFileSync } from "node:fs";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { nitroDocumentBytes, parseNitroDocument } from "../attestation/index.ts";
import { testCertificates } from "../attestation/testing/appraise.ts";
import {
  QUOTE_KINDS,
  rootCertificate,
  testCollateral,
  testPki,
  testQuote,
} from "../attestation/testing/dcap.ts";
import { TEST_NOW } from "../attestation/testing/dcap.ts";
import { TEST_NITRO_TIME, testNitroChain, testNitroDocument } from "../attestation/testing/nitro.ts";
import { testSnpEvidence } from "../attestation/testing/sev-snp.ts";
import { vectorCases, type VectorCase } from "../attestation/testing/vectors.ts";
import { endorsementsFrom } from "../client/cli/endorsement-files.ts";
import { readEvidence } from "../client/cli/evidence-files.ts";
import { toBase64 } from "../codec/index.ts";
import { verdictLine, type AppraisalCase } from "./appraisal-verdict.ts";
import type { AttestationPage } from "./browser-attestation-page.ts";
import { bundle, hasChromium, launchChromium, WITHOUT_CHROMIUM } from "./browser.ts";

/** Evidence under roots of the tests' own: of every technology, good and with one bit flipped here and there. */
function generatedCases(): AppraisalCase[] {
  const dcapRoot = toBase64(rootCertificate(testPki()));
  const dcap = QUOTE_KINDS.map((kind) => ({
    name: kind,
    type: kind === "sgx3" ? ("sgx" as const) : ("tdx" as const),
    bytes: testQuote(kind),
    endorsements: testCollateral(kind) as unknown,
    root: dcapRoot,
    nowMs: TEST_NOW.getTime(),
  }));
  const snp = (["Milan", "Genoa", "Turin"] as const).map((product) => {
    const { report, certificates, root } = testSnpEvidence({ product });
    return {
      name: product,
      type: "sev-snp" as const,
      bytes: report,
      endorsements: testCertificates(...certificates) as unknown,
      root: toBase64(root),
      nowMs: Date.parse("2026-11-23T00:00:00Z"),
    };
  });
  const nitro = {
    name: "nitro",
    type: "nitro" as const,
    bytes: testNitroDocument(),
    endorsements: null,
    root: toBase64(testNitroChain().cabundle[0]!),
    nowMs: TEST_NITRO_TIME.getTime(),
  };
  return [...dcap, ...snp, nitro].flatMap(({ bytes, ...rest }) => [
    { ...rest, quote: toBase64(bytes) },
    ...[0.05, 0.3, 0.6, 0.95].map((share) => ({
      ...rest,
      name: `${rest.name}, flipped at ${share}`,
      quote: toBase64(flipped(bytes, Math.floor(bytes.length * share))),
    })),
  ]);
}

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  return bytes.map((byte, i) => (i === at ? byte ^ 1 : byte));
}

async function caseOf(vector: VectorCase): Promise<AppraisalCase> {
  const { name, type, collateral, certificates, root, now } = vector;
  const quote = (await readEvidence(vector.evidence))!;
  return {
    name,
    type,
    quote: toBase64(quote),
    endorsements: await endorsementsFrom(type, {
      ...(collateral !== undefined && { collateral }),
      ...(certificates !== undefined && { cert: [...certificates] }),
    }),
    root: root === undefined ? null : toBase64(new Uint8Array(readFileSync(root))),
    nowMs: now === "document" ? documentTimeMs(quote) : now * 1000,
  };
}

function documentTimeMs(quote: Uint8Array): number {
  try {
    return parseNitroDocument(nitroDocumentBytes(quote).bytes).timestampMs;
  } catch {
    return 0;
  }
}

test("the verifiers bundle for browsers with nothing of Node in them", async () => {
  const { text, inputs } = await bundle("../attestation/index.ts");
  expect(text).not.toMatch(/["']node:/);
  expect(text).not.toMatch(/\brequire\(/);
  expect(inputs.filter((path) => /\.node\.ts$|\/attest\//.test(path))).toEqual([]);
});

describe.skipIf(!hasChromium)(`a browser${WITHOUT_CHROMIUM}`, () => {
  let browser: Browser;
  let tab: Page;

  beforeAll(async () => {
    const { text } = await bundle("./browser-attestation-page.ts");
    browser = await launchChromium();
    tab = await browser.newPage();
    await tab.addScriptTag({ content: text, type: "module" });
    await tab.waitForFunction(() => "attestationPage" in globalThis);
  }, 60_000);

  afterAll(() => browser?.close());

  const inBrowser = (cases: AppraisalCase[]) =>
    tab.evaluate(
      (given) =>
        (globalThis as unknown as { attestationPage: AttestationPage }).attestationPage.verdicts(given),
      cases,
    );

  test("says of generated evidence what Node says, to the byte", async () => {
    const cases = generatedCases();
    const found = await inBrowser(cases);
    expect(found).toEqual(cases.map(verdictLine));
    const accepted = found.filter((line) => JSON.parse(line).verdict === "accepted");
    expect(accepted.length).toBeGreaterThanOrEqual(QUOTE_KINDS.length + 4);
    expect(accepted.length).toBeLessThan(found.length / 2);
  }, 120_000);

  const vectors = vectorCases();
  const why = vectors.length === 0 ? " (skipped: the folder of vectors is not there)" : "";
  test.skipIf(vectors.length === 0)(
    `says of real evidence what Node says, to the byte${why}`,
    async () => {
      const cases = await Promise.all(vectors.map(caseOf));
      const found = await inBrowser(cases);
      expect(found).toEqual(cases.map(verdictLine));
      expect(found.map((line) => JSON.parse(line).verdict)).toEqual(vectors.map(({ verdict }) => verdict));
    },
    120_000,
  );
});
