/** What the contracts cost, from receipts of real transactions on anvil. */
import { hasProver } from "../proofs/testing/prover.ts";
import { buildContracts } from "../test/contracts-build.ts";
import { proofGas } from "./gas-proof.ts";
import { quoteGas } from "./gas-quote.ts";
import { receiptGas } from "./gas-receipt.ts";
import type { Report } from "./report.ts";

export async function run(): Promise<Report> {
  process.stderr.write("compiling the contracts\n");
  await buildContracts();
  const receipts = await receiptGas();
  const { figures, quote } = await quoteGas();
  const proofs = hasProver ? await proofGas() : [];
  const notMeasured = [
    ...(quote === "real"
      ? []
      : [{ name: "tdx_quote of a real quote", why: "the folder of vectors is not there" }]),
    ...(hasProver ? [] : [{ name: "halo2_mlp", why: "EZKL is not installed: npm run setup:proofs" }]),
  ];
  return { bench: "gas", figures: [...receipts, ...proofs, ...figures], notMeasured };
}
