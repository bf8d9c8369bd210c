/** Transactions: simulated first, so that a refusal costs nothing and comes with its typed error. */
import { getAddress } from "viem";
import type {
  Abi,
  Account,
  Address,
  Chain,
  ContractConstructorArgs,
  ContractFunctionArgs,
  ContractFunctionName,
  Hex,
  PublicClient,
  TransactionReceipt,
  Transport,
  WalletClient,
} from "viem";
import { ChainError } from "./error.ts";
import { CONTRACT_ERRORS, onChain } from "./reverts.ts";

/** A chain to read from, and an account to pay with. */
export interface ChainWriter {
  reader: PublicClient;
  wallet: WalletClient<Transport, Chain | undefined, Account>;
}

/** What a step cost. */
export interface Sent {
  transaction: Hex;
  block: bigint;
  gasUsed: bigint;
}

type Writable = "nonpayable" | "payable";

/** @throws ChainError `contract_reverted` with the contract's error as `detail`, `funds_insufficient`, `chain_unreachable` */
export async function send<const A extends Abi, N extends ContractFunctionName<A, Writable>>(
  { reader, wallet }: ChainWriter,
  call: {
    address: Address;
    abi: A;
    functionName: N;
    args: ContractFunctionArgs<A, Writable, N>;
    /** Wei. */
    value?: bigint;
  },
): Promise<Sent> {
  return await onChain(async () => {
    const { request } = await reader.simulateContract({
      ...call,
      abi: [...call.abi, ...CONTRACT_ERRORS],
      account: wallet.account,
    } as never);
    // Any chain will do: the account signs for the one that the endpoint names.
    const chain = wallet.chain ?? null;
    const transaction = await wallet.writeContract({ ...(request as object), chain } as never);
    return sentOf(await mined(reader, transaction));
  });
}

/** @throws ChainError `transaction_failed`, `funds_insufficient`, `chain_unreachable` */
export async function deploy<const A extends Abi>(
  { reader, wallet }: ChainWriter,
  contract: { abi: A; bytecode: Hex; args: ContractConstructorArgs<A> },
): Promise<Sent & { address: Address }> {
  return await onChain(async () => {
    const { account, chain = null } = wallet;
    const transaction = await wallet.deployContract({ ...contract, account, chain } as never);
    const receipt = await mined(reader, transaction);
    if (!receipt.contractAddress) throw new ChainError("transaction_failed", "nothing was deployed");
    return { ...sentOf(receipt), address: getAddress(receipt.contractAddress) };
  });
}

async function mined(reader: PublicClient, hash: Hex): Promise<TransactionReceipt> {
  const receipt = await reader.waitForTransactionReceipt({ hash, pollingInterval: 200 });
  if (receipt.status !== "success")
    throw new ChainError("transaction_failed", `transaction ${hash} was reverted when it was mined`);
  return receipt;
}

function sentOf({ transactionHash, blockNumber, gasUsed }: TransactionReceipt): Sent {
  return { transaction: transactionHash, block: blockNumber, gasUsed };
}
