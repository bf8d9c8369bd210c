/** Quotes under the development root, made at once. */
import { createSimulatedSigner } from "../attest/simulated.ts";
import { simulatedTdReport } from "../attest/simulated-platform.ts";
import { buildQuote, type QuoteSigner } from "../attest/simulated-quote.ts";
import { TD10_FIELDS, TEE_TDX } from "../parse/dcap-fields.ts";

/**
 * @param fields of the TD report that are not the simulated TD's, by name
 * @param changes of what signs, such as certification data of another type
 */
export function developmentQuotes(
  fields: Readonly<Record<string, Uint8Array>> = {},
  changes: Partial<QuoteSigner> = {},
): (reportData: Uint8Array) => Uint8Array {
  const signer = { ...createSimulatedSigner(), ...changes };
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
