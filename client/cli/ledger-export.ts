/** `affidavit ledger account export`: what `affidavit ledger audit` reads. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { blobsOf, parseEntries, parseOperand } from "../../balances/index.ts";
import { toHex, toHex0x } from "../../codec/index.ts";
import { printJson, UsageError } from "./command.ts";
import type { Action } from "./ledger-action.ts";
import { printable } from "./output.ts";

/** Page after page, until no more is covered by a checkpoint. */
export const exportAccount: Action = async ({ client, signer, folder, json }) => {
  if (!folder) throw new UsageError("give a --folder");
  await mkdir(join(folder, "blobs"), { recursive: true });
  await mkdir(join(folder, "keys"), { recursive: true });
  const keys = await client.describe();
  for (const { name } of keys.keys) await writeFile(join(folder, "keys", name), await client.key(keys, name));
  const all: unknown[] = [];
  for (;;) {
    const text = await client.entries(signer.account, BigInt(all.length));
    const page = parseEntries(text);
    if (page.length === 0) break;
    for (const { entry, operandText } of page)
      for (const digest of [entry.newDigest, ...blobsOf(parseOperand(operandText))])
        await writeFile(join(folder, "blobs", toHex(digest)), await client.blob(digest));
    all.push(...(JSON.parse(text) as { entries: unknown[] }).entries);
  }
  await writeFile(join(folder, "entries.json"), JSON.stringify({ formatVersion: 1, entries: all }));
  const made = { account: toHex0x(signer.account), entries: all.length, operator: keys.operator };
  if (json) printJson({ ok: true, code: "ok", ...made });
  else
    process.stdout.write(
      `${all.length} entries of ${made.account}; the operator is ${printable(made.operator)}\n`,
    );
  return 0;
};
