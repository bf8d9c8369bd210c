/** `affidavit ledger account`: an account of encrypted balances, from its opening to an audit's folder. */
import { BalanceError } from "../../../balances/index.ts";
import { LedgerClient, type LedgerAccount } from "../../ledger-client.ts";
import { ADMIN_FLAGS_HELP, adminFlags, adminTransport, noPositionals } from "../admin.ts";
import { flags, printJson, RefusedError, UsageError, type Command } from "../command.ts";
import type { Action } from "../ledger-action.ts";
import { check, exportAccount } from "../ledger-export.ts";
import { credit, freeze, unfreeze, voucher } from "../ledger-orders.ts";
import { debit, deposit, privateDebit, transfer } from "../ledger-requests.ts";
import { printable } from "../output.ts";
import { readOwnerKey } from "../owner-key.ts";
import { ALLOWANCE_FLAGS_HELP, ALLOWANCE_HELP, ledgerAllowance } from "./ledger-allowance.ts";

const KEY_HELP = `  --owner-key FILE     the owner's key, as "ledger keygen" makes it
${ADMIN_FLAGS_HELP.replace("a key with the scope admin", "a key with the scope infer")}`;

const HELP = `
affidavit ledger account ACTION --owner-key FILE [flags]

An account whose balance is a ciphertext. What takes from it is signed here; the service cannot read it.

  create               opens the account of the owner's key
  show                 where it stands: sequence, digest of the balance, frozen or not
  balance              reads the balance: the vault opens it for the owner alone, and the log says that it did
  debit                takes a clear --amount, which everybody may see
  private-debit        takes an encrypted --amount; proving takes seconds
  transfer             takes an encrypted --amount for the account --to
  deposit              adds the amount of a --voucher, encrypted; the voucher's amount is public
${ALLOWANCE_HELP}
  check                lets the vault say whether the entry --sequence adds up, for those who cannot compute it again
  export               writes entries, ciphertexts and keys to --folder, for "affidavit ledger audit"

The operator's, whose key signs (as --owner-key):

  credit               adds a clear --amount to the account --to
  voucher              writes a --voucher over a clear --amount, which the owner of --to may deposit within a day
  freeze, unfreeze     lets the account --to give nothing, or again

  --amount N           atomic units
  --to ID              the other account: 0x and 64 hex digits
  --sequence N         the entry
  --voucher FILE       the operator's word
  --folder FOLDER      where to export to
${KEY_HELP}
${ALLOWANCE_FLAGS_HELP}

Exits 1 where the service refuses, and where the balance does not cover what was to be taken.
`;

export const ledgerAccount: Command = {
  summary: "opens, reads and spends an encrypted balance",
  help: HELP,
  run,
};

const ACTIONS: Record<string, Action> = {
  create: async ({ client, signer, json }) => shown(await client.open(signer.owner), json),
  show: async ({ client, signer, json }) => shown(await client.account(signer.account), json),
  balance: readBalance,
  debit,
  "private-debit": privateDebit,
  transfer,
  deposit,
  check,
  export: exportAccount,
  credit,
  voucher,
  freeze,
  unfreeze,
};

async function run(words: string[]): Promise<number> {
  if (words[0] === "allowance") return await ledgerAllowance(words.slice(1));
  const { values, positionals } = flags(words, {
    "owner-key": { type: "string" },
    amount: { type: "string" },
    to: { type: "string" },
    voucher: { type: "string" },
    sequence: { type: "string" },
    folder: { type: "string" },
    ...adminFlags,
  });
  const [name = "", ...rest] = positionals;
  noPositionals(rest);
  const action = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
  if (!action) throw new UsageError(`the actions are ${[...Object.keys(ACTIONS), "allowance"].join(", ")}`);
  if (!values["owner-key"]) throw new UsageError("give an --owner-key");
  const signer = await readOwnerKey(values["owner-key"]);
  const client = new LedgerClient(await adminTransport(values));
  const { amount, to, voucher: file, sequence, folder, json = false } = values;
  try {
    return await action({ signer, client, amount, to, voucher: file, sequence, folder, json });
  } catch (cause) {
    throw cause instanceof BalanceError ? new RefusedError(cause.code, cause.message, { cause }) : cause;
  }
}

function shown(view: LedgerAccount, json: boolean): number {
  if (json) printJson({ ok: true, code: "ok", ...view });
  else
    process.stdout.write(
      `${view.account}\n  owner ${printable(view.owner)}\n  entry ${view.sequence}, balance's ciphertext ${view.balanceDigest}${view.frozen ? ", frozen" : ""}\n`,
    );
  return 0;
}

async function readBalance({ client, signer, json }: Parameters<Action>[0]): Promise<number> {
  const { amountAtomic, sequence, receiptId } = await client.read(signer);
  if (json) printJson({ ok: true, code: "ok", amountAtomic, sequence, receiptId });
  else process.stdout.write(`${amountAtomic} atomic units after entry ${sequence}\n`);
  return 0;
}
