/** What the operator signs: credits, vouchers, freezes. */
import { randomBytes } from "node:crypto";
import { toHex0x } from "../../codec/index.ts";
import { printJson, UsageError } from "./command.ts";
import { amountOf, ended, otherOf, type Action, type Asked } from "./ledger-action.ts";
import { paint } from "./output.ts";
import { replaceFile } from "./replace-file.ts";

/** How long a voucher may be deposited: a day, in milliseconds. */
const VOUCHER_VALIDITY_MS = 24 * 3600 * 1000;

const orderOf = (asked: Asked, amountAtomic: bigint) => ({
  account: otherOf(asked),
  amountAtomic,
  reference: new Uint8Array(randomBytes(32)),
});

export const credit: Action = (asked) => order(asked, "credit", amountOf(asked));
export const freeze: Action = (asked) => order(asked, "freeze", 0n);
export const unfreeze: Action = (asked) => order(asked, "unfreeze", 0n);

async function order(asked: Asked, operation: "credit" | "freeze" | "unfreeze", amountAtomic: bigint) {
  const members = orderOf(asked, amountAtomic);
  return ended(asked, members.account, await asked.client.order(asked.signer, operation, members));
}

export const voucher: Action = async (asked) => {
  const { client, signer, voucher: file, json } = asked;
  const members = orderOf(asked, amountOf(asked));
  if (!file) throw new UsageError("give a --voucher to write");
  const made = await client.sign(signer, "credit", members, VOUCHER_VALIDITY_MS);
  await replaceFile(file, `${JSON.stringify(made)}\n`, 0o600);
  if (json) printJson({ ok: true, code: "ok", reference: toHex0x(members.reference) });
  else process.stdout.write(`${paint("green", "✓ made")}  ${file}\n`);
  return 0;
};
