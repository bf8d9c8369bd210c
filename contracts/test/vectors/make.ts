/**
 * Writes `tdx-quote.json` beside it, which forge's tests read: `node contracts/test/vectors/make.ts`. A quote of format 4
 * and its collateral under a test root whose keys are public, and the calldata that the registry gets. Nothing in it
 * is drawn, so that a run changes nothing unless an encoding changed.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import * as evidence from "../../../attestation/testing/dcap.ts";
import { certificateId, collateralCalls } from "../../../client/chain/quote.ts";
import { concat, toHex0x } from "../../../codec/index.ts";

/** The file's text. */
export function quoteVector(): string {
  const root = evidence.rootCertificate(evidence.testPki());
  const reportDataHead = new Uint8Array(32).fill(0xd0);
  const quote = evidence.testQuote("tdx4", { reportData: concat(reportDataHead, new Uint8Array(32)) });
  const calls = collateralCalls(evidence.testCollateral("tdx4"), certificateId(root));
  const vector = {
    nowSeconds: evidence.TEST_NOW.getTime() / 1000,
    root: toHex0x(root),
    rootId: certificateId(root),
    calls: calls.map(({ data }) => data),
    reportDataHead: toHex0x(reportDataHead),
    quote: toHex0x(quote),
  };
  return `${JSON.stringify(vector, undefined, 2)}\n`;
}

if (import.meta.main) writeFileSync(join(import.meta.dirname, "tdx-quote.json"), quoteVector());
