/** What the contracts cost, from receipts of real transactions on anvil. */
import { buildContracts } from "../test/contracts-build.ts";
import { quoteGas } from "./gas-quote.ts";
import { receiptGas } from "./gas-receipt.ts";
import type { Report } from "./report.ts";

export async function run(): Promise<Report> {
  process.stderr.write("compiling the contracts\n");
  await buildContracts();
  const receipts = await receiptGas();
  const { figures, quote } = await quoteGas();
  const notMeasured =
    quote === "real"
      ? []
      : [{ name: "tdx_quote of a real quote", why: "the folder of vectors is not there" }];
  return { bench: "gas", figures: [...receipts, ...figures], notMeasured };
}
