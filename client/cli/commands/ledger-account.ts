/** `affidavit ledger keygen | account`: an account of encrypted balances, from its opening to an audit's folder. */
import { randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import {
  BalanceError,
  blobsOf,
  OPERATIONS,
  ownerToText,
  parseEntries,
  parseOperand,
  proofMetadata,
  proveAmountInNode,
  type OwnerSigner,
} from "../../../balances/index.ts";
import { fromHex, sha256, toHex, toHex0x } from "../../../codec/index.ts";
import { LedgerClient, type LedgerAccount, type LedgerOperation } from "../../ledger-client.ts";
import { ADMIN_FLAGS_HELP, adminFlags, adminTransport, noPositionals } from "../admin.ts";
import { flags, onlyPositional, printJson, RefusedError, UsageError, type Command } from "../command.ts";
import { paint, printable } from "../output.ts";
import { makeOwnerKey, readOwnerKey } from "../owner-key.ts";

const KEY_HELP = `  --owner-key FILE     the owner's key, as "ledger keygen" makes it
${ADMIN_FLAGS_HELP.replace("a key with the scope admin", "a key with the scope infer")}`;

const HELP = `
affidavit ledger account ACTION --owner-key FILE [flags]

An account whose balance is a ciphertext. What takes from it is signed here; the service cannot read it.

  create               opens the account of the owner's key
  show                 where it stands: sequence, digest of the balance, frozen or not
  balance              reads the balance: the vault opens it for the owner alone, and the log says that it did
  debit                takes a clear --amount, which everybody may see
  transfer             takes an encrypted --amount for the account --to; proving takes seconds
  credit               adds a clear --amount to the account --to: a voucher, which the operator's key signs (as --owner-key)
  export               writes entries, ciphertexts and keys to --folder, for "affidavit ledger audit"

  --amount N           atomic units
  --to ID              the other account: 0x and 64 hex digits
  --folder FOLDER      where to export to
${KEY_HELP}

Exits 1 where the service refuses, and where the balance does not cover what was to be taken.
`;

const KEYGEN_HELP = `
affidavit ledger keygen FILE [flags]

Makes an owner's key (mode 0600), and shows the owner and the account's id. Whoever has the file signs for the account.

  --scheme SCHEME      secp256k1 (the default: an Ethereum address) or ed25519
  --json               one line for machines
`;

export const ledgerKeygen: Command = {
  summary: "makes the key of an account",
  help: KEYGEN_HELP,
  run: keygen,
};
export const ledgerAccount: Command = {
  summary: "opens, reads and spends an encrypted balance",
  help: HELP,
  run,
};

async function keygen(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, { scheme: { type: "string" }, json: { type: "boolean" } });
  const file = onlyPositional(positionals, "file");
  const { owner, account } = await makeOwnerKey(file, values.scheme ?? "secp256k1");
  const made = { owner: ownerToText(owner), account: toHex0x(account) };
  if (values.json) printJson({ ok: true, code: "ok", ...made });
  else process.stdout.write(`${paint("green", "✓ made")}  ${made.owner}\naccount ${made.account}\n`);
  return 0;
}

interface Asked {
  signer: OwnerSigner;
  client: LedgerClient;
  amount: string | undefined;
  to: string | undefined;
  folder: string | undefined;
  json: boolean;
}

const ACTIONS: Record<string, (asked: Asked) => Promise<number>> = {
  create: async ({ client, signer, json }) => shown(await client.open(signer.owner), json),
  show: async ({ client, signer, json }) => shown(await client.account(signer.account), json),
  balance: readBalance,
  debit,
  transfer,
  credit,
  export: exportAccount,
};

async function run(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, {
    "owner-key": { type: "string" },
    amount: { type: "string" },
    to: { type: "string" },
    folder: { type: "string" },
    ...adminFlags,
  });
  const [name = "", ...rest] = positionals;
  noPositionals(rest);
  const action = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
  if (!action) throw new UsageError(`the actions are ${Object.keys(ACTIONS).join(", ")}`);
  if (!values["owner-key"]) throw new UsageError("give an --owner-key");
  const signer = await readOwnerKey(values["owner-key"]);
  const client = new LedgerClient(await adminTransport(values));
  const { amount, to, folder, json = false } = values;
  try {
    return await action({ signer, client, amount, to, folder, json });
  } catch (cause) {
    throw cause instanceof BalanceError ? new RefusedError(cause.code, cause.message, { cause }) : cause;
  }
}

function amountOf({ amount = "" }: Asked): bigint {
  if (!/^[1-9][0-9]{0,18}$/.test(amount))
    throw new UsageError("--amount takes a whole number of atomic units");
  return BigInt(amount);
}

function otherOf({ to = "" }: Asked): Uint8Array {
  if (!/^0x[0-9a-f]{64}$/.test(to)) throw new UsageError("--to takes an account's id: 0x and 64 hex digits");
  return fromHex(to);
}

function shown(view: LedgerAccount, json: boolean): number {
  if (json) printJson({ ok: true, code: "ok", ...view });
  else
    process.stdout.write(
      `${view.account}\n  owner ${printable(view.owner)}\n  entry ${view.sequence}, balance's ciphertext ${view.balanceDigest}${view.frozen ? ", frozen" : ""}\n`,
    );
  return 0;
}

async function readBalance({ client, signer, json }: Asked): Promise<number> {
  const { amountAtomic, sequence, receiptId } = await client.read(signer);
  if (json) printJson({ ok: true, code: "ok", amountAtomic, sequence, receiptId });
  else process.stdout.write(`${amountAtomic} atomic units after entry ${sequence}\n`);
  return 0;
}

/** What the next request of the owner names. */
async function nextOf({ client, signer }: Asked) {
  const keys = await client.describe();
  const { requestSequence } = await client.account(signer.account);
  return {
    keys,
    members: {
      requestSequence: BigInt(requestSequence) + 1n,
      serverKeyDigest: fromHex(keys.serverKeyDigest),
    },
  };
}

async function debit(asked: Asked): Promise<number> {
  const amountAtomic = amountOf(asked);
  const { members } = await nextOf(asked);
  const operation = await asked.client.request(asked.signer, "debit", { ...members, amountAtomic });
  return ended(asked, asked.signer.account, operation);
}

async function transfer(asked: Asked): Promise<number> {
  const { client, signer } = asked;
  const [amountAtomic, subject] = [amountOf(asked), otherOf(asked)];
  const { keys, members } = await nextOf(asked);
  const bound = { account: signer.account, operation: OPERATIONS.transferOut, ...members };
  const amount = {
    publicKey: await client.key(keys, "public-key"),
    crs: await client.key(keys, "crs"),
    amountAtomic,
    metadata: proofMetadata(bound),
  };
  const proven = await proveAmountInNode(amount, {
    cacheDirectory: cacheDirectory(),
    onStage: (stage, by) => void process.stderr.write(`${stage} (${by})\n`),
  });
  const signed = { ...members, operandDigest: sha256(proven), subject };
  const operation = await client.request(signer, "transferOut", signed, proven);
  return ended(asked, signer.account, operation);
}

async function credit(asked: Asked): Promise<number> {
  const account = otherOf(asked);
  const voucher = { account, amountAtomic: amountOf(asked), reference: new Uint8Array(randomBytes(32)) };
  return ended(asked, account, await asked.client.credit(asked.signer, voucher));
}

async function ended({ client, json }: Asked, account: Uint8Array, asked: LedgerOperation): Promise<number> {
  if (!json) process.stderr.write(`waiting for ${asked.id}\n`);
  const operation = await client.settled(account, asked);
  const ok = operation.state === "done" && operation.sufficient !== false;
  const code = ok ? "ok" : (operation.code ?? "insufficient");
  if (json) printJson({ ...operation, ok, code });
  else if (ok) process.stdout.write(`${paint("green", "✓ done")}  entry ${operation.sequence}\n`);
  else process.stdout.write(`${paint("red", "✗ refused")}  ${printable(code)}\n`);
  return ok ? 0 : 1;
}

/** Page after page, until no more is covered by a checkpoint. */
async function exportAccount({ client, signer, folder, json }: Asked): Promise<number> {
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
}

function cacheDirectory(): string {
  return join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "affidavit");
}
