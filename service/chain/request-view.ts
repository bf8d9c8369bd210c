/** How a request stands, for whoever asked. All of it but the service's own reasons is on the chain. */
import { bytesToHex, keccak256 } from "viem";
import { equal, toHex } from "../../codec/index.ts";
import {
  findAnswer,
  findOpening,
  findRequest,
  listTransactions,
  type ChainPlace,
  type Database,
} from "../db/index.ts";
import { ServiceError } from "../problem.ts";
import type { ChainRequestView } from "../chain-services.ts";
import { STATUS, type Coordinator } from "./coordinator.ts";

interface Parts {
  database: Database;
  coordinator: Coordinator;
  place: ChainPlace;
}

const ON_CHAIN = ["none", "open", "delivered", "refunded"] as const;

/** @throws ServiceError `chain_request_not_found`; ChainError `chain_unreachable` */
export async function viewRequest(
  { database, coordinator, place }: Parts,
  requestId: Uint8Array,
): Promise<ChainRequestView> {
  const [row, onChain, answer, opening, transactions] = await Promise.all([
    findRequest(database, place, requestId),
    coordinator.request(bytesToHex(requestId)),
    findAnswer(database, requestId),
    findOpening(database, requestId),
    listTransactions(database, place.chainId),
  ]);
  if (!row && onChain.status === STATUS.none && !opening) throw new ServiceError("chain_request_not_found");
  const sent = transactions.findLast(({ subject }) => equal(subject, requestId));
  return {
    requestId: bytesToHex(requestId),
    onChain: ON_CHAIN[onChain.status] ?? "none",
    // Another operator's, or not deep enough in the chain yet.
    state: row?.state ?? "unseen",
    code: row?.code ?? null,
    opened: opening !== undefined,
    receiptId: answer ? toHex(answer.digest) : null,
    transaction: sent ? keccak256(sent.raw) : null,
    deadlineSeconds: onChain.status === STATUS.none ? null : onChain.deadlineSeconds,
  };
}
