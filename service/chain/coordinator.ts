/** A coordinator on a chain: what the watcher reads there, and how its transactions get there. */
import {
  createPublicClient,
  http,
  keccak256,
  type Address,
  type Hash,
  type Hex,
  type PublicClient,
} from "viem";
import {
  checkDeployment,
  CONTRACT_ERRORS,
  inferenceCoordinatorAbi,
  onChain,
  type ContractReceipt,
  type Deployment,
} from "../../client/chain/index.ts";

const RPC_TIMEOUT_MS = 30_000;

/** As in RequestBook.sol. */
export const STATUS = { none: 0, open: 1, delivered: 2, refunded: 3 } as const;

export interface Fees {
  /** Wei. */
  maxFeePerGas: bigint;
  maxPriorityFeePerGas: bigint;
}

export interface Block {
  number: bigint;
  hash: Hash;
}

export class Coordinator {
  readonly address: Address;
  readonly chainId: number;
  readonly reader: PublicClient;

  private constructor(reader: PublicClient, chainId: number, address: Address) {
    this.reader = reader;
    this.chainId = chainId;
    this.address = address;
  }

  /** @throws ChainError `chain_unreachable`, `chain_mismatch`, `contract_missing`, `deployment_invalid` */
  static async open(url: string, deployment: Deployment, address: Address): Promise<Coordinator> {
    const reader = createPublicClient({ transport: http(url, { timeout: RPC_TIMEOUT_MS, retryCount: 1 }) });
    await checkDeployment(reader, deployment);
    return new Coordinator(reader, deployment.chainId, address);
  }

  head(): Promise<bigint> {
    return onChain(() => this.reader.getBlockNumber({ cacheTime: 0 }));
  }

  async block(number: bigint): Promise<Block> {
    const { hash } = await onChain(() => this.reader.getBlock({ blockNumber: number }));
    return { number, hash };
  }

  /** Requests to this operator in these blocks, the first and the last included. */
  requested(operator: Address, fromBlock: bigint, toBlock: bigint) {
    return onChain(() =>
      this.reader.getContractEvents({
        address: this.address,
        abi: inferenceCoordinatorAbi,
        eventName: "Requested",
        args: { operator },
        fromBlock,
        toBlock,
        strict: true,
      }),
    );
  }

  /** A request's `STATUS` after that block; without one, after the newest. */
  async status(requestId: Hex, blockNumber?: bigint): Promise<number> {
    const request = await onChain(() =>
      this.reader.readContract({
        address: this.address,
        abi: inferenceCoordinatorAbi,
        functionName: "requests",
        args: [requestId],
        ...(blockNumber !== undefined && { blockNumber }),
      }),
    );
    return request[1];
  }

  /**
   * The gas that a delivery takes.
   * @throws ChainError `contract_reverted` with the contract's error as `detail`, `funds_insufficient`, `chain_unreachable`
   */
  estimate(account: Address, receipt: ContractReceipt, zkProof: Hex): Promise<bigint> {
    return onChain(() =>
      this.reader.estimateContractGas({
        account,
        address: this.address,
        abi: [...inferenceCoordinatorAbi, ...CONTRACT_ERRORS],
        functionName: "deliver",
        args: [receipt, zkProof],
      } as never),
    );
  }

  fees(): Promise<Fees> {
    return onChain(() => this.reader.estimateFeesPerGas());
  }

  /** How many transactions of the account the chain holds after that block, or its node knows of altogether. */
  async transactions(account: Address, at: bigint | "latest" | "pending"): Promise<bigint> {
    const count = await onChain(() =>
      this.reader.getTransactionCount({
        address: account,
        ...(typeof at === "bigint" ? { blockNumber: at } : { blockTag: at }),
      }),
    );
    return BigInt(count);
  }

  /** Sends what may have been sent before: a node that knows it says so, which is no failure. */
  async send(raw: Hex): Promise<void> {
    try {
      await onChain(() => this.reader.sendRawTransaction({ serializedTransaction: raw }));
    } catch (error) {
      if (!(await this.#knows(keccak256(raw)))) throw error;
    }
  }

  async #knows(hash: Hash): Promise<boolean> {
    return await this.reader.getTransaction({ hash }).then(
      () => true,
      () => false,
    );
  }
}
