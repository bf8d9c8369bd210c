/** The layouts of what the vault does for encrypted balances. Ciphertexts are bounded before they are parsed. */
import type { LedgerRequest } from "../../balances/client.ts";
import type { SignedWords } from "./operations.ts";
import { block, bytes, flag, nullable, record, text, u64, u8, type Shape } from "./shape.ts";

/** Of a balance or an encrypted amount, in bytes. */
export const MAX_CIPHERTEXT_BYTES = 640 * 1024;
const MAX_BIT_BYTES = 20 * 1024;
const MAX_PROVEN_BYTES = 64 * 1024;
const MAX_OPERAND_BYTES = 16 * 1024;
/** Of what a vault says of an allowance, sealed. */
export const MAX_ALLOWANCE_BYTES = 256;
/** MAC, then the account's state. */
export const MAX_HEAD_BYTES = 256;
/** Of a public key that is read piece by piece. */
export const MAX_KEY_PART_BYTES = 1024 * 1024;

export interface KeyPart {
  /** Of the whole key, in bytes. */
  totalBytes: bigint;
  bytes: Uint8Array;
}

/** An entry that a vault of this cluster signed, as it says so itself. */
export interface VouchedEntry {
  words: Uint8Array;
  operand: string;
  /** 32 bytes. */
  mac: Uint8Array;
}

/** An entry that is to be signed, with every ciphertext that it names. */
export interface LedgerEntryRequest {
  /** What the vault said last of the account; null before its first entry. */
  head: Uint8Array | null;
  /** ABI words of the `LedgerEntry`. */
  words: Uint8Array;
  /** Canonical JSON: docs/spec/balances.md. */
  operand: string;
  /** Ciphertext of the balance before; null in a first entry. */
  previous: Uint8Array | null;
  balance: Uint8Array;
  proven: Uint8Array | null;
  /** What was taken, or the amount that the vault encrypted. */
  amount: Uint8Array | null;
  sufficient: Uint8Array | null;
  /** The transfer that arrives; null for everything else. */
  source: VouchedEntry | null;
  /** What a vault said of the allowance that is debited or refunded; null for everything else. */
  allowance: Uint8Array | null;
}

export interface SignedLedgerEntry {
  entry: SignedWords;
  /** The account's next head. */
  head: Uint8Array;
  /** Shows the entry to a vault of this cluster, as a {@link VouchedEntry}: 32 bytes. */
  mac: Uint8Array;
  /** The `Opening` of the sufficient bit, and the bit; null where the operation has none. */
  opening: SignedWords | null;
  sufficient: boolean | null;
  /** A debited allowance, to be spent by the vault of its terms; null where none was covered. */
  allowance: Uint8Array | null;
}

/** An entry that a vault signed, with every ciphertext that it names. */
export interface LedgerCheckRequest extends Pick<
  LedgerEntryRequest,
  "previous" | "balance" | "proven" | "amount" | "sufficient"
> {
  entry: VouchedEntry;
}

/** An owner's signed wish to read the balance. */
export interface ReadingRequest {
  head: Uint8Array;
  balance: Uint8Array;
  request: LedgerRequest;
  signature: Uint8Array;
  /** X25519: 32 bytes. */
  publicKey: Uint8Array;
}

const bytes32 = bytes(32);

export const ledgerRequest = record<LedgerRequest>({
  account: bytes32,
  requestSequence: u64,
  operation: u8,
  amountAtomic: u64,
  operandDigest: bytes32,
  subject: bytes32,
  serverKeyDigest: bytes32,
  expiresAtMs: u64,
});

const vouchedEntry = record<VouchedEntry>({
  words: block(1024),
  operand: text(MAX_OPERAND_BYTES),
  mac: bytes32,
});

/** @param signed the layout of a signed statement */
export function balanceOperations(signed: Shape<SignedWords>) {
  return {
    readFheKey: [
      record<{ index: number; offset: bigint }>({ index: u8, offset: u64 }),
      record<KeyPart>({ totalBytes: u64, bytes: block(MAX_KEY_PART_BYTES) }),
    ],
    encryptZero: [record<object>({}), record<{ zero: Uint8Array }>({ zero: block(MAX_CIPHERTEXT_BYTES) })],
    signLedgerEntry: [
      record<LedgerEntryRequest>({
        head: nullable(block(MAX_HEAD_BYTES)),
        words: block(1024),
        operand: text(MAX_OPERAND_BYTES),
        previous: nullable(block(MAX_CIPHERTEXT_BYTES)),
        balance: block(MAX_CIPHERTEXT_BYTES),
        proven: nullable(block(MAX_PROVEN_BYTES)),
        amount: nullable(block(MAX_CIPHERTEXT_BYTES)),
        sufficient: nullable(block(MAX_BIT_BYTES)),
        source: nullable(vouchedEntry),
        allowance: nullable(block(MAX_ALLOWANCE_BYTES)),
      }),
      record<SignedLedgerEntry>({
        entry: signed,
        head: block(MAX_HEAD_BYTES),
        mac: bytes32,
        opening: nullable(signed),
        sufficient: nullable(flag),
        allowance: nullable(block(MAX_ALLOWANCE_BYTES)),
      }),
    ],
    checkLedgerEntry: [
      record<LedgerCheckRequest>({
        entry: vouchedEntry,
        previous: nullable(block(MAX_CIPHERTEXT_BYTES)),
        balance: block(MAX_CIPHERTEXT_BYTES),
        proven: nullable(block(MAX_PROVEN_BYTES)),
        amount: nullable(block(MAX_CIPHERTEXT_BYTES)),
        sufficient: nullable(block(MAX_BIT_BYTES)),
      }),
      signed,
    ],
    readBalance: [
      record<ReadingRequest>({
        head: block(MAX_HEAD_BYTES),
        balance: block(MAX_CIPHERTEXT_BYTES),
        request: ledgerRequest,
        signature: block(65),
        publicKey: bytes32,
      }),
      record<{ reading: Uint8Array; opening: SignedWords }>({ reading: bytes(64), opening: signed }),
    ],
  } as const;
}
