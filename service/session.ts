/** A session: one vault and its keyset, which is attested and logged before its first use and renewed before it ends. */
import { equal, type Json } from "../codec/index.ts";
import type {
  KeysetParameters,
  SignedStatement,
  Ticket,
  Vault,
  SignedInference,
  VaultEvidence,
} from "../vault/index.ts";
import type { DstackAlgorithm, NoncedEvidence } from "../receipts/index.ts";
import { ServiceError } from "./problem.ts";

const DRAW = 256;
const LOW = 64;
/** A ticket lives ten minutes in the vault; none is handed out that could end while its request runs. */
const TICKET_LIFETIME_MS = 4 * 60_000;

export interface AttestedKeyset {
  text: string;
  /** SHA-256 of the text: 32 bytes. */
  digest: Uint8Array;
  notAfterMs: number;
  /** What the vault built it from: the same parameters give the same text again. */
  parameters: KeysetParameters;
  /** The part of every bundle that tells where the keyset comes from. */
  evidence: NoncedEvidence;
  endorsements: Json;
  statement: { words: Uint8Array; digest: Uint8Array; signature: Uint8Array };
  leafIndex: bigint;
  /** The signed note that was the newest when the evidence was made. */
  attestedCheckpoint: string;
}

export class Session {
  readonly vault: Vault;
  readonly #nowMs: () => number;
  #keyset: AttestedKeyset;
  /** Whether the vault has this keyset installed. */
  #usable = true;
  #signing = 0;
  #renewal: Promise<unknown> | undefined;
  #idle: (() => void) | undefined;
  #tickets: { ticket: Ticket; drawnAtMs: number }[] = [];
  #drawing: Promise<void> | undefined;

  constructor(vault: Vault, keyset: AttestedKeyset, nowMs: () => number) {
    this.vault = vault;
    this.#keyset = keyset;
    this.#nowMs = nowMs;
  }

  get keyset(): AttestedKeyset {
    return this.#keyset;
  }

  /**
   * Signs under the keyset in use; waits while that changes.
   * @throws ServiceError `session_unavailable` where the vault has no keyset that the log holds; VaultError
   */
  sign(...statement: Parameters<Vault["signInference"]>): Promise<SignedInference> {
    return this.signWith((vault) => vault.signInference(...statement));
  }

  /**
   * As `sign`, any other statement: none may stand before its keyset in the log.
   * @throws ServiceError `session_unavailable`; VaultError
   */
  async signWith<T extends SignedStatement>(ask: (vault: Vault) => Promise<T>): Promise<T> {
    while (this.#renewal) await this.#renewal;
    if (!this.#usable) throw unlogged();
    this.#signing++;
    try {
      const signed = await ask(this.vault);
      if (!equal(signed.keysetDigest, this.#keyset.digest)) throw unlogged();
      return signed;
    } finally {
      if (--this.#signing === 0) this.#idle?.();
    }
  }

  /**
   * Evidence over a caller's nonce, and the keyset that it is for. Waits while that changes: callers are many and
   * nameless, and would use up what the vault allows just when the next keyset needs evidence of its own.
   * @throws ServiceError `session_unavailable`; VaultError
   */
  async quote(nonce: Uint8Array | null): Promise<VaultEvidence & { keysetDigest: Uint8Array }> {
    while (this.#renewal) await this.#renewal;
    if (!this.#usable) throw unlogged();
    const { digest } = this.#keyset;
    return { keysetDigest: digest, ...(await this.vault.quote(nonce)) };
  }

  /**
   * As `quote`, over one signing key instead of the keyset.
   * @throws ServiceError `session_unavailable`; VaultError
   */
  async quoteSigner(
    algorithm: DstackAlgorithm,
    nonce: Uint8Array,
  ): Promise<{ keysetText: string; type: string; quote: Uint8Array }> {
    while (this.#renewal) await this.#renewal;
    if (!this.#usable) throw unlogged();
    const { text } = this.#keyset;
    return { keysetText: text, ...(await this.vault.quoteSigner(algorithm, nonce)) };
  }

  /**
   * Runs `attest`, which installs another keyset, while nothing is signed: from its installation to the commit of its
   * `Keyset` statement the vault would sign under a keyset that nobody can look up. Where it fails the old one is put
   * back; where that fails too, nothing is signed until a later renewal succeeds.
   */
  async renew(attest: () => Promise<AttestedKeyset>): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#renewal = promise;
    try {
      if (this.#signing > 0) await new Promise<void>((done) => (this.#idle = done));
      this.#keyset = await attest();
      this.#usable = true;
    } catch (error) {
      this.#usable = await this.#reinstall();
      throw error;
    } finally {
      this.#idle = undefined;
      this.#renewal = undefined;
      resolve();
    }
  }

  async #reinstall(): Promise<boolean> {
    try {
      const { digest } = await this.vault.installKeyset(this.#keyset.parameters);
      return equal(digest, this.#keyset.digest);
    } catch {
      return false;
    }
  }

  /** What the vault will sign for once. @throws VaultError */
  async ticket(): Promise<Ticket> {
    for (;;) {
      const held = this.#tickets.pop();
      if (this.#tickets.length < LOW) this.#draw();
      if (held && this.#nowMs() - held.drawnAtMs < TICKET_LIFETIME_MS) return held.ticket;
      if (!held) await this.#drawing;
    }
  }

  #draw(): void {
    if (this.#drawing) return;
    const drawnAtMs = this.#nowMs();
    this.#drawing = this.vault.drawTickets(DRAW).then((drawn) => {
      // The oldest wait at the end, so that fresh ones are popped first and stale ones are dropped in one sweep.
      this.#tickets = this.#tickets.filter((kept) => drawnAtMs - kept.drawnAtMs < TICKET_LIFETIME_MS);
      this.#tickets.push(...drawn.map((ticket) => ({ ticket, drawnAtMs })));
      this.#drawing = undefined;
    });
    // A failed draw is told to whoever waits for it; the next caller tries again.
    this.#drawing.catch(() => (this.#drawing = undefined));
  }
}

function unlogged(): ServiceError {
  return new ServiceError("session_unavailable", "the vault's keyset is not in the log yet");
}

/** Holds the session in use. */
export class SessionHolder {
  #session: Session | undefined;

  /** @throws ServiceError `session_unavailable` between two sessions */
  current(): Session {
    if (!this.#session) throw new ServiceError("session_unavailable", "the vault is being started again");
    return this.#session;
  }

  /** The session in use, if there is one. */
  peek(): Session | undefined {
    return this.#session;
  }

  isCurrent(session: Session): boolean {
    return this.#session === session;
  }

  replace(session: Session | undefined): Session | undefined {
    const previous = this.#session;
    this.#session = session;
    return previous;
  }
}
