/** Quotes under the development root, made at once. */
import { createSimulatedSigner } from "../attest/simulated.ts";
import { simulatedTdReport } from "../attest/simulated-platform.ts";
import { buildQuote } from "../attest/simulated-quote.ts";
import { TD10_FIELDS, TEE_TDX } from "../parse/dcap-fields.ts";

/** @param fields of the TD report that are not the simulated TD's, by name */
export function developmentQuotes(
  fields: Readonly<Record<string, Uint8Array>> = {},
): (reportData: Uint8Array) => Uint8Array {
  const signer = createSimulatedSigner();
  return (reportData) => {
    const body = simulatedTdReport(reportData).slice();
    let at = 0;
    for (const { name, byteLength } of TD10_FIELDS) {
      const value = fields[name];
      if (value) body.set(value, at);
      at += byteLength;
    }
    return buildQuote({ version: 4, teeType: TEE_TDX, body }, signer);
  };
}
