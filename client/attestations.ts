/** Who the service is: its keysets, each attested over a nonce of our own, and believed for a while. */
import type { CollateralCache } from "../attestation/index.ts";
import { fromUtf8, toHex } from "../codec/index.ts";
import { keysetDigest, parseAttestation, type AttestationDocument } from "../receipts/index.ts";
import { AffidavitError } from "./errors.ts";
import type { ClientPolicy } from "./policy.ts";
import { reading, refuse } from "./refusals.ts";
import type { Transport } from "./transport.ts";
import { verifyKeyset } from "./verify.ts";
import type { Verification } from "./verification.ts";

/** How long fresh evidence is believed before it is asked for again. */
const LIFETIME_MS = 10 * 60_000;
/** Keysets in use side by side: one is renewed, or several machines answer. */
const MAX_KEYSETS = 16;

export interface Attested {
  document: AttestationDocument;
  verification: Verification;
  fresh: { evidence: NonNullable<AttestationDocument["fresh"]>; nonce: Uint8Array };
  digest: Uint8Array;
  untilMs: number;
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
    const { body } = await transport.send(`/v1/attestation?nonce=${toHex(nonce)}`, { signal });
    const document = reading(() => parseAttestation(fromUtf8(body)));
    if (document.fresh === null) {
      throw new AffidavitError("attestation_invalid", "the server sent no evidence over our nonce");
    }
    const fresh = { evidence: document.fresh, nonce };
    const verification = verifyKeyset(document, { now: now(), policy, fresh, cache });
    refuse(verification, "attestation_rejected");
    const digest = keysetDigest(document.keyset);
    const attested = { document, verification, fresh, digest, untilMs: nowMs + LIFETIME_MS };
    if (this.#known.size >= MAX_KEYSETS) this.#known.clear();
    this.#known.set(toHex(digest), attested);
    this.#newest = attested;
    return attested;
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
