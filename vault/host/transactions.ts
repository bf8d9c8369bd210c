/**
 * Transactions of the chain key: EIP-1559 calls of configured functions of configured contracts, within limits. What a
 * transaction may cost at most counts when it is signed, whether or not it is ever mined.
 */
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { toHex0x } from "../../codec/index.ts";
import { addressOf } from "../../receipts/index.ts";
import type { ChainPolicy, ContractPolicy, PinnedCall } from "../chain-policy.ts";
import { VaultError } from "../error.ts";
import type { SignedTransaction, UnsignedTransaction } from "../wire/chain.ts";

const HOUR_MS = 3_600_000;
const WORD = 32;

interface Spent {
  atMs: number;
  address: string;
  wei: bigint;
}

interface Parts {
  /** secp256k1, 32 bytes. */
  chainKey: Uint8Array;
  policy: ChainPolicy | undefined;
  /** Takes the cost from what the owner lets the vault spend. @throws VaultError `limit_reached` */
  takeWei: (wei: bigint) => Promise<void>;
  nowMs: () => number;
}

export class Transactions {
  readonly address: Uint8Array;
  readonly #parts: Parts;
  #spent: Spent[] = [];

  constructor(parts: Parts) {
    this.#parts = parts;
    this.address = addressOf(secp256k1.getPublicKey(parts.chainKey));
  }

  /**
   * @throws VaultError `chain_off`, `chain_call_refused` (another chain, contract, function, or data that is no call),
   *   `chain_limit_reached`, `limit_reached`
   */
  async sign(unsigned: UnsignedTransaction): Promise<SignedTransaction> {
    const { policy, chainKey, nowMs } = this.#parts;
    if (!policy) throw new VaultError("chain_off");
    const contract = allowed(policy, unsigned);
    const spent = { atMs: nowMs(), address: contract.address, wei: costOf(unsigned) };
    this.#reserve(policy, contract, spent);
    await this.#parts.takeWei(spent.wei);
    const { privateKeyToAccount } = await import("viem/accounts");
    const { hexToBytes, keccak256 } = await import("viem");
    const raw = await privateKeyToAccount(toHex0x(chainKey) as `0x${string}`).signTransaction({
      type: "eip1559",
      chainId: policy.chainId,
      nonce: Number(unsigned.nonce),
      maxPriorityFeePerGas: unsigned.maxPriorityFeePerGas,
      maxFeePerGas: unsigned.maxFeePerGas,
      gas: unsigned.gasLimit,
      to: contract.address as `0x${string}`,
      value: unsigned.value,
      data: toHex0x(unsigned.data) as `0x${string}`,
    });
    return { raw: hexToBytes(raw), hash: hexToBytes(keccak256(raw)) };
  }

  /** That it may be called at all. @throws VaultError `chain_off`, `chain_call_refused` */
  requireContract(chainId: bigint, address: Uint8Array): void {
    const { policy } = this.#parts;
    if (!policy) throw new VaultError("chain_off");
    const known = policy.contracts.some((contract) => contract.address === toHex0x(address));
    if (!known || chainId !== BigInt(policy.chainId)) throw new VaultError("chain_call_refused");
  }

  /** Before anything is awaited, so that calls at one time cannot each spend the same rest. */
  #reserve(policy: ChainPolicy, contract: ContractPolicy, spending: Spent): void {
    const { atMs, address, wei } = spending;
    // A clock that steps back keeps what was spent in the window.
    this.#spent = this.#spent.filter((past) => atMs - past.atMs < HOUR_MS);
    const sum = (list: readonly Spent[]) => list.reduce((total, past) => total + past.wei, wei);
    const ofContract = sum(this.#spent.filter((past) => past.address === address));
    const fits =
      wei <= policy.maxWeiPerTransaction &&
      sum(this.#spent) <= policy.maxWeiPerHour &&
      ofContract <= contract.maxWeiPerHour;
    if (!fits) throw new VaultError("chain_limit_reached");
    this.#spent.push(spending);
  }
}

function costOf({ gasLimit, maxFeePerGas, value }: UnsignedTransaction): bigint {
  return gasLimit * maxFeePerGas + value;
}

function isPinned({ pinned }: ContractPolicy, data: Uint8Array): boolean {
  const selector = toHex0x(data.subarray(0, 4));
  const calls = pinned.filter((call) => call.selector === selector);
  const holds = ({ index, word }: PinnedCall) =>
    toHex0x(data.subarray(4 + WORD * index, 4 + WORD * (index + 1))) === word;
  // Each of them: a function may have several arguments fixed.
  return calls.length > 0 && calls.every(holds);
}

function allowed(
  policy: ChainPolicy,
  { chainId, to, data, maxPriorityFeePerGas, maxFeePerGas }: UnsignedTransaction,
) {
  const address = toHex0x(to);
  const contract = policy.contracts.find((candidate) => candidate.address === address);
  const selector = toHex0x(data.subarray(0, 4));
  const isCall =
    data.length >= 4 && contract && (contract.selectors.includes(selector) || isPinned(contract, data));
  if (!contract || !isCall || chainId !== BigInt(policy.chainId) || maxPriorityFeePerGas > maxFeePerGas)
    throw new VaultError("chain_call_refused");
  return contract;
}
