/**
 * Transactions of the vault's chain key. Each is kept before it is sent, under its nonce: what a crash leaves is sent again as it
 * is, and a node that forgot it is told again. One that waits too long is replaced at a higher price.
 */
import {
  bytesToHex,
  encodeFunctionData,
  hexToBytes,
  parseTransaction,
  recoverTransactionAddress,
  type Address,
  type TransactionSerializedEIP1559,
} from "viem";
import { equal } from "../../codec/index.ts";
import {
  addTransaction,
  forgetTransaction,
  forgetTransactions,
  listTransactions,
  replaceTransaction,
  type ChainTransaction,
  type Database,
} from "../db/index.ts";
import { VaultError } from "../../vault/index.ts";
import type { SessionHolder } from "../session.ts";
import type { ChainNode, ContractCall, Fees } from "./node.ts";

const REPLACE_AFTER_MS = 60_000;
/** Nodes take a replacement at 10 % more. */
const LEAST_RAISE_PERCENT = 110n;
const RAISE_PERCENT = 125n;
/** On what was estimated: a callback may meet another state when it is mined. */
const GAS_MARGIN_PERCENT = 115n;

/** Of the fee that is asked over what the newest block's price is. */
const FEE_HEADROOM_PERCENT = 120n;

interface Parts {
  database: Database;
  sessions: Pick<SessionHolder, "current">;
  node: ChainNode;
  account: Address;
  /** As the vault's policy has it: a call that may cost more is not asked for. */
  maxWeiPerTransaction: bigint;
  nowMs: () => number;
  onEvent: (event: SenderEvent) => void;
}

export type SenderEvent =
  | { kind: "replaced"; nonce: bigint; maxFeePerGas: bigint }
  | { kind: "unsent"; nonce: bigint; error: unknown };

export class Sender {
  readonly account: Address;
  readonly #parts: Parts;
  readonly #chainId: bigint;
  /** One at a time: two at once would take one nonce, or replace one transaction twice. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(parts: Parts) {
    this.#parts = parts;
    this.account = parts.account;
    this.#chainId = BigInt(parts.node.chainId);
  }

  /**
   * Sends what is under way again, replaces what waits too long, and forgets what the block `confirmed` holds.
   * @throws ChainError `chain_unreachable`
   */
  tend(confirmed: bigint): Promise<void> {
    return this.#alone(async () => {
      const { database, node, account, onEvent } = this.#parts;
      await forgetTransactions(database, this.#chainId, await node.transactions(account, confirmed));
      const used = await node.transactions(account, "latest");
      for (const kept of await listTransactions(database, this.#chainId)) {
        if (kept.nonce < used) continue;
        try {
          await this.#tendOne(kept, used);
        } catch (error) {
          // The next one may be none of its matter, and is tried.
          onEvent({ kind: "unsent", nonce: kept.nonce, error });
        }
      }
    });
  }

  /** Whether a transaction about this may yet be mined. @param subject 32 bytes */
  async isUnderWay(subject: Uint8Array): Promise<boolean> {
    const { database, node, account } = this.#parts;
    const used = await node.transactions(account, "latest");
    const kept = await listTransactions(database, this.#chainId);
    return kept.some((one) => one.nonce >= used && equal(one.subject, subject));
  }

  /**
   * Signs, keeps and sends a call. Simulated first, so that a refusal costs nothing.
   * @param subject what it is about, 32 bytes: a request's id, or the digest of another purpose's name
   * @throws ChainError `contract_reverted` with the contract's error as `detail`, `funds_insufficient`, `chain_unreachable`;
   *   VaultError `chain_limit_reached`, `chain_call_refused`
   */
  send(subject: Uint8Array, call: ContractCall): Promise<void> {
    return this.#alone(async () => {
      const { database, node, account, nowMs } = this.#parts;
      const { address: to, value = 0n } = call;
      const estimate = await node.estimate(account, call);
      const gasLimit = (estimate * GAS_MARGIN_PERCENT) / 100n;
      const asked = await node.fees();
      const fees = this.#affordable(asked, gasLimit, value);
      // Below the price of a block it would only hold up what comes after it.
      if (fees.maxFeePerGas * FEE_HEADROOM_PERCENT < asked.maxFeePerGas * 100n)
        throw new VaultError("chain_limit_reached");
      const nonce = await this.#freeNonce();
      const unsigned = { nonce, gasLimit, value, to, data: hexToBytes(encodeFunctionData(call)), ...fees };
      const raw = await this.#sign(unsigned);
      const kept = { nonce, subject, raw, sentAt: new Date(nowMs()) };
      // Where another replica took the nonce, the next round finds another one.
      if (await addTransaction(database, this.#chainId, kept)) await node.send(bytesToHex(raw));
    });
  }

  async #alone<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(work, work);
    this.#last = mine.catch(() => undefined);
    return await mine;
  }

  /** The lowest that neither the node nor the database knows used: what comes after a gap would wait for ever. */
  async #freeNonce(): Promise<bigint> {
    const { database, node, account } = this.#parts;
    let nonce = await node.transactions(account, "pending");
    const kept = new Set((await listTransactions(database, this.#chainId)).map((one) => one.nonce));
    while (kept.has(nonce)) nonce++;
    return nonce;
  }

  async #tendOne(kept: ChainTransaction, used: bigint): Promise<void> {
    const { database, node, account, nowMs } = this.#parts;
    const signed = await readSigned(kept, account);
    // Whoever wrote that row, this service did not: the nonce is free for what it does write.
    if (!signed) return await forgetTransaction(database, this.#chainId, kept);
    // Of several that wait only the first can be what they wait for.
    const isStuck = kept.nonce === used && nowMs() - kept.sentAt.getTime() > REPLACE_AFTER_MS;
    const raised = isStuck ? await this.#raise(kept, signed) : undefined;
    await node.sendAgain(bytesToHex(raised ?? kept.raw));
  }

  /** The price that is asked, as far as the limit of one transaction lets it be. */
  #affordable({ maxFeePerGas, maxPriorityFeePerGas }: Fees, gasLimit: bigint, value: bigint): Fees {
    const { maxWeiPerTransaction: limit } = this.#parts;
    const fee = least(maxFeePerGas, value < limit ? (limit - value) / gasLimit : 0n);
    return { maxFeePerGas: fee, maxPriorityFeePerGas: least(maxPriorityFeePerGas, fee) };
  }

  /** The same call at a higher price; undefined where the limits leave no room for one. */
  async #raise(kept: ChainTransaction, signed: Unsigned): Promise<Uint8Array | undefined> {
    const { database, node, nowMs, onEvent } = this.#parts;
    const { gasLimit, value, nonce } = signed;
    const asked = await node.fees();
    const wanted = {
      maxFeePerGas: raisedPrice(signed.maxFeePerGas, asked.maxFeePerGas),
      maxPriorityFeePerGas: raisedPrice(signed.maxPriorityFeePerGas, asked.maxPriorityFeePerGas),
    };
    const fees = this.#affordable(wanted, gasLimit, value);
    const isTaken = (["maxFeePerGas", "maxPriorityFeePerGas"] as const).every(
      (name) => fees[name] * 100n >= signed[name] * LEAST_RAISE_PERCENT,
    );
    if (!isTaken) return undefined;
    const raw = await this.#sign({ ...signed, ...fees });
    // Another replica may have been first.
    if (!(await replaceTransaction(database, this.#chainId, kept, { raw, sentAt: new Date(nowMs()) })))
      return undefined;
    onEvent({ kind: "replaced", nonce, maxFeePerGas: fees.maxFeePerGas });
    return raw;
  }

  async #sign({ to, ...call }: Unsigned): Promise<Uint8Array> {
    const { vault } = this.#parts.sessions.current();
    const { raw } = await vault.signTransaction({ ...call, chainId: this.#chainId, to: hexToBytes(to) });
    return raw;
  }
}

interface Unsigned extends Fees {
  nonce: bigint;
  gasLimit: bigint;
  to: Address;
  value: bigint;
  data: Uint8Array;
}

/** What a kept transaction says, where it is one of this nonce that the account signed: what it says may be signed again. */
async function readSigned(
  { raw, nonce: kept }: ChainTransaction,
  account: Address,
): Promise<Unsigned | undefined> {
  try {
    const serializedTransaction = bytesToHex(raw) as TransactionSerializedEIP1559;
    if ((await recoverTransactionAddress({ serializedTransaction })) !== account) return undefined;
    const { nonce = 0, gas, to, value = 0n, data, ...rest } = parseTransaction(serializedTransaction);
    const { maxFeePerGas, maxPriorityFeePerGas = 0n } = rest;
    if (BigInt(nonce) !== kept || !gas || !to || !data || maxFeePerGas === undefined) return undefined;
    const prices = { maxFeePerGas, maxPriorityFeePerGas };
    return { nonce: kept, gasLimit: gas, to, value, data: hexToBytes(data), ...prices };
  } catch {
    return undefined;
  }
}

function least(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

function raisedPrice(before: bigint, now: bigint): bigint {
  const next = (before * RAISE_PERCENT) / 100n + 1n;
  return now > next ? now : next;
}
