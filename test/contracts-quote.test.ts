/** Real and generated TDX quotes of format 4, verified by the contracts on a chain of the collateral's time. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { toBase64 } from "../codec/index.ts";
import {
  appraise,
  INTEL_SGX_ROOT,
  parseCollateral,
  parsePolicy,
  REPORTING_POLICY,
} from "../attestation/index.ts";
import { vectorCases, type VectorCase } from "../attestation/testing/vectors.ts";
import { startAnvil, type Chain } from "./anvil.ts";
import { buildContracts } from "./contracts-build.ts";
import { deployQuoteVerifier } from "./quote-chain.ts";

/** Oldest first, since a chain's time only goes forward. */
const CASES = vectorCases()
  .filter(
    ({ type, evidence, now }) => type === "tdx" && readFileSync(evidence)[0] === 4 && now !== "document",
  )
  .toSorted((a, b) => Number(a.now) - Number(b.now));

/** TEE_TCB_SVN, MRTD, RTMR3, report data, signature, key, QE report, its signature, authentication data, PCK. */
const CORRUPTED = [48, 200, 600, 620, 640, 710, 800, 1160, 1230, 1400];

function appraiseCase(
  { evidence, collateral, now, root }: VectorCase,
  quote = new Uint8Array(readFileSync(evidence)),
) {
  const policy =
    root === undefined
      ? REPORTING_POLICY
      : parsePolicy({
          formatVersion: 1,
          codeIdentity: "reported",
          roots: [{ certificate: toBase64(readFileSync(root)) }],
        });
  const endorsements = JSON.parse(readFileSync(collateral!, "utf8"));
  return appraise({ type: "tdx", quote }, endorsements, { now: new Date(Number(now) * 1000), policy });
}

// A suite without cases would not be listed as skipped.
if (CASES.length === 0) test.skip("TDX quotes on chain: the folder of vectors is not there", () => {});

describe.skipIf(CASES.length === 0)("TDX quotes on chain", () => {
  let chain: Chain;
  beforeAll(async () => {
    await buildContracts();
    chain = await startAnvil({ nowSeconds: Number(CASES[0]!.now) - 10_000 });
  }, 300_000);
  afterAll(() => chain?.stop());

  test.each(CASES)("$name", { timeout: 30_000 }, async (vector) => {
    const appraisal = appraiseCase(vector);
    await chain.warp(Number(vector.now));
    const root = vector.root === undefined ? INTEL_SGX_ROOT.certificate.der : readFileSync(vector.root);
    const contracts = await deployQuoteVerifier(chain, root);
    const quote = new Uint8Array(readFileSync(vector.evidence));
    const collateral = parseCollateral(JSON.parse(readFileSync(vector.collateral!, "utf8")));
    const posted = await contracts.post(collateral);
    const answer = posted.code === "ok" ? await contracts.verify(quote) : posted;
    expect(answer.code).toBe(appraisal.code);
    if (answer.code !== "ok" || !("registers" in answer)) return;
    expect(answer.tcbStatus).toBe(appraisal.tcbStatus);
    expect(answer.technology).toBe(vector.root === undefined ? 1 : 4);
    expect(answer.registers).toContain(appraisal.claims["rtmr0"]);
    const until = Date.parse(appraisal.claims["collateralValidUntil"] as string) / 1000;
    expect(answer.expiresAtSeconds).toBe(BigInt(until));
    expect((await contracts.verify(quote, until)).code).toBe("ok");
    expect((await contracts.verify(quote, until + 1)).code).toMatch(/_expired$/);
    for (const place of CORRUPTED) {
      const corrupted = quote.with(place, quote[place]! ^ 0x10);
      const { code } = await contracts.verify(corrupted);
      expect(code, `byte ${place}`).toBe(appraiseCase(vector, corrupted).code);
      expect(code).not.toBe("ok");
    }
  });
});
