/**
 * Whether an entry's ciphertexts hold what its operation says. The vault believes no worker: it decrypts what went in and what
 * came out, and compares. So a bit that is opened is the true answer about an authenticated balance, whoever computed it.
 */
import {
  BalanceError,
  proofMetadata,
  requestOf,
  type BalanceKey,
  type Homomorphic,
  type LedgerEntry,
  type Operand,
} from "../../balances/index.ts";
import { equal, fromHex, sha256 } from "../../codec/index.ts";
import { VaultError } from "../error.ts";
import type { Allowance } from "./allowance-record.ts";
import type { LedgerEntryRequest } from "../wire/balances.ts";

export interface ValueReader {
  key: BalanceKey;
  /** For proofs of encryption, which few operations have. */
  evaluator(): Promise<Pick<Homomorphic, "verifyAndExpand">>;
}

/** Ciphertexts, and what a vault said of an allowance: of an entry that one vouches for, nothing more is asked. */
export type GivenValues = Omit<LedgerEntryRequest, "head" | "words" | "operand" | "source" | "allowance"> & {
  allowance: Allowance | "vouched" | undefined;
};

interface Movement {
  /** What is added, or is to be taken. */
  amount: bigint;
  debit: boolean;
}

/**
 * @returns whether a debit was covered; undefined for what takes nothing
 * @throws VaultError `ledger_values_invalid`; BalanceError of the ciphertexts
 */
export async function checkValues(
  reader: ValueReader,
  operand: Operand,
  given: GivenValues,
): Promise<boolean | undefined> {
  requireNamed(operand, given);
  const { operation } = operand;
  if (operation === "freeze" || operation === "unfreeze") return undefined;
  const after = await reader.key.decryptAmount(given.balance);
  if (operation === "open") return require(after === 0n);
  const before = await reader.key.decryptAmount(present(given.previous));
  const { amount, debit } = await movement(reader, operand, given);
  if (!debit) return require(after === before + amount);
  const covered = before >= amount;
  const taken = covered ? amount : 0n;
  require(after === before - taken);
  require((await reader.key.decryptBit(present(given.sufficient))) === covered);
  if (operation === "transferOut") require((await reader.key.decryptAmount(present(given.amount))) === taken);
  return covered;
}

/** The ciphertexts before and after are those that the entry names. @throws VaultError `ledger_values_invalid` */
export function requireBalances(
  { previousDigest, newDigest }: LedgerEntry,
  { previous, balance }: Pick<GivenValues, "previous" | "balance">,
): void {
  const before = previous ? sha256(previous) : new Uint8Array(32);
  require(equal(before, previousDigest) && equal(sha256(balance), newDigest));
}

async function movement(reader: ValueReader, operand: Operand, given: GivenValues): Promise<Movement> {
  switch (operand.operation) {
    case "credit":
      return { amount: BigInt(operand.amountAtomic), debit: false };
    case "debit":
      return { amount: requestOf(operand).request.amountAtomic, debit: true };
    case "deposit": {
      const amount = await provenAmount(reader, operand, given);
      require(amount === BigInt(operand.amountAtomic));
      return { amount, debit: false };
    }
    case "privateDebit":
    case "transferOut":
      return { amount: await provenAmount(reader, operand, given), debit: true };
    case "transferIn":
      return { amount: await reader.key.decryptAmount(present(given.amount)), debit: false };
    case "allowance":
    case "refund": {
      const amount = await reader.key.decryptAmount(present(given.amount));
      if (given.allowance !== "vouched") require(amount === given.allowance?.amount);
      return { amount, debit: operand.operation === "allowance" };
    }
    default:
      throw new VaultError("ledger_refused");
  }
}

async function provenAmount(
  { key, evaluator }: ValueReader,
  operand: Extract<Operand, { proven: string }>,
  { proven }: GivenValues,
): Promise<bigint> {
  const { request } = requestOf(operand);
  const expanded = await (await evaluator()).verifyAndExpand(present(proven), proofMetadata(request));
  return key.decryptAmount(expanded);
}

/** Each ciphertext is the one that the operand names, and there is none that it does not. */
export function requireNamed(operand: Operand, given: GivenValues): void {
  const named = (member: string) => Reflect.get(operand, member) as string | undefined;
  const pairs = [
    [named("proven"), given.proven],
    [named("sufficient"), given.sufficient],
    [named("amount") ?? named("taken"), given.amount],
  ] as const;
  for (const [name, bytes] of pairs) {
    require((name === undefined) === (bytes === null));
    if (name !== undefined && bytes !== null) require(equal(sha256(bytes), fromHex(name)));
  }
}

function present<T>(value: T | null): T {
  if (value === null) throw new VaultError("ledger_values_invalid");
  return value;
}

function require(holds: boolean): undefined {
  if (!holds) throw new VaultError("ledger_values_invalid");
}

/** A refusal of the ledger's rules, or of a ciphertext, as the vault says it. */
export function asVaultError(error: unknown): unknown {
  if (!(error instanceof BalanceError)) return error;
  const isFault = error.code === "computation_failed" || error.code === "busy";
  return new VaultError(isFault ? "internal" : "ledger_refused", { cause: error });
}
