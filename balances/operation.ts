/** What can happen to a balance, by the number that `LedgerEntry.operation` and requests carry. */
export const OPERATIONS = {
  /** The account begins, at an encrypted zero. */
  open: 1,
  /** A clear amount is added. */
  credit: 2,
  /** An encrypted amount is added that the vault opened and found equal to a payment. */
  deposit: 3,
  /** A clear price is taken where the balance covers it. */
  debit: 4,
  /** An encrypted amount is taken where the balance covers it. */
  privateDebit: 5,
  /** As `privateDebit`; what was taken goes to another account. */
  transferOut: 6,
  /** What a `transferOut` of another account took is added. */
  transferIn: 7,
  /** An amount that the vault encrypted is taken where the balance covers it, to be spent in clear by one vault. */
  allowance: 8,
  /** What an allowance left, encrypted by the vault, is added. */
  refund: 9,
  /** The balance stays; debits are refused from here on. */
  freeze: 10,
  unfreeze: 11,
  /** The owner reads the balance: a request, never an entry. */
  reading: 64,
  /** The owner ends an allowance early: a request, never an entry. */
  close: 66,
} as const;

export type OperationName = keyof typeof OPERATIONS;
/** What makes a ledger entry. */
export type EntryName = Exclude<OperationName, "reading" | "close">;

/** What an owner asks for. */
export const REQUESTED = [
  "deposit",
  "debit",
  "privateDebit",
  "transferOut",
  "allowance",
  "reading",
  "close",
] as const;
export type RequestedName = (typeof REQUESTED)[number];

/** Takes from the balance, so that it has a `sufficient` bit and a frozen account refuses it. */
export const DEBITS: ReadonlySet<OperationName> = new Set([
  "debit",
  "privateDebit",
  "transferOut",
  "allowance",
]);

/** @returns the name of an entry's operation, or undefined */
export function entryName(operation: number): EntryName | undefined {
  const found = Object.entries(OPERATIONS).find(([, number]) => number === operation);
  return operation < OPERATIONS.reading ? (found?.[0] as EntryName | undefined) : undefined;
}
