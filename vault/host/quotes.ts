/** Quotes over the vault's own keyset: nobody else chooses the report data. */
import { sha256 } from "../../codec/index.ts";
import type { Attester, Collected, GpuAttester } from "../../attestation/attest/index.ts";
import { dstackReportData, evidenceDigest, gpuNonce, reportData } from "../../receipts/index.ts";
import { VaultError } from "../error.ts";
import type { QuotedEvidence } from "../wire/evidence.ts";
import { airMeasurements } from "./air-measurements.ts";
import type { Keysets } from "./keysets.ts";
import type { ModelMeasurements } from "./measured-models.ts";
import { RateLimit } from "./rate.ts";

/** Quote devices are slow and shared with the whole machine. */
const BURST = 32;
const PER_SECOND = 16;
const DEVICE_TIMEOUT_MS = 30_000;

interface Parts {
  attester: Attester;
  gpuAttester: GpuAttester | undefined;
  measurements: ModelMeasurements;
  keysets: Keysets;
  nowMs: () => number;
  log: (line: string) => void;
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
   * One at a time: quote, then GPUs.
   * @throws VaultError `keyset_missing`, `keyset_expired`, `quote_rate_limited`, `quote_failed`
   */
  async quote(nonce: Uint8Array | null): Promise<QuotedEvidence> {
    const { attester, gpuAttester, keysets, measurements, nowMs } = this.#parts;
    const keyset = keysets.current(nowMs());
    const { type } = attester;
    const quoted = await this.#make(reportData(keyset.digest, nonce), async ({ quote, certificates }) => ({
      type,
      quote,
      certificates,
      gpu: gpuAttester && {
        type: gpuAttester.type,
        quote: await gpuAttester.collect(gpuNonce(keyset.digest, nonce)),
      },
      measuredModels: measurements.shownBy(quote) ?? undefined,
    }));
    const digest = sha256(quoted.quote);
    keyset.rememberQuote(evidenceDigest(quoted), { digest, measurements: airMeasurements(quoted) });
    return { ...quoted, gpu: quoted.gpu ?? null, measuredModels: quoted.measuredModels ?? null };
  }

  /**
   * Over one signing key's name and a nonce, as dstack's verifiers read it.
   * @param signer its 20-byte address or 32-byte Ed25519 key
   * @throws VaultError `quote_rate_limited`, `quote_failed`
   */
  quoteSigner(signer: Uint8Array, nonce32: Uint8Array): Promise<{ type: string; quote: Uint8Array }> {
    const { type } = this.#parts.attester;
    return this.#make(dstackReportData(signer, nonce32), async ({ quote }) => ({ type, quote }));
  }

  /** Over report data that another part of the vault made. @throws VaultError `quote_rate_limited`, `quote_failed` */
  quoteFor(
    reportData64: Uint8Array,
  ): Promise<{ type: string; quote: Uint8Array; certificates: readonly Uint8Array[] }> {
    const { type } = this.#parts.attester;
    return this.#make(reportData64, async ({ quote, certificates }) => ({ type, quote, certificates }));
  }

  /** Waits for quotes under way: each shows the register as it is. @throws VaultError `measurement_failed` */
  measure(modelId: Uint8Array): Promise<boolean> {
    return this.#next(() => this.#parts.measurements.measure(modelId));
  }

  async #make<T>(reportData64: Uint8Array, complete: (collected: Collected) => Promise<T>): Promise<T> {
    if (!this.#limit.take()) throw new VaultError("quote_rate_limited");
    const collect = async (): Promise<T> => complete(await this.#parts.attester.collect(reportData64));
    try {
      return await this.#next(() => within(collect()));
    } catch (cause) {
      this.#parts.log(`quote failed: ${cause instanceof Error ? cause.message : "unknown reason"}`);
      throw new VaultError("quote_failed", { cause });
    }
  }

  /** The device is the whole machine's, and serves one at a time. */
  #next<T>(work: () => Promise<T>): Promise<T> {
    const made = this.#device.then(work);
    this.#device = made.catch(() => undefined);
    return made;
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
