/** The layouts of what the vault does for allowances: price lists, admission, spending's beginning and end, restores. */
import type { LedgerRequest } from "../../balances/client.ts";
import { LEAF_BYTES } from "../../receipts/index.ts";
import { ledgerRequest, MAX_ALLOWANCE_BYTES, MAX_CIPHERTEXT_BYTES, MAX_HEAD_BYTES } from "./balances.ts";
import type { SignedWords } from "./operations.ts";
import { block, bytes, flag, list, nullable, record, text, u64, type Shape } from "./shape.ts";

/** Of the record that comes with each statement: it has 68, and what a database made of it is read too. */
export const MAX_SPENT_BYTES = 128;
const MAX_PRICE_LIST_BYTES = 512 * 1024;
const MAX_NOTE_BYTES = 16 * 1024;
const MAX_TERMS_BYTES = 256;
/** Allowances that one restore is about. */
export const MAX_RESTORED = 64;
/** Leaves of one step of a restore. */
export const MAX_WALKED = 512;

/** What an owner signed and sealed. */
export interface AllowanceAsked {
  /** The account's, as a vault last said it. */
  head: Uint8Array;
  request: LedgerRequest;
  signature: Uint8Array;
  /** HPKE message: docs/spec/balances.md. */
  terms: Uint8Array;
}

export interface WalkedLeaf {
  /** Leaf data: 131 bytes. */
  leaf: Uint8Array;
  /** What is stored beside its statement; null for nothing. */
  record: Uint8Array | null;
}

export interface RestoreRequest {
  /** Of a restore under way; 0 where it begins. */
  number: bigint;
  begin: {
    /** All of one vault. */
    allowances: readonly Uint8Array[];
    /** The checkpoint up to which is walked. */
    note: string;
  } | null;
  /** Those that come next, from leaf 0 on. */
  leaves: readonly WalkedLeaf[];
  finish: boolean;
}

/** What the service must know of an admitted allowance: not what it holds. */
export interface AdmittedAllowance {
  sealed: Uint8Array;
  expiresAtMs: bigint;
  /** SHA-256 of the price list: 32 bytes. */
  priceList: Uint8Array;
}

const sealed = record<{ sealed: Uint8Array }>({ sealed: block(MAX_ALLOWANCE_BYTES) });

/** @param signed the layout of a signed statement */
export function allowanceOperations(signed: Shape<SignedWords>) {
  return {
    installPriceList: [record<{ document: string }>({ document: text(MAX_PRICE_LIST_BYTES) }), signed],
    admitAllowance: [
      record<AllowanceAsked>({
        head: block(MAX_HEAD_BYTES),
        request: ledgerRequest,
        signature: block(65),
        terms: block(MAX_TERMS_BYTES),
      }),
      record<AdmittedAllowance>({
        sealed: block(MAX_ALLOWANCE_BYTES),
        expiresAtMs: u64,
        priceList: bytes(32),
      }),
    ],
    encryptAllowance: [sealed, record<{ amount: Uint8Array }>({ amount: block(MAX_CIPHERTEXT_BYTES) })],
    activateAllowance: [sealed, record<object>({})],
    closeAllowance: [sealed, sealed],
    restoreAllowances: [
      record<RestoreRequest>({
        number: u64,
        begin: nullable(
          record<NonNullable<RestoreRequest["begin"]>>({
            allowances: list(block(MAX_ALLOWANCE_BYTES), MAX_RESTORED),
            note: text(MAX_NOTE_BYTES),
          }),
        ),
        leaves: list(
          record<WalkedLeaf>({ leaf: bytes(LEAF_BYTES), record: nullable(block(MAX_SPENT_BYTES)) }),
          MAX_WALKED,
        ),
        finish: flag,
      }),
      record<{ number: bigint; closed: readonly Uint8Array[] }>({
        number: u64,
        closed: list(block(MAX_ALLOWANCE_BYTES), MAX_RESTORED),
      }),
    ],
  } as const;
}
