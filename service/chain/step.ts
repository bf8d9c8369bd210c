/** What a watcher works with, and what it takes on. */
import type { Address, Hex } from "viem";
import type { ChainPlace, ChainRequestRow, StoredStatement } from "../db/index.ts";
import type { AnswerParts, Question } from "./answer.ts";
import type { Coordinator, KeptRequest } from "./coordinator.ts";
import { Declined } from "./declined.ts";
import type { Sender } from "./sender.ts";

const MAX_PUBLIC_INPUT_BYTES = 64 * 1024;

export interface WatcherParts extends AnswerParts {
  coordinator: Coordinator;
  place: ChainPlace;
  sender: Sender;
  /** Who is asked and paid: the chain key's account. */
  operator: Address;
  receiptVerifier: Address;
  /** Blocks that must lie above a block before it counts. */
  confirmations: number;
  pollMs: number;
  /** The least payment by token (lower-case; zero for ether), in its smallest unit; other tokens are not taken. */
  prices: ReadonlyMap<string, bigint>;
  maxCallbackGas: number;
  /** Wei that one vote on a panel may put at stake. */
  maxBondWei: bigint;
  nowMs: () => number;
  onEvent: (event: WatcherEvent) => void;
  /** What else is done with the chain key from time to time. */
  afterRound: () => Promise<void>;
}

/** What one step of a request's answer works on. */
export interface Step {
  row: ChainRequestRow;
  requestId: Hex;
  /** As the newest block has it. */
  request: KeptRequest;
  question: Question;
  /** The stored answer; made where there is none. */
  answer: () => Promise<StoredStatement>;
}

export type WatcherEvent =
  | { kind: "read"; head: bigint; block: bigint }
  | { kind: "seen"; count: number; block: bigint }
  | {
      kind: "sent";
      requestId: string;
      step: "deliver" | "stake" | "commit" | "reveal" | "release" | "conclude";
    }
  | { kind: "delivered" | "refunded"; requestId: string }
  | { kind: "declined"; requestId: string; code: string }
  | { kind: "retry"; requestId: string; error: unknown }
  | { kind: "reorganised"; block: bigint }
  | { kind: "failed"; error: unknown };

/**
 * @param voices among how many the payment is shared
 * @throws Declined where it is not worth it
 */
export function accept(
  { prices, maxCallbackGas }: WatcherParts,
  { question, request }: Step,
  voices: bigint,
): void {
  const price = prices.get(request.token.toLowerCase());
  if (price === undefined) throw new Declined("token_not_taken");
  if (request.payment / voices < price) throw new Declined("payment_too_low");
  if (request.callbackGas > maxCallbackGas) throw new Declined("callback_gas_too_high");
  if (question.publicInput.length > MAX_PUBLIC_INPUT_BYTES) throw new Declined("input_too_large");
}
