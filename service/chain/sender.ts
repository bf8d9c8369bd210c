/**
 * Transactions of the vault's chain key. Each is kept before it is sent, under its nonce: what a crash leaves is sent again as it
 * is, and a node that forgot it is told again. One that waits too long is replaced at a higher price.
 */
import { bytesToHex, encodeFunctionData, hexToBytes, parseTransaction, type Address, type Hex } from "viem";
import { equal } from "../../codec/index.ts";
import { inferenceCoordinatorAbi, type ContractReceipt } from "../../client/chain/index.ts";
import {
  addTransaction,
  forgetTransactions,
  highestNonce,
  listTransactions,
  replaceTransaction,
  type ChainTransaction,
  type Database,
} from "../db/index.ts";
import type { SessionHolder } from "../session.ts";
import type { Coordinator, Fees } from "./coordinator.ts";

const REPLACE_AFTER_MS = 60_000;
/** Nodes take a replacement at 10 % more. */
const RAISE_PERCENT = 125n;
/** On what was estimated: a callback may meet another state when it is mined. */
const GAS_MARGIN_PERCENT = 115n;

interface Parts {
  database: Database;
  sessions: SessionHolder;
  coordinator: Coordinator;
  account: Address;
  /** As the vault's policy has it: a call that may cost more is not asked for. */
  maxWeiPerTransaction: bigint;
  nowMs: () => number;
}

export class Sender {
  readonly #parts: Parts;
  readonly #chainId: bigint;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#chainId = BigInt(parts.coordinator.chainId);
  }

  /**
   * Sends what is under way again, replaces what waits too long, and forgets what `confirmed` holds.
   * @throws ChainError `chain_unreachable`; VaultError `chain_limit_reached`
   */
  async tend(confirmed: bigint): Promise<void> {
    const { database, coordinator, account, nowMs } = this.#parts;
    await forgetTransactions(database, this.#chainId, await coordinator.transactions(account, confirmed));
    const used = await coordinator.transactions(account, "latest");
    for (const kept of await listTransactions(database, this.#chainId)) {
      if (kept.nonce < used) continue;
      const isStuck = kept.nonce === used && nowMs() - kept.sentAt.getTime() > REPLACE_AFTER_MS;
      await coordinator.send(bytesToHex(isStuck ? await this.#raise(kept) : kept.raw));
    }
  }

  /** Whether a transaction for this request may yet be mined. */
  async isUnderWay(requestId: Uint8Array): Promise<boolean> {
    const { database, coordinator, account } = this.#parts;
    const used = await coordinator.transactions(account, "latest");
    const kept = await listTransactions(database, this.#chainId);
    return kept.some((one) => one.nonce >= used && equal(one.requestId, requestId));
  }

  /**
   * Delivers. Simulated first, so that a refusal costs nothing.
   * @throws ChainError `contract_reverted` with the contract's error as `detail`; VaultError `chain_limit_reached`
   */
  async deliver(requestId: Uint8Array, receipt: ContractReceipt, zkProof: Hex): Promise<void> {
    const { database, coordinator, account, nowMs } = this.#parts;
    const estimate = await coordinator.estimate(account, receipt, zkProof);
    const gasLimit = (estimate * GAS_MARGIN_PERCENT) / 100n;
    const fees = this.#affordable(gasLimit, await coordinator.fees());
    // Anchors are sent from the same account.
    const used = await coordinator.transactions(account, "pending");
    const highest = await highestNonce(database, this.#chainId);
    const nonce = highest === undefined || highest < used ? used : highest + 1n;
    const args = [receipt, zkProof] as const;
    const data = encodeFunctionData({ abi: inferenceCoordinatorAbi, functionName: "deliver", args });
    const raw = await this.#sign({ nonce, gasLimit, data: hexToBytes(data), ...fees });
    const kept = { nonce, requestId, raw, gasLimit, ...fees, sentAt: new Date(nowMs()) };
    // Where another replica took the nonce, the next round finds another one.
    if (await addTransaction(database, this.#chainId, kept)) await coordinator.send(bytesToHex(raw));
  }

  /** The price that is asked, as far as the limit of one transaction lets it be. */
  #affordable(gasLimit: bigint, { maxFeePerGas, maxPriorityFeePerGas }: Fees): Fees {
    const most = this.#parts.maxWeiPerTransaction / gasLimit;
    const fee = maxFeePerGas < most ? maxFeePerGas : most;
    return {
      maxFeePerGas: fee,
      maxPriorityFeePerGas: maxPriorityFeePerGas < fee ? maxPriorityFeePerGas : fee,
    };
  }

  async #raise(kept: ChainTransaction): Promise<Uint8Array> {
    const { database, coordinator, nowMs } = this.#parts;
    const asked = await coordinator.fees();
    const { data } = parseTransaction(bytesToHex(kept.raw));
    if (data === undefined) return kept.raw;
    const fees = {
      maxFeePerGas: raised(kept.maxFeePerGas, asked.maxFeePerGas),
      maxPriorityFeePerGas: raised(kept.maxPriorityFeePerGas, asked.maxPriorityFeePerGas),
    };
    const { nonce, gasLimit, requestId } = kept;
    // At its limit it stays as it is, and is sent as it is.
    if (gasLimit * fees.maxFeePerGas > this.#parts.maxWeiPerTransaction) return kept.raw;
    const raw = await this.#sign({ nonce, gasLimit, data: hexToBytes(data), ...fees });
    const sentAt = new Date(nowMs());
    await replaceTransaction(database, this.#chainId, { nonce, requestId, raw, gasLimit, ...fees, sentAt });
    return raw;
  }

  async #sign(call: { nonce: bigint; gasLimit: bigint; data: Uint8Array } & Fees): Promise<Uint8Array> {
    const { sessions, coordinator } = this.#parts;
    const to = hexToBytes(coordinator.address);
    const { vault } = sessions.current();
    const { raw } = await vault.signTransaction({ ...call, chainId: this.#chainId, to, value: 0n });
    return raw;
  }
}

function raised(before: bigint, now: bigint): bigint {
  const least = (before * RAISE_PERCENT) / 100n + 1n;
  return now > least ? now : least;
}
