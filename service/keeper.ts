/**
 * Keeps a session in use: starts a vault, attests and logs its keyset, renews the keyset before it ends, and starts again
 * when the vault dies. Between a death and the next session the service answers 503.
 */
import { setTimeout as sleep } from "node:timers/promises";
import {
  startVault,
  type BalancesPolicy,
  type ChainPolicy,
  type SealingKeyInfo,
  type SealingRotation,
  type Tending,
  type Vault,
} from "../vault/index.ts";
import { parseKeyset } from "../receipts/index.ts";
import { attestKeyset, type AttestOptions } from "./attest-keyset.ts";
import { Session, SessionHolder, type AttestedKeyset } from "./session.ts";

export interface KeeperOptions extends Omit<AttestOptions, "vault" | "nowMs"> {
  keyDirectory: string;
  /** Which attester the vault opens. */
  attestation: string;
  /** Which attester of GPUs. */
  gpuAttestation?: string;
  /** What models are measured into. */
  measurementRegister?: string;
  /** The Ed25519 key of the owner of models that name none: 32 bytes; undefined for nobody. */
  owner?: Uint8Array | undefined;
  /** Looks at a started vault before it attests and signs anything. @throws where it is not to be used */
  accept?: (vault: Vault) => Promise<void>;
  /** What the chain key signs. */
  chain?: ChainPolicy | undefined;
  /** Encrypted balances; off where undefined. */
  balances?: BalancesPolicy | undefined;
  /** What the key file is sealed under. */
  keyWrap?: string | undefined;
  /** How HPKE keys are rotated. */
  sealing?: SealingRotation | undefined;
  /** The appraisal policy, JSON text, for workers elsewhere; they get nothing where undefined. */
  workers?: string | undefined;
  nowMs: () => number;
  /** Where the session in use is found, also before the first. */
  holder?: SessionHolder;
  /** A vault that answers nothing for so long is ended and replaced (15,000). */
  silenceMs?: number;
  /** How often HPKE keys are looked after (60,000). */
  tendMs?: number;
  onLine: (line: string) => void;
  onEvent: (event: KeeperEvent) => void;
}

export type KeeperEvent =
  | { kind: "session"; session: Session }
  | { kind: "renewed"; session: Session }
  | { kind: "vault_silent" }
  | { kind: "vault_died" }
  | { kind: "failed"; error: unknown };

/** A renewed keyset comes into use when this part of the old one's life is over. */
const RENEW_AFTER = 0.8;
const FIRST_RETRY_MS = 200;
const LONGEST_RETRY_MS = 10_000;
const DEFAULT_SILENCE_MS = 15_000;
const DEFAULT_TEND_MS = 60_000;
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export class Keeper {
  readonly holder: SessionHolder;
  readonly #options: KeeperOptions;
  readonly #stopping = new AbortController();
  #vault: Vault | undefined;
  #renewal: NodeJS.Timeout | undefined;
  /** A start or renewal under way, which `stop` waits for: it may hold a vault that nobody else knows. */
  #work: Promise<void> = Promise.resolve();

  private constructor(options: KeeperOptions) {
    this.#options = options;
    this.holder = options.holder ?? new SessionHolder();
  }

  /** @throws VaultError, DatabaseError why the first session could not begin */
  static async start(options: KeeperOptions): Promise<Keeper> {
    const keeper = new Keeper(options);
    try {
      await keeper.#begin();
    } catch (error) {
      await keeper.stop();
      throw error;
    }
    return keeper;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    clearTimeout(this.#renewal);
    this.holder.replace(undefined);
    await this.#vault?.close();
    await this.#work;
  }

  async #begin(): Promise<void> {
    const { onLine, nowMs } = this.#options;
    const vault = await startVault({ ...this.#options, log: onLine });
    try {
      this.#stopping.signal.throwIfAborted();
      await this.#options.accept?.(vault);
      this.#vault = vault;
      // Before its keyset is made: one that is due is listed at once.
      await vault.tendSealingKeys("look");
      const session = new Session(vault, await this.#attest(vault), nowMs);
      this.#stopping.signal.throwIfAborted();
      this.holder.replace(session);
      void vault.exited.then(() => this.#died(session));
      void this.#watch(session);
      void this.#tend(session);
      this.#scheduleRenewal(session);
      this.#options.onEvent({ kind: "session", session });
    } catch (error) {
      await vault.close();
      throw error;
    }
  }

  #attest(vault: Vault): Promise<AttestedKeyset> {
    return attestKeyset({ ...this.#options, vault, nowMs: this.#options.nowMs() });
  }

  #died(session: Session): void {
    if (this.#stopping.signal.aborted || !this.holder.isCurrent(session)) return;
    this.holder.replace(undefined);
    this.#options.onEvent({ kind: "vault_died" });
    void this.#inTurn(() => this.#beginAgain());
  }

  /** A process that hangs never exits by itself: every call to it would wait for ever, and a shutdown with them. */
  async #watch(session: Session): Promise<void> {
    const silenceMs = this.#options.silenceMs ?? DEFAULT_SILENCE_MS;
    for (;;) {
      await sleep(silenceMs / 3, undefined, { ref: false });
      if (!this.holder.isCurrent(session)) return;
      // A refusal is an answer too; a vault that is gone ends the session by itself.
      const asked = session.vault.describe().then(
        () => "answered",
        () => "answered",
      );
      const silent = sleep(silenceMs, "silent", { ref: false });
      if ((await Promise.race([asked, silent])) === "answered") continue;
      this.#options.onEvent({ kind: "vault_silent" });
      return await session.vault.close();
    }
  }

  /**
   * Looks after the HPKE keys, and makes another where that is asked. Once this resolves they are attested, logged and listed.
   * @throws ServiceError `session_unavailable`; VaultError `sealing_keys_limit`; what a renewal throws: the next look goes on
   */
  async tendSealingKeys(how: Tending): Promise<SealingKeyInfo[]> {
    const session = this.holder.current();
    return await this.#inTurn(() => this.#tendKeys(session, how));
  }

  async #tend(session: Session): Promise<void> {
    for (;;) {
      await sleep(this.#options.tendMs ?? DEFAULT_TEND_MS, undefined, { ref: false });
      if (!this.holder.isCurrent(session)) return;
      try {
        await this.#inTurn(() => this.#tendKeys(session, "look"));
      } catch (error) {
        if (this.holder.isCurrent(session)) this.#options.onEvent({ kind: "failed", error });
      }
    }
  }

  /** The vault's keys first; then a keyset that lists just these. */
  async #tendKeys(session: Session, how: Tending): Promise<SealingKeyInfo[]> {
    const keys = await session.vault.tendSealingKeys(how);
    const wanted = keys.map(({ epoch }) => String(epoch)).join();
    const listed = parseKeyset(session.keyset.text).encryptionKeys.map(({ keyId }) => keyId);
    if (listed.join() !== wanted) await this.#renewNow(session);
    return keys;
  }

  /** Starts, renewals and rotations come one after another. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#work.then(work);
    this.#work = done.then(
      () => undefined,
      () => undefined,
    );
    return done;
  }

  async #renewNow(session: Session): Promise<void> {
    await session.renew(() => this.#attest(session.vault));
    if (this.holder.isCurrent(session)) this.#scheduleRenewal(session);
    this.#options.onEvent({ kind: "renewed", session });
  }

  #scheduleRenewal(session: Session): void {
    const left = session.keyset.notAfterMs - this.#options.nowMs();
    this.#renewIn(session, left * RENEW_AFTER, FIRST_RETRY_MS);
  }

  #renewIn(session: Session, delayMs: number, retryMs: number): void {
    clearTimeout(this.#renewal);
    const start = () => void this.#inTurn(() => this.#renew(session, retryMs));
    this.#renewal = setTimeout(start, Math.min(delayMs, LONGEST_TIMER_MS)).unref();
  }

  async #renew(session: Session, retryMs: number): Promise<void> {
    // Its vault died: the session that comes has a keyset of its own.
    if (!this.holder.isCurrent(session)) return;
    try {
      await this.#renewNow(session);
    } catch (error) {
      this.#options.onEvent({ kind: "failed", error });
      const next = Math.min(2 * retryMs, LONGEST_RETRY_MS);
      if (this.holder.isCurrent(session)) this.#renewIn(session, retryMs, next);
    }
  }

  async #beginAgain(): Promise<void> {
    for (
      let retryMs = FIRST_RETRY_MS;
      !this.#stopping.signal.aborted;
      retryMs = Math.min(2 * retryMs, LONGEST_RETRY_MS)
    ) {
      try {
        return await this.#begin();
      } catch (error) {
        if (this.#stopping.signal.aborted) return;
        this.#options.onEvent({ kind: "failed", error });
        await sleep(retryMs, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
      }
    }
  }
}
