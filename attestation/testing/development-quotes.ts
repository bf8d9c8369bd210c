/** Quotes under the development root, made at once. */
import { createSimulatedSigner } from "../attest/simulated.ts";
import { simulatedTdReport } from "../attest/simulated-platform.ts";
import { buildQuote } from "../attest/simulated-quote.ts";
import { TEE_TDX } from "../parse/dcap-fields.ts";

export function developmentQuotes(): (reportData: Uint8Array) => Uint8Array {
  const signer = createSimulatedSigner();
  return (reportData) =>
    buildQuote({ version: 4, teeType: TEE_TDX, body: simulatedTdReport(reportData) }, signer);
}
