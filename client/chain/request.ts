/** Requests to a coordinator, and how they ended. */
import {
  bytesToHex,
  decodeFunctionData,
  hexToBytes,
  parseEventLogs,
  zeroAddress,
  type Address,
  type Hex,
  type PublicClient,
} from "viem";
import { chainRequestId, inputCommitment } from "../../receipts/index.ts";
import { inferenceCoordinatorAbi } from "./contracts/inference-coordinator.ts";
import { ChainError } from "./error.ts";
import type { ChainOpening } from "./opening.ts";
import type { ContractReceipt } from "./receipt.ts";
import { onChain } from "./reverts.ts";
import { send, type ChainWriter, type Sent } from "./send.ts";

/** What is asked of one operator, for the account that asks. */
export interface Ask {
  /** 32 bytes each. */
  modelId: Uint8Array;
  policyDigest: Uint8Array;
  /** Canonical tensors, which everyone sees; or `commitment` to them, 32 bytes, which the service is told how to open. */
  publicInput?: Uint8Array;
  commitment?: Uint8Array;
  operator: Address;
  /** Wei. */
  payment: bigint;
  /** Unix time after which the payment can be fetched back. */
  deadlineSeconds: number;
  /** Bits of what must be delivered: 1 proof and 2 re-execution, on an enclave's word; 4 proof, verified by the chain. */
  assurance: number;
  /** `circuitInput` of a proof: `commitInput` under the input's salt, which of a public one is all zeros, 32 bytes; undefined where none is asked for. */
  circuitInput?: Uint8Array | undefined;
}

const NONE: Hex = `0x${"00".repeat(32)}`;
/** As in RequestBook.sol. */
const STATUSES = ["none", "open", "delivered", "refunded"] as const;
export type RequestStatus = (typeof STATUSES)[number];

/**
 * Asks without a callback: the answer is pulled.
 * @throws ChainError `contract_reverted`, `funds_insufficient`, `chain_unreachable`
 */
export async function requestInference(
  writer: ChainWriter,
  coordinator: Address,
  ask: Ask,
): Promise<{ requestId: Hex; nonce: bigint; sent: Sent }> {
  const terms = {
    modelId: bytesToHex(ask.modelId),
    policyDigest: bytesToHex(ask.policyDigest),
    circuitInput: ask.circuitInput ? bytesToHex(ask.circuitInput) : NONE,
    assurance: ask.assurance,
    pinned: false,
    callbackGas: 0,
    operator: ask.operator,
    token: zeroAddress,
    payment: ask.payment,
    deadlineSeconds: ask.deadlineSeconds,
  } as const;
  const { publicInput, commitment } = ask;
  const input = {
    publicInput: publicInput ? bytesToHex(publicInput) : "0x",
    commitment: commitment ? bytesToHex(commitment) : NONE,
  } as const;
  const abi = inferenceCoordinatorAbi;
  const call = { address: coordinator, abi, functionName: "request", args: [terms, input] } as const;
  const sent = await send(writer, { ...call, value: ask.payment });
  const { logs } = await onChain(() => writer.reader.getTransactionReceipt({ hash: sent.transaction }));
  const [event] = parseEventLogs({ abi, eventName: "Requested", logs });
  if (!event) throw new ChainError("transaction_failed", "the coordinator made no request of it");
  return { requestId: event.args.requestId, nonce: event.args.nonce, sent };
}

/**
 * The opening of the account's next request, if nothing else is asked by it in between; `requestInference` tells the nonce that
 * it had in the end.
 * @throws ChainError `contract_missing`, `chain_unreachable`
 */
export async function nextOpening(
  reader: PublicClient,
  coordinator: Address,
  opened: Omit<ChainOpening, "requestId" | "requester" | "nonce"> & { requester: Address },
): Promise<ChainOpening> {
  const call = { address: coordinator, abi: inferenceCoordinatorAbi, functionName: "nonces" } as const;
  const [chainId, nonce] = await onChain(() =>
    Promise.all([reader.getChainId(), reader.readContract({ ...call, args: [opened.requester] })]),
  );
  return openingAt(chainId, coordinator, { ...opened, requester: hexToBytes(opened.requester), nonce });
}

/** The opening under the id that the coordinator gives it. */
export function openingAt(
  chainId: number,
  coordinator: Address,
  opened: Omit<ChainOpening, "requestId">,
): ChainOpening {
  const { requester, nonce, salt, input } = opened;
  const place = { chainId: BigInt(chainId), coordinator: hexToBytes(coordinator), requester, nonce };
  const asked = { ...opened, inputCommitment: inputCommitment(salt, input) };
  return { ...opened, requestId: chainRequestId(place, asked) };
}

/** @throws ChainError `contract_missing`, `chain_unreachable` */
export async function requestStatus(
  reader: PublicClient,
  coordinator: Address,
  requestId: Hex,
): Promise<RequestStatus> {
  const request = await onChain(() =>
    reader.readContract({
      address: coordinator,
      abi: inferenceCoordinatorAbi,
      functionName: "requests",
      args: [requestId],
    }),
  );
  return STATUSES[request[1]] ?? "none";
}

export interface OnChainAnswer {
  statementDigest: Hex;
  operator: Address;
  /** Whether the requester's callback ran to its end. */
  called: boolean;
  transaction: Hex;
  block: bigint;
  /** As it was delivered; undefined where another contract handed it in, whose calldata is its own. */
  receipt: ContractReceipt | undefined;
}

/** The delivered answer, which the coordinator verified; undefined before. @throws ChainError `chain_unreachable` */
export async function deliveredAnswer(
  reader: PublicClient,
  coordinator: Address,
  requestId: Hex,
  fromBlock: bigint,
): Promise<OnChainAnswer | undefined> {
  const [event] = await onChain(() =>
    reader.getContractEvents({
      address: coordinator,
      abi: inferenceCoordinatorAbi,
      eventName: "Delivered",
      args: { requestId },
      fromBlock,
      strict: true,
    }),
  );
  if (!event) return undefined;
  const { operator, statementDigest, called } = event.args;
  const { transactionHash: transaction, blockNumber: block } = event;
  const { input, to } = await onChain(() => reader.getTransaction({ hash: transaction }));
  const direct = to?.toLowerCase() === coordinator.toLowerCase();
  const receipt = direct ? receiptIn(input, requestId) : undefined;
  return { statementDigest, operator, called, transaction, block, receipt };
}

function receiptIn(data: Hex, requestId: Hex): ContractReceipt | undefined {
  const { functionName, args } = decodeFunctionData({ abi: inferenceCoordinatorAbi, data });
  if (functionName !== "deliver" || args[0].statement.requestId !== requestId) return undefined;
  return args[0];
}

export interface ListedRequest {
  requestId: Hex;
  requester: Address;
  operator: Address;
  block: bigint;
  status: Exclude<RequestStatus, "none">;
}

/** All requests since a block, the oldest first. @throws ChainError `chain_unreachable` */
export async function listRequests(
  reader: PublicClient,
  coordinator: Address,
  fromBlock: bigint,
): Promise<ListedRequest[]> {
  const events = await onChain(() =>
    reader.getContractEvents({ address: coordinator, abi: inferenceCoordinatorAbi, fromBlock, strict: true }),
  );
  const requests = new Map<Hex, ListedRequest>();
  for (const { eventName, args, blockNumber: block } of events) {
    if (eventName === "Requested") {
      const { requestId, requester, operator } = args;
      requests.set(requestId, { requestId, requester, operator, block, status: "open" });
    } else if (eventName === "Delivered" || eventName === "Refunded") {
      const request = requests.get(args.requestId);
      if (request) request.status = eventName === "Delivered" ? "delivered" : "refunded";
    }
  }
  return [...requests.values()];
}
