/**
 * What the vault does in an hour at most, whoever asks. Of each limit a part is set aside on disk before it is used, so that a vault
 * that is killed and started again has not forgotten: what was set aside counts as used.
 */
import type { VaultLimits } from "../../receipts/index.ts";
import { VaultError } from "../error.ts";
import { OPERATIONS, type OperationName } from "../wire/operations.ts";
import { USED_LIMITS_FILE } from "./key-directory.ts";
import { readPrivateFile, writePrivateFile } from "./private-file.ts";
import { encodeUsedLimits, parseUsedLimits, USED_LIMITS_BYTES, type UsedLimits } from "./used-limits.ts";

const HOUR_MS = 3_600_000;
/** Parts of a limit that are set aside one after another: writes an hour, and starts that use an unused limit up. */
const PARTS = 64;

/** Where the owner's policy says nothing: above what an honest service asks of one vault. */
export const DEFAULT_OPERATIONS_PER_HOUR: Partial<Record<OperationName, number>> = {
  recordKey: 20_000_000,
  openProjections: 1_000_000,
  signRevocation: 1_000,
  signCircuitBinding: 10_000,
  signTransaction: 10_000,
  tendSealingKeys: 10_000,
  giveClusterKeys: 64,
};

/** What tells and changes the limits is not limited: an owner could lock himself out. */
const UNLIMITED: ReadonlySet<string> = new Set<OperationName>(["describe", "readPolicy", "changePolicy"]);

export const NO_OWNERS_LIMITS: VaultLimits = {
  operationsPerHour: new Map(),
  weiPerTransaction: null,
  weiPerHour: null,
  creditAtomic: null,
};

interface Counter {
  used: number;
  setAside: number;
}

interface Parts {
  nowMs: () => number;
  /** Returns when it is on disk. */
  save: (used: UsedLimits) => Promise<void>;
}

/** With what the key directory says was used. @throws VaultError `limits_state_invalid`, `key_directory_unsafe` */
export async function openLimits(nowMs: () => number): Promise<Limits> {
  const file = await readPrivateFile(USED_LIMITS_FILE, USED_LIMITS_BYTES);
  return new Limits({ nowMs, save: saveUsedLimits }, file && parseUsedLimits(file));
}

async function saveUsedLimits(used: UsedLimits): Promise<void> {
  await writePrivateFile(USED_LIMITS_FILE, encodeUsedLimits(used));
}

export class Limits {
  readonly #parts: Parts;
  #limits: VaultLimits = NO_OWNERS_LIMITS;
  #perHour = new Map<string, number>();
  #hour: number;
  #wei: bigint;
  #counters: Map<number, Counter>;
  #turn: Promise<unknown> = Promise.resolve();

  /** @param past of an earlier vault on these keys, if there was one */
  constructor(parts: Parts, past: UsedLimits | undefined) {
    this.#parts = parts;
    this.#hour = past?.hour ?? 0;
    this.#wei = past?.wei ?? 0n;
    const counters = [...(past?.operations ?? [])].map(([kind, setAside]): [number, Counter] => [
      kind,
      { used: setAside, setAside },
    ]);
    this.#counters = new Map(counters);
    this.apply(NO_OWNERS_LIMITS);
  }

  /** That every limit is of something that this vault can limit. @throws VaultError `policy_invalid` */
  check(limits: VaultLimits): void {
    for (const name of limits.operationsPerHour.keys()) {
      if (!Object.hasOwn(OPERATIONS, name) || UNLIMITED.has(name)) throw new VaultError("policy_invalid");
    }
  }

  /** Holds from the next request on. What was used of the hour stays used. @throws VaultError `policy_invalid` */
  apply(limits: VaultLimits): void {
    this.check(limits);
    this.#limits = limits;
    this.#perHour = new Map([...Object.entries(DEFAULT_OPERATIONS_PER_HOUR), ...limits.operationsPerHour]);
  }

  /** By the operation's name. */
  used(): { name: string; used: number; perHour: number }[] {
    this.#roll();
    return [...this.#perHour].map(([name, perHour]) => {
      const used = this.#counters.get(OPERATIONS[name as OperationName].kind)?.used ?? 0;
      return { name, used, perHour };
    });
  }

  /**
   * Takes so many of an operation. Answers at once where enough is set aside.
   * @throws VaultError `limit_reached`, also from the promise
   */
  take(name: OperationName, count: number): Promise<void> | undefined {
    const perHour = this.#perHour.get(name);
    if (perHour === undefined) return undefined;
    this.#roll();
    return this.#takeNow(name, count) ? undefined : this.#inTurn(() => this.#setAside(name, count));
  }

  /**
   * Takes what a transaction may cost, on disk before it is signed.
   * @throws VaultError `limit_reached`
   */
  async takeWei(wei: bigint): Promise<void> {
    const { weiPerTransaction, weiPerHour } = this.#limits;
    if (weiPerTransaction !== null && wei > weiPerTransaction) throw new VaultError("limit_reached");
    if (weiPerHour === null) return;
    await this.#inTurn(async () => {
      this.#roll();
      if (this.#wei + wei > weiPerHour) throw new VaultError("limit_reached");
      await this.#save({ wei: this.#wei + wei });
      this.#wei += wei;
    });
  }

  /** @throws VaultError `limit_reached` */
  requireCredit(amountAtomic: bigint): void {
    const { creditAtomic } = this.#limits;
    if (creditAtomic !== null && amountAtomic > creditAtomic) throw new VaultError("limit_reached");
  }

  #takeNow(name: OperationName, count: number): boolean {
    const counter = this.#counters.get(OPERATIONS[name].kind);
    const left = Math.min(counter?.setAside ?? 0, this.#perHour.get(name)!) - (counter?.used ?? 0);
    if (count > left) return false;
    if (counter) counter.used += count;
    return true;
  }

  async #setAside(name: OperationName, count: number): Promise<void> {
    this.#roll();
    // Who came before may have set enough aside for this one too; or the owner lifted the limit meanwhile.
    const perHour = this.#perHour.get(name);
    if (perHour === undefined || this.#takeNow(name, count)) return;
    const { kind } = OPERATIONS[name];
    const counter = this.#counters.get(kind) ?? { used: 0, setAside: 0 };
    const needed = counter.used + count;
    if (needed > perHour) throw new VaultError("limit_reached");
    const setAside = Math.max(counter.setAside, Math.min(perHour, needed + Math.ceil(perHour / PARTS)));
    const hour = this.#hour;
    await this.#save({ kind, setAside });
    // In the next hour it is not of that hour any more.
    if (this.#hour === hour) {
      counter.setAside = setAside;
      this.#counters.set(kind, counter);
    }
    // Meanwhile others may have used up what was set aside before.
    await this.#setAside(name, count);
  }

  async #save({ wei = this.#wei, kind, setAside }: { wei?: bigint; kind?: number; setAside?: number }) {
    const operations = new Map([...this.#counters].map(([number, counter]) => [number, counter.setAside]));
    if (kind !== undefined) operations.set(kind, setAside!);
    await this.#parts.save({ hour: this.#hour, wei, operations });
  }

  /** A clock that steps back stays in the hour that it was in. */
  #roll(): void {
    const hour = Math.floor(this.#parts.nowMs() / HOUR_MS);
    if (hour <= this.#hour) return;
    this.#hour = hour;
    this.#wei = 0n;
    this.#counters = new Map();
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return done;
  }
}
