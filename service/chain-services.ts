/** What the HTTP side is handed of the chain. */

/** What a contract must know to ask this service. */
export interface ChainView {
  chainId: number;
  coordinator: string;
  receiptVerifier: string;
  /** Whom requests name as their operator, and who needs ether for the gas of deliveries. */
  operator: string;
  confirmations: number;
  maxCallbackGas: number;
  /** Wei: the highest bond of a panel that is voted on. */
  maxBond: string;
  /** Least payments, in the token's smallest unit. */
  prices: { token: string; amount: string }[];
}

/** The opening of an input that a request only commits to, with what else gives the request's id. */
export interface ChainOpening {
  /** 20 bytes. */
  requester: Uint8Array;
  nonce: bigint;
  /** 32 bytes each. */
  modelId: Uint8Array;
  policyDigest: Uint8Array;
  circuitInput: Uint8Array;
  salt: Uint8Array;
  /** Canonical tensors. */
  input: Uint8Array;
}

export interface ChainRequestView {
  requestId: string;
  /** What the newest block says. */
  onChain: "none" | "open" | "delivered" | "refunded";
  /** What this service makes of it, from blocks that are deep enough. */
  state: "unseen" | "open" | "delivered" | "refunded" | "declined";
  /** What it waits for, why it was declined, or why the last try failed. */
  code: string | null;
  /** Whether an opening is kept; it is erased with the request's end. */
  opened: boolean;
  /** The answer's statement digest in hex, once it is signed and logged. */
  receiptId: string | null;
  /** The newest transaction about it that is not deep enough yet. */
  transaction: string | null;
  /** Unix time. */
  deadlineSeconds: number | null;
}

export interface AnsweredChain {
  view: ChainView;
  /** @throws ServiceError `opening_mismatch`, `opening_limit`, `chain_request_ended`; ModelError, ReceiptError for the input */
  open(requestId: Uint8Array, opening: ChainOpening): Promise<{ asked: boolean }>;
  /** @throws ServiceError `chain_request_not_found` */
  request(requestId: Uint8Array): Promise<ChainRequestView>;
}

/** With the policies of docs/spec/receipt.md by which requests may be answered: digests in hex. */
export interface AnsweredContracts extends AnsweredChain {
  view: ChainView & { policies: { tee: string; reexecution: string } };
}
