/** What encrypted balances cost. */
import { allowanceFigures } from "./balances-allowance.ts";
import { builtAddon, debitFigures } from "./balances-debit.ts";
import type { Report } from "./report.ts";

export async function run(): Promise<Report> {
  return {
    bench: "balances",
    figures: [...(await debitFigures()), ...(await allowanceFigures(builtAddon()))],
    notMeasured: [],
  };
}
