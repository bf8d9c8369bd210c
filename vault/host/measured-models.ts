/** Models measured into the TEE's register before they may answer, and what a verifier replays. */
import { equal, toHex } from "../../codec/index.ts";
import { parseQuote } from "../../attestation/index.ts";
import type { MeasurementRegister } from "../../attestation/attest/index.ts";
import {
  MAX_MEASURED_MODELS,
  modelEventDigest,
  replayMeasuredModels,
  type MeasuredModels,
} from "../../receipts/index.ts";
import { VaultError } from "../error.ts";

export class ModelMeasurements {
  readonly #register: MeasurementRegister | undefined;
  readonly #log: (line: string) => void;
  readonly #modelIds = new Map<string, Uint8Array>();
  #before: Uint8Array | undefined;

  constructor(register: MeasurementRegister | undefined, log: (line: string) => void) {
    this.#register = register;
    this.#log = log;
  }

  get isOffered(): boolean {
    return this.#register !== undefined;
  }

  /** One at a time. @throws VaultError `measurement_failed`, `request_too_large` */
  async measure(modelId: Uint8Array): Promise<boolean> {
    if (!this.#register) return false;
    const name = toHex(modelId);
    if (this.#modelIds.has(name)) return true;
    if (this.#modelIds.size >= MAX_MEASURED_MODELS) throw new VaultError("request_too_large");
    try {
      this.#before ??= await this.#register.read();
      await this.#register.extend(modelEventDigest(modelId));
    } catch (cause) {
      this.#log(`model not measured: ${cause instanceof Error ? cause.message : "unknown reason"}`);
      throw new VaultError("measurement_failed", { cause });
    }
    this.#modelIds.set(name, modelId);
    return true;
  }

  /** What leads to the register of this TDX quote; null where nothing of ours does. */
  shownBy(quote: Uint8Array): MeasuredModels | null {
    if (!this.#before || this.#modelIds.size === 0) return null;
    const measured = { register: 3, before: this.#before, modelIds: [...this.#modelIds.values()] } as const;
    const { body } = parseQuote(quote);
    if (body.kind !== "sgx" && equal(body.rtmr[3], replayMeasuredModels(measured))) return measured;
    this.#log("the measured models do not lead to the quote's register: somebody else extended it");
    return null;
  }
}
