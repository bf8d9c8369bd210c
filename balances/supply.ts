/**
 * No money twice: every clear credit has a reference of its own, every transfer arrives once and where it was sent, every
 * allowance is refunded once, and what was ever issued stays so small that no balance can wrap. Browser-safe.
 */
import { fromHex, toHex0x } from "../codec/index.ts";
import type { LedgerEntry } from "./account.ts";
import { BalanceError } from "./error.ts";
import { orderOf, requestOf, type Operand } from "./operand.ts";

/** All credits and deposits together, so that sums stay below 2^64 whatever is encrypted: 2^63 - 1. */
export const MAX_SUPPLY_ATOMIC = 2n ** 63n - 1n;

/**
 * @returns what is issued after one more credit
 * @throws BalanceError `supply_overflow`
 */
export function issue(issuedAtomic: bigint, amountAtomic: bigint): bigint {
  const sum = issuedAtomic + amountAtomic;
  if (sum > MAX_SUPPLY_ATOMIC)
    throw new BalanceError("supply_overflow", "more would be issued than a balance can hold");
  return sum;
}

const place = (account: Uint8Array, sequence: bigint | string): string => `${toHex0x(account)}:${sequence}`;

/** Follows the entries of all accounts, in an order in which a transfer leaves before it arrives. */
export class Supply {
  #issuedAtomic = 0n;
  readonly #references = new Set<string>();
  readonly #sent = new Map<string, { to: string; taken: string }>();
  readonly #received = new Set<string>();
  readonly #allowances = new Set<string>();
  readonly #refunded = new Set<string>();

  /** What was ever credited or deposited. */
  get issuedAtomic(): bigint {
    return this.#issuedAtomic;
  }

  /** Transfers that left and have not arrived. */
  get underWay(): number {
    return this.#sent.size - this.#received.size;
  }

  /**
   * Takes an entry that `advance` found in order; a refusal changes nothing.
   * @throws BalanceError `reference_used`, `supply_overflow`, `transfer_unknown`, `transfer_received`, `refund_unknown`,
   * `refund_duplicate`
   */
  admit(entry: LedgerEntry, operand: Operand): void {
    const here = place(entry.account, entry.sequence);
    switch (operand.operation) {
      case "credit":
        return this.#issue(operand.reference, BigInt(operand.amountAtomic));
      case "deposit":
        return this.#issue(toHex0x(requestOf(operand).request.subject), BigInt(operand.amountAtomic));
      case "freeze":
      case "unfreeze":
        return this.#issue(toHex0x(orderOf(operand.order).reference), 0n);
      case "transferOut":
        this.#sent.set(here, { to: toHex0x(requestOf(operand).request.subject), taken: operand.taken });
        return;
      case "transferIn":
        return this.#receive(entry, operand.taken, place(fromHex(operand.from), operand.sequence));
      case "allowance":
        this.#allowances.add(here);
        return;
      case "refund":
        return this.#refund(place(entry.account, operand.sequence));
      default:
    }
  }

  #issue(reference: string, amountAtomic: bigint): void {
    if (this.#references.has(reference)) throw new BalanceError("reference_used", "the reference was used");
    this.#issuedAtomic = issue(this.#issuedAtomic, amountAtomic);
    this.#references.add(reference);
  }

  #receive(entry: LedgerEntry, taken: string, source: string): void {
    const sent = this.#sent.get(source);
    if (!sent || sent.to !== toHex0x(entry.account) || sent.taken !== taken)
      throw new BalanceError("transfer_unknown", "no such transfer to this account");
    if (this.#received.has(source)) throw new BalanceError("transfer_received", "the transfer has arrived");
    this.#received.add(source);
  }

  #refund(allowance: string): void {
    if (!this.#allowances.has(allowance))
      throw new BalanceError("refund_unknown", "no such allowance on this account");
    if (this.#refunded.has(allowance))
      throw new BalanceError("refund_duplicate", "the allowance was refunded");
    this.#refunded.add(allowance);
  }
}

/** What an entry uses up, so that it can be kept unique: a reference, an arrival, a refund. Undefined where it uses nothing. */
export function usedUpBy({ account }: Pick<LedgerEntry, "account">, operand: Operand): string | undefined {
  switch (operand.operation) {
    case "credit":
      return `reference:${operand.reference}`;
    case "deposit":
      return `reference:${toHex0x(requestOf(operand).request.subject)}`;
    case "freeze":
    case "unfreeze":
      return `reference:${toHex0x(orderOf(operand.order).reference)}`;
    case "transferIn":
      return `transfer:${place(fromHex(operand.from), operand.sequence)}`;
    case "refund":
      return `refund:${place(account, operand.sequence)}`;
    default:
      return undefined;
  }
}

/** What an entry adds to all that was ever issued, in atomic units. */
export function issuedBy(operand: Operand): bigint {
  return operand.operation === "credit" || operand.operation === "deposit"
    ? BigInt(operand.amountAtomic)
    : 0n;
}
