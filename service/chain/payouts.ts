/** Fetches what was earned, to the payee that the vault's policy names, and what was put up for panels that are voted on no more. */
import { getAddress, type Address } from "viem";
import { sha256, utf8 } from "../../codec/index.ts";
import { coordinatorCall, type Coordinator } from "./coordinator.ts";
import type { Sender } from "./sender.ts";

const INTERVAL_MS = 60_000;

interface Parts {
  coordinator: Coordinator;
  sender: Sender;
  payee: Address | undefined;
  /** From how much on, by lower-case token address. */
  payouts: ReadonlyMap<string, bigint>;
  maxBondWei: bigint;
  nowMs: () => number;
  onEvent: (event: PayoutEvent) => void;
}

export type PayoutEvent =
  | { kind: "payout"; token: string; amount: bigint }
  | { kind: "unstaked"; amount: bigint }
  | { kind: "unpaid"; error: unknown };

export class Payouts {
  readonly #parts: Parts;
  #lastMs = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Does nothing where it did something a moment ago. */
  async round(): Promise<void> {
    const { nowMs, onEvent } = this.#parts;
    if (nowMs() - this.#lastMs < INTERVAL_MS) return;
    this.#lastMs = nowMs();
    try {
      await this.#unstake();
      for (const [token, least] of this.#parts.payouts) await this.#withdraw(getAddress(token), least);
    } catch (error) {
      // Later is as good: the money is where it was.
      onEvent({ kind: "unpaid", error });
    }
  }

  async #unstake(): Promise<void> {
    const { coordinator, sender, maxBondWei, onEvent } = this.#parts;
    if (maxBondWei > 0n) return;
    const amount = await coordinator.stake(sender.account);
    const subject = sha256(utf8("affidavit.v1.chain-unstake"));
    if (amount === 0n || (await sender.isUnderWay(subject))) return;
    await sender.send(subject, coordinatorCall(coordinator.address, "unstake", [amount]));
    onEvent({ kind: "unstaked", amount });
  }

  async #withdraw(token: Address, least: bigint): Promise<void> {
    const { coordinator, sender, payee, onEvent } = this.#parts;
    const amount = await coordinator.credit(token, sender.account);
    const subject = sha256(utf8(`affidavit.v1.chain-payout.${token}`));
    if (!payee || amount === 0n || amount < least || (await sender.isUnderWay(subject))) return;
    const to = getAddress(payee);
    await sender.send(subject, coordinatorCall(coordinator.address, "withdraw", [token, to, amount]));
    onEvent({ kind: "payout", token, amount });
  }
}
