/** The layouts of what the vault does for chains. */
import type { ChainRequest } from "../../receipts/index.ts";
import { block, bytes, record, u64, type Shape } from "./shape.ts";

/** An EIP-1559 transaction without an access list. */
export interface UnsignedTransaction {
  chainId: bigint;
  nonce: bigint;
  /** Wei. */
  maxPriorityFeePerGas: bigint;
  /** Wei. */
  maxFeePerGas: bigint;
  gasLimit: bigint;
  /** 20 bytes. */
  to: Uint8Array;
  /** Wei. */
  value: bigint;
  data: Uint8Array;
}

export interface SignedTransaction {
  /** EIP-2718: 0x02 ‖ RLP. */
  raw: Uint8Array;
  /** keccak256 of `raw`: 32 bytes. */
  hash: Uint8Array;
}

/** The longest data of a transaction, in bytes. */
export const MAX_CALL_BYTES = 128 * 1024;

export const unsignedTransaction: Shape<UnsignedTransaction> = record<UnsignedTransaction>({
  chainId: u64,
  nonce: u64,
  maxPriorityFeePerGas: u64,
  maxFeePerGas: u64,
  gasLimit: u64,
  to: bytes(20),
  value: u64,
  data: block(MAX_CALL_BYTES),
});

export const signedTransaction: Shape<SignedTransaction> = record<SignedTransaction>({
  raw: block(MAX_CALL_BYTES + 1024),
  hash: bytes(32),
});

/** An answer to a contract's request: an `InferenceStatement` whose `requestId`, `audience` and `settlement` the vault computes. */
export interface ChainAnswer extends ChainRequest {
  /** The statement's words, with zeros for what the vault fills in. */
  words: Uint8Array;
}

export const chainAnswer: Shape<ChainAnswer> = record<ChainAnswer>({
  chainId: u64,
  coordinator: bytes(20),
  requester: bytes(20),
  nonce: u64,
  words: block(1024),
});

export const chainAccount: Shape<{ address: Uint8Array }> = record<{ address: Uint8Array }>({
  address: bytes(20),
});
