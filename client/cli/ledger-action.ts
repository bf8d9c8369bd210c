/** What the actions of `affidavit ledger account` share. */
import { homedir } from "node:os";
import { join } from "node:path";
import type { OwnerSigner } from "../../balances/index.ts";
import { fromHex } from "../../codec/index.ts";
import type { LedgerClient, LedgerOperation } from "../ledger-client.ts";
import { printJson, UsageError } from "./command.ts";
import { paint, printable } from "./output.ts";

/** An action's flags, read as far as every action has them. */
export interface Asked {
  signer: OwnerSigner;
  client: LedgerClient;
  amount: string | undefined;
  to: string | undefined;
  folder: string | undefined;
  voucher: string | undefined;
  sequence: string | undefined;
  json: boolean;
}

export type Action = (asked: Asked) => Promise<number>;

/** @throws UsageError */
export function amountOf({ amount = "" }: Pick<Asked, "amount">): bigint {
  if (!/^[1-9][0-9]{0,18}$/.test(amount))
    throw new UsageError("--amount takes a whole number of atomic units");
  return BigInt(amount);
}

/** @throws UsageError */
export function otherOf({ to = "" }: Pick<Asked, "to">): Uint8Array {
  if (!/^0x[0-9a-f]{64}$/.test(to)) throw new UsageError("--to takes an account's id: 0x and 64 hex digits");
  return fromHex(to);
}

/** What the next request of the owner names. */
export async function nextOf({ client, signer }: Pick<Asked, "client" | "signer">) {
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

/** Waits for the operation's end and tells it. @returns the exit status */
export async function ended(
  { client, json }: Pick<Asked, "client" | "json">,
  account: Uint8Array,
  asked: LedgerOperation,
): Promise<number> {
  if (!json) process.stderr.write(`waiting for ${asked.id}\n`);
  const operation = await client.settled(account, asked);
  const ok = operation.state === "done" && operation.sufficient !== false;
  const code = ok ? "ok" : (operation.code ?? "insufficient");
  if (json) printJson({ ...operation, ok, code });
  else if (ok) process.stdout.write(`${paint("green", "✓ done")}  entry ${operation.sequence}\n`);
  else process.stdout.write(`${paint("red", "✗ refused")}  ${printable(code)}\n`);
  return ok ? 0 : 1;
}

export function cacheDirectory(): string {
  return join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "affidavit");
}
