/** What an owner signs: debits, transfers, deposits; encrypted amounts with their proof. */
import {
  OPERATIONS,
  orderOf,
  proofMetadata,
  proveAmountInNode,
  type LedgerOrder,
} from "../../balances/index.ts";
import { sha256 } from "../../codec/index.ts";
import type { LedgerOperation, Voucher } from "../ledger-client.ts";
import { UsageError } from "./command.ts";
import { readJson } from "./json-file.ts";
import {
  amountOf,
  cacheDirectory,
  ended,
  nextOf,
  otherOf,
  type Action,
  type Asked,
} from "./ledger-action.ts";

const MAX_VOUCHER_BYTES = 4096;

export const debit: Action = async (asked) => {
  const amountAtomic = amountOf(asked);
  const { members } = await nextOf(asked);
  const operation = await asked.client.request(asked.signer, "debit", { ...members, amountAtomic });
  return ended(asked, asked.signer.account, operation);
};

export const privateDebit: Action = async (asked) =>
  ended(asked, asked.signer.account, await encrypted(asked, "privateDebit", amountOf(asked)));

export const transfer: Action = async (asked) => {
  const [amountAtomic, subject] = [amountOf(asked), otherOf(asked)];
  return ended(asked, asked.signer.account, await encrypted(asked, "transferOut", amountAtomic, { subject }));
};

export const deposit: Action = async (asked) => {
  const { voucher, order } = await readVoucher(asked.voucher);
  const { amountAtomic, reference: subject } = order;
  const operation = await encrypted(asked, "deposit", amountAtomic, { subject, voucher });
  return ended(asked, asked.signer.account, operation);
};

async function encrypted(
  { client, signer, ...asked }: Asked,
  operation: "privateDebit" | "transferOut" | "deposit",
  amountAtomic: bigint,
  { subject, voucher }: { subject?: Uint8Array; voucher?: Voucher } = {},
): Promise<LedgerOperation> {
  const { keys, members } = await nextOf({ client, signer });
  const bound = { account: signer.account, operation: OPERATIONS[operation], ...members };
  const amount = {
    publicKey: await client.key(keys, "public-key"),
    crs: await client.key(keys, "crs"),
    amountAtomic,
    metadata: proofMetadata(bound),
  };
  const proven = await proveAmountInNode(amount, {
    cacheDirectory: cacheDirectory(),
    onStage: (stage, by) => void (asked.json || process.stderr.write(`${stage} (${by})\n`)),
  });
  const signed = { ...members, operandDigest: sha256(proven), ...(subject && { subject }) };
  return client.request(signer, operation, signed, { proven, ...(voucher && { voucher }) });
}

/** Whether it holds, the service says. */
async function readVoucher(file: string | undefined): Promise<{ voucher: Voucher; order: LedgerOrder }> {
  if (!file) throw new UsageError("give the operator's --voucher");
  const voucher = (await readJson(file, MAX_VOUCHER_BYTES)) as Voucher | null;
  const isVoucher = typeof voucher?.order === "object" && typeof voucher.signature === "string";
  if (!isVoucher) throw new UsageError(`${file} is no voucher that "ledger account voucher" made`);
  const { order, signature } = voucher;
  return { voucher: { order, signature }, order: orderOf(order) };
}
