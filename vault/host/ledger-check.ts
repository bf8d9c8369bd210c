/**
 * An entry that was signed, checked once more: what its new ciphertext holds is what its operation makes of the ones that it names.
 * Only ciphertexts go in that a vault of this cluster signed the digests of, after it had checked them: so the answer is yes, or a
 * vault was wrong; nobody learns of a balance by asking.
 */
import { checkOpening } from "../../balances/client.ts";
import { equal } from "../../codec/index.ts";
import type { StatementOf } from "../../receipts/index.ts";
import { VaultError } from "../error.ts";
import type { LedgerCheckRequest } from "../wire/balances.ts";
import { readVouched } from "./ledger-source.ts";
import { checkValues, requireBalances, requireNamed, type ValueReader } from "./ledger-values.ts";
import type { AccountRates } from "./rate.ts";

export interface CheckContext {
  macKey: Uint8Array;
  serverKeyDigest: Uint8Array;
  reader: ValueReader;
  rates: AccountRates;
}

/**
 * @returns the `Opening` to be signed
 * @throws VaultError `ledger_head_invalid`, `ledger_refused`, `ledger_values_invalid`, `opening_rate_limited`; BalanceError
 */
export async function checkEntry(
  { macKey, serverKeyDigest, reader, rates }: CheckContext,
  { entry: vouched, ...ciphertexts }: LedgerCheckRequest,
): Promise<StatementOf<"Opening">> {
  const { entry, operand } = readVouched(macKey, vouched);
  if (!equal(entry.serverKeyDigest, serverKeyDigest)) throw new VaultError("ledger_refused");
  const given = { ...ciphertexts, allowance: "vouched" as const };
  requireBalances(entry, given);
  requireNamed(operand, given);
  if (!rates.take(entry.account)) throw new VaultError("opening_rate_limited");
  const consistent = await checkValues(reader, operand, given).then(
    () => true,
    (error: unknown) => {
      if (error instanceof VaultError && error.code === "ledger_values_invalid") return false;
      throw error;
    },
  );
  return checkOpening(entry, consistent);
}
