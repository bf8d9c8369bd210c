/** A chain's JSON-RPC endpoint: what is read there, and how transactions get there. It is believed about fees and nonces. */
import {
  createPublicClient,
  http,
  keccak256,
  type Abi,
  type Address,
  type Hash,
  type Hex,
  type PublicClient,
} from "viem";
import { checkDeployment, CONTRACT_ERRORS, onChain, type Deployment } from "../../client/chain/index.ts";

const RPC_TIMEOUT_MS = 30_000;

export interface Fees {
  /** Wei. */
  maxFeePerGas: bigint;
  maxPriorityFeePerGas: bigint;
}

export interface Block {
  number: bigint;
  hash: Hash;
}

/** A call of a contract's function, with what it pays in. */
export interface ContractCall {
  address: Address;
  abi: Abi;
  functionName: string;
  args: readonly unknown[];
  /** Wei; none where left out. */
  value?: bigint;
}

export class ChainNode {
  readonly chainId: number;
  readonly reader: PublicClient;

  /** What `open` checks is not checked. */
  constructor(reader: PublicClient, chainId: number) {
    this.reader = reader;
    this.chainId = chainId;
  }

  /** @throws ChainError `chain_unreachable`, `chain_mismatch`, `contract_missing`, `deployment_invalid` */
  static async open(url: string, deployment: Deployment): Promise<ChainNode> {
    const reader = createPublicClient({ transport: http(url, { timeout: RPC_TIMEOUT_MS, retryCount: 1 }) });
    await checkDeployment(reader, deployment);
    return new ChainNode(reader, deployment.chainId);
  }

  head(): Promise<bigint> {
    return onChain(() => this.reader.getBlockNumber({ cacheTime: 0 }));
  }

  /** Unix time of the newest block. */
  async nowSeconds(): Promise<bigint> {
    const { timestamp } = await onChain(() => this.reader.getBlock({ blockTag: "latest" }));
    return timestamp;
  }

  async block(number: bigint): Promise<Block> {
    const { hash } = await onChain(() => this.reader.getBlock({ blockNumber: number }));
    return { number, hash };
  }

  fees(): Promise<Fees> {
    return onChain(() => this.reader.estimateFeesPerGas());
  }

  balance(account: Address): Promise<bigint> {
    return onChain(() => this.reader.getBalance({ address: account }));
  }

  /**
   * The gas that a call takes.
   * @throws ChainError `contract_reverted` with the contract's error as `detail`, `funds_insufficient`, `chain_unreachable`
   */
  estimate(account: Address, { abi, ...call }: ContractCall): Promise<bigint> {
    const known = [...abi, ...CONTRACT_ERRORS];
    return onChain(() => this.reader.estimateContractGas({ ...call, abi: known, account } as never));
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

  /** @throws ChainError `transaction_failed`, `funds_insufficient`, `chain_unreachable` */
  async send(raw: Hex): Promise<void> {
    await onChain(() => this.reader.sendRawTransaction({ serializedTransaction: raw }));
  }

  /** As `send`, what may have been sent before: a node that knows it is not told again. */
  async sendAgain(raw: Hex): Promise<void> {
    if (!(await this.#knows(keccak256(raw)))) await this.send(raw);
  }

  async #knows(hash: Hash): Promise<boolean> {
    return await this.reader.getTransaction({ hash }).then(
      () => true,
      () => false,
    );
  }
}
