/** Who the service is: its keysets, each attested over a nonce of our own, and what it revoked; believed for a while. */
import type { CollateralCache } from "../attestation/index.ts";
import { fromUtf8, toHex } from "../codec/index.ts";
import {
  keysetDigest,
  MAX_REVOCATIONS_BYTES,
  parseAttestation,
  parseKeyset,
  parseRevocations,
  type AttestationDocument,
  type Revocation,
} from "../receipts/index.ts";
import { AffidavitError } from "./errors.ts";
import { hpkeKeysOf } from "../sealing/index.ts";
import type { ClientPolicy } from "./policy.ts";
import { reading, refuse } from "./refusals.ts";
import type { Transport } from "./transport.ts";
import { verifyKeyset } from "./verify.ts";
import type { Verification } from "./verification.ts";

/** How long fresh evidence, and a list of revocations, is believed before it is asked for again. */
const LIFETIME_MS = 10 * 60_000;
/** Keysets in use side by side: one is renewed, or several machines answer. */
const MAX_KEYSETS = 16;
/** What another status than the expected one becomes. */
const STATUSES: ReadonlySet<string> = new Set(["request_rejected", "unauthorized", "server_error"]);

export interface Attested {
  document: AttestationDocument;
  verification: Verification;
  fresh: { evidence: NonNullable<AttestationDocument["fresh"]>; nonce: Uint8Array };
  digest: Uint8Array;
  /** What requests are sealed to: X25519, 32 bytes; undefined where the service takes no sealed requests. */
  sealingKey: Uint8Array | undefined;
  untilMs: number;
}

/** As `verifyReceipt` takes it. */
export interface Listed {
  revocations: readonly Revocation[];
  revocationsAskedAt: Date;
}

export interface AttestationParts {
  transport: Transport;
  policy: ClientPolicy;
  now: () => Date;
  randomBytes: (length: number) => Uint8Array;
  cache: CollateralCache;
}

export class Attestations {
  readonly #parts: AttestationParts;
  readonly #known = new Map<string, Attested>();
  #newest: Attested | undefined;
  #listed: Listed | undefined;
  #asked = 0;
  #listedBy = 0;
  #pending: Promise<Attested> | undefined;

  constructor(parts: AttestationParts) {
    this.#parts = parts;
  }

  /** An attested keyset; asked for once, however many calls wait for it. @throws AffidavitError */
  async current(signal: AbortSignal | undefined): Promise<Attested> {
    if (this.#newest && this.#isGood(this.#newest)) return this.#newest;
    return await this.#shared(signal);
  }

  /** The keyset that an answer names, where the service still attests it. @throws AffidavitError */
  async of(digest: Uint8Array, signal: AbortSignal | undefined): Promise<Attested | undefined> {
    const name = toHex(digest);
    // Twice, since the first may be the end of an exchange that began before the service changed its keyset.
    for (let asked = 0; ; asked++) {
      const known = this.#known.get(name);
      if (known && this.#isGood(known)) return known;
      if (asked === 2) return undefined;
      await this.#shared(signal);
    }
  }

  /** Asks, whatever is known. @throws AffidavitError */
  async ask(signal: AbortSignal | undefined): Promise<Attested> {
    const { transport, policy, now, randomBytes, cache } = this.#parts;
    const nowMs = now().getTime();
    const nonce = randomBytes(32);
    const [{ body }, listed] = await Promise.all([
      transport.send(`/v1/attestation?nonce=${toHex(nonce)}`, { signal }),
      this.#askRevocations(signal),
    ]);
    const document = reading(() => parseAttestation(fromUtf8(body)));
    if (document.fresh === null) {
      throw new AffidavitError("attestation_invalid", "the server sent no evidence over our nonce");
    }
    const fresh = { evidence: document.fresh, nonce };
    const verification = verifyKeyset(document, { now: now(), policy, fresh, cache, ...listed });
    const digest = keysetDigest(document.keyset);
    if (verification.verdict === "rejected") this.#forget(digest);
    refuse(verification, "attestation_rejected");
    const [sealingKey] = hpkeKeysOf(parseKeyset(document.keyset).encryptionKeys);
    const attested = {
      document,
      verification,
      fresh,
      digest,
      sealingKey: sealingKey?.publicKey,
      untilMs: nowMs + LIFETIME_MS,
    };
    if (this.#known.size >= MAX_KEYSETS) this.#known.clear();
    this.#known.set(toHex(digest), attested);
    this.#newest = attested;
    return attested;
  }

  /** What the service revoked, as it said not longer ago than evidence is believed. @throws AffidavitError */
  async revocations(signal?: AbortSignal): Promise<Listed> {
    const known = this.#listed;
    const nowMs = this.#parts.now().getTime();
    if (known && known.revocationsAskedAt.getTime() + LIFETIME_MS > nowMs) return known;
    return await this.#askRevocations(signal);
  }

  async #askRevocations(signal: AbortSignal | undefined): Promise<Listed> {
    const asked = ++this.#asked;
    const revocationsAskedAt = this.#parts.now();
    const body = await readRevocations(this.#parts.transport, signal);
    const listed = { revocations: reading(() => parseRevocations(fromUtf8(body))), revocationsAskedAt };
    // An answer that was overtaken must not bring back a list from before a revocation.
    if (asked > this.#listedBy) {
      this.#listedBy = asked;
      this.#listed = listed;
    }
    return this.#listed ?? listed;
  }

  /** A keyset that is refused by now was believed perhaps. */
  #forget(digest: Uint8Array): void {
    const name = toHex(digest);
    if (this.#newest && this.#newest === this.#known.get(name)) this.#newest = undefined;
    this.#known.delete(name);
  }

  #isGood({ untilMs }: Attested): boolean {
    return untilMs > this.#parts.now().getTime();
  }

  async #shared(signal: AbortSignal | undefined): Promise<Attested> {
    if (signal?.aborted) throw cancelled();
    if (!this.#pending) {
      // Not under the signal of one of the calls that wait: its end is not theirs.
      this.#pending = this.ask(undefined).finally(() => (this.#pending = undefined));
      // Where every call was cancelled nobody is left to hear of a failure.
      this.#pending.catch(() => undefined);
    }
    return await unlessAborted(this.#pending, signal);
  }
}

/** Public; where the service does not answer it, what it revoked cannot be known. @throws AffidavitError */
async function readRevocations(transport: Transport, signal: AbortSignal | undefined): Promise<Uint8Array> {
  try {
    return (await transport.send("/v1/revocations", { signal, maxBytes: MAX_REVOCATIONS_BYTES })).body;
  } catch (cause) {
    if (!(cause instanceof AffidavitError) || !STATUSES.has(cause.code)) throw cause;
    const detail = cause.detail ?? cause.code;
    throw new AffidavitError("revocations_unavailable", `the list of revocations: ${cause.message}`, {
      detail,
      cause,
    });
  }
}

function cancelled(): AffidavitError {
  return new AffidavitError("cancelled", "the call was cancelled");
}

/** @throws AffidavitError `cancelled` */
async function unlessAborted<T>(pending: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return await pending;
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(cancelled());
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([pending, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
