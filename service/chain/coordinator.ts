/** A coordinator on a chain: what the watcher reads there. */
import { decodeFunctionData, keccak256, type Address, type Hex } from "viem";
import {
  inferenceCoordinatorAbi,
  onChain,
  receiptVerifierAbi,
  type ContractReceipt,
} from "../../client/chain/index.ts";
import type { ChainNode, ContractCall } from "./node.ts";

/** As in RequestBook.sol. */
export const STATUS = { none: 0, open: 1, delivered: 2, refunded: 3 } as const;

const NONE: Hex = `0x${"00".repeat(32)}`;
const NOBODY: Address = `0x${"00".repeat(20)}`;

/** What the coordinator keeps of a request: all that its id does not say. */
export interface KeptRequest {
  requester: Address;
  status: number;
  /** Bits that must be delivered: 1 proof, 2 re-execution, 4 proof verified on chain. */
  assurance: number;
  callbackGas: number;
  deadlineSeconds: number;
  token: Address;
  payment: bigint;
  /** Zero of a panel's. */
  operator: Address;
  nonce: bigint;
  /** Unix time at which the requester's own pins count; 0: code that the registry lists. */
  pinnedAtSeconds: number;
}

export interface Panel {
  operators: readonly Address[];
  /** How many must agree. */
  threshold: number;
  /** Unix times of the last commitment and the last reveal. */
  commitUntilSeconds: number;
  revealUntilSeconds: number;
  /** Wei, of each who commits. */
  bond: bigint;
  tolerance: bigint;
}

/** One operator's vote, as far as it has come. */
export interface Vote {
  isCommitted: boolean;
  isRevealed: boolean;
  /** keccak256 of the encoded output; zero before the reveal. */
  outputHash: Hex;
}

/** An answer that an operator showed. */
export interface Shown {
  operator: Address;
  encodedOutput: Hex;
  block: bigint;
}

export class Coordinator {
  readonly address: Address;
  readonly node: ChainNode;

  constructor(node: ChainNode, address: Address) {
    this.node = node;
    this.address = address;
  }

  /** Requests to this operator in these blocks, and to panels that it is on; the first block and the last included. */
  async requested(operator: Address, fromBlock: bigint, toBlock: bigint) {
    const blocks = { address: this.address, abi: inferenceCoordinatorAbi, fromBlock, toBlock, strict: true };
    const [requests, panels] = await onChain(() =>
      Promise.all([
        this.node.reader.getContractEvents({
          ...blocks,
          strict: true,
          eventName: "Requested",
          args: { operator: [operator, NOBODY] },
        }),
        this.node.reader.getContractEvents({ ...blocks, strict: true, eventName: "PanelRequested" }),
      ]),
    );
    const mine = new Set(
      panels.flatMap(({ args }) =>
        args.panel.operators.some((one) => sameAddress(one, operator)) ? [args.requestId] : [],
      ),
    );
    return requests.filter(({ args }) => args.operator !== NOBODY || mine.has(args.requestId));
  }

  /** A request after that block; without one, after the newest. */
  async request(requestId: Hex, blockNumber?: bigint): Promise<KeptRequest> {
    const kept = await this.#read("requests", [requestId], blockNumber);
    const [requester, status, assurance, callbackGas, deadlineSeconds, token, ...rest] = kept;
    const [payment, operator, nonce, pinnedAtSeconds] = rest;
    const terms = { assurance, callbackGas, deadlineSeconds, token, payment };
    return { requester, status, ...terms, operator, nonce, pinnedAtSeconds };
  }

  async panel(requestId: Hex): Promise<Panel> {
    return await this.#read("panelOf", [requestId]);
  }

  async vote(requestId: Hex, operator: Address, blockNumber?: bigint): Promise<Vote> {
    const [commitment, , outputHash] = await this.#read("votes", [requestId, operator], blockNumber);
    return { isCommitted: commitment !== NONE, isRevealed: outputHash !== NONE, outputHash };
  }

  /** Wei that the account has put up and not bound. */
  stake(account: Address): Promise<bigint> {
    return this.#read("stakes", [account]);
  }

  /** Whether the registry refuses every receipt for now. */
  isHalted(receiptVerifier: Address): Promise<boolean> {
    const call = { address: receiptVerifier, abi: receiptVerifierAbi, functionName: "halted" } as const;
    return onChain(() => this.node.reader.readContract(call));
  }

  /** What the account may fetch; token zero is ether. */
  credit(token: Address, account: Address): Promise<bigint> {
    return this.#read("credits", [token, account]);
  }

  commitmentOfVote(requestId: Hex, operator: Address, statementDigest: Hex, salt: Hex): Promise<Hex> {
    return this.#read("commitmentOfVote", [requestId, operator, statementDigest, salt]);
  }

  /** What operators revealed by calls of their own, each as its vote's hash says; others' calldata is their own. */
  async revealed(requestId: Hex, fromBlock: bigint): Promise<Shown[]> {
    const events = await onChain(() =>
      this.node.reader.getContractEvents({
        address: this.address,
        abi: inferenceCoordinatorAbi,
        eventName: "Revealed",
        args: { requestId },
        fromBlock,
        strict: true,
      }),
    );
    const shown: Shown[] = [];
    for (const { args, transactionHash: hash, blockNumber: block } of events) {
      const { input } = await onChain(() => this.node.reader.getTransaction({ hash }));
      const receipt = revealedReceipt(input);
      const { outputHash } = await this.vote(requestId, args.operator);
      if (receipt && keccak256(receipt.encodedOutput) === outputHash)
        shown.push({ operator: args.operator, encodedOutput: receipt.encodedOutput, block });
    }
    return shown;
  }

  #read<const N extends "requests" | "panelOf" | "votes" | "stakes" | "credits" | "commitmentOfVote">(
    functionName: N,
    args: readonly unknown[],
    blockNumber?: bigint,
  ) {
    return onChain(() =>
      this.node.reader.readContract({
        address: this.address,
        abi: inferenceCoordinatorAbi,
        functionName,
        args: args as never,
        ...(blockNumber !== undefined && { blockNumber }),
      }),
    );
  }
}

type Written = "deliver" | "commit" | "reveal" | "release" | "conclude" | "stake" | "unstake" | "withdraw";

/** @param value wei */
export function coordinatorCall(
  address: Address,
  functionName: Written,
  args: readonly unknown[],
  value = 0n,
): ContractCall {
  return { address, abi: inferenceCoordinatorAbi, functionName, args, value };
}

function revealedReceipt(data: Hex): ContractReceipt | undefined {
  try {
    const { functionName, args } = decodeFunctionData({ abi: inferenceCoordinatorAbi, data });
    return functionName === "reveal" ? (args[0] as ContractReceipt) : undefined;
  } catch {
    return undefined;
  }
}

export function sameAddress(a: Address, b: Address): boolean {
  return a.toLowerCase() === b.toLowerCase();
}
