/** What encrypted balances cost. */
import { debitFigures } from "./balances-debit.ts";
import type { Report } from "./report.ts";

export async function run(): Promise<Report> {
  return { bench: "balances", figures: await debitFigures(), notMeasured: [] };
}
