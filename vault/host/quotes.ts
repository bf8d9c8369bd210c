/** Quotes over the vault's own keyset: nobody else chooses the report data. */
import { sha256 } from "../../codec/index.ts";
import type { Attester } from "../../attestation/attest/index.ts";
import { dstackReportData, reportData } from "../../receipts/index.ts";
import { VaultError } from "../error.ts";
import { airMeasurements } from "./air-measurements.ts";
import type { Keysets } from "./keysets.ts";
import { RateLimit } from "./rate.ts";

/** Quote devices are slow and shared with the whole machine. */
const BURST = 32;
const PER_SECOND = 16;
const DEVICE_TIMEOUT_MS = 30_000;

interface Parts {
  attester: Attester;
  keysets: Keysets;
  nowMs: () => number;
  log: (line: string) => void;
}

interface Quoted {
  type: string;
  quote: Uint8Array;
}

export class Quotes {
  readonly #parts: Parts;
  readonly #limit: RateLimit;
  #device: Promise<unknown> = Promise.resolve();

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#limit = new RateLimit(BURST, PER_SECOND, parts.nowMs);
  }

  /**
   * One quote at a time.
   * @throws VaultError `keyset_missing`, `keyset_expired`, `quote_rate_limited`, `quote_failed`
   */
  async quote(nonce: Uint8Array | null): Promise<Quoted> {
    const keyset = this.#parts.keysets.current(this.#parts.nowMs());
    const quoted = await this.#make(reportData(keyset.digest, nonce));
    keyset.rememberQuote({ digest: sha256(quoted.quote), measurements: airMeasurements(quoted) });
    return quoted;
  }

  /**
   * Over one signing key's name and a nonce, as dstack's verifiers read it.
   * @param signer its 20-byte address or 32-byte Ed25519 key
   * @throws VaultError `quote_rate_limited`, `quote_failed`
   */
  quoteSigner(signer: Uint8Array, nonce32: Uint8Array): Promise<Quoted> {
    return this.#make(dstackReportData(signer, nonce32));
  }

  async #make(reportData64: Uint8Array): Promise<Quoted> {
    if (!this.#limit.take()) throw new VaultError("quote_rate_limited");
    const made = this.#device.then(() => within(this.#parts.attester.quote(reportData64)));
    this.#device = made.catch(() => undefined);
    try {
      return { type: this.#parts.attester.type, quote: await made };
    } catch (cause) {
      this.#parts.log(`quote failed: ${cause instanceof Error ? cause.message : "unknown reason"}`);
      throw new VaultError("quote_failed", { cause });
    }
  }
}

async function within<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("the quote device did not answer in time")), DEVICE_TIMEOUT_MS);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
