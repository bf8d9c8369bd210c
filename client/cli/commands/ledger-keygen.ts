/** `affidavit ledger keygen`: makes the key that signs for an account. */
import { ownerToText } from "../../../balances/index.ts";
import { toHex0x } from "../../../codec/index.ts";
import { flags, onlyPositional, printJson, type Command } from "../command.ts";
import { paint } from "../output.ts";
import { makeOwnerKey } from "../owner-key.ts";

const HELP = `
affidavit ledger keygen FILE [flags]

Makes an owner's key (mode 0600), and shows the owner and the account's id. Whoever has the file signs for the account.

  --scheme SCHEME      secp256k1 (the default: an Ethereum address) or ed25519
  --json               one line for machines
`;

export const ledgerKeygen: Command = { summary: "makes the key of an account", help: HELP, run };

async function run(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, { scheme: { type: "string" }, json: { type: "boolean" } });
  const file = onlyPositional(positionals, "file");
  const { owner, account } = await makeOwnerKey(file, values.scheme ?? "secp256k1");
  const made = { owner: ownerToText(owner), account: toHex0x(account) };
  if (values.json) printJson({ ok: true, code: "ok", ...made });
  else process.stdout.write(`${paint("green", "✓ made")}  ${made.owner}\naccount ${made.account}\n`);
  return 0;
}
