/** `affidavit ledger account export | check`: what `affidavit ledger audit` reads. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { blobsOf, parseEntries, parseOperand } from "../../balances/index.ts";
import { toHex, toHex0x } from "../../codec/index.ts";
import { printJson, UsageError } from "./command.ts";
import type { Action } from "./ledger-action.ts";
import { paint, printable } from "./output.ts";

export const check: Action = async ({ client, signer, sequence = "", json }) => {
  if (!/^[1-9][0-9]{0,17}$/.test(sequence)) throw new UsageError("--sequence takes an entry's number");
  const { consistent, receiptId } = await client.check(signer.account, BigInt(sequence));
  const code = consistent ? "ok" : "inconsistent";
  if (json) printJson({ ok: consistent, code, receiptId });
  else if (consistent) process.stdout.write(`${paint("green", "✓ adds up")}  ${printable(receiptId)}\n`);
  else process.stdout.write(`${paint("red", "✗ does not add up")}  ${printable(receiptId)}\n`);
  return consistent ? 0 : 1;
};

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
