/** Sends bodies to a service that was attested before: sealed to its keyset's key, or in the clear where that was asked for. */
import { equal, toHex } from "../codec/index.ts";
import type { Body } from "../receipts/index.ts";
import type { Attestations } from "./attestations.ts";
import { AffidavitError } from "./errors.ts";
import { Sealer } from "./sealed-exchange.ts";
import type { Answer, Transport } from "./transport.ts";

export interface Posted {
  headers: Record<string, string>;
  request: Body;
  /** 32 bytes. */
  salt: Uint8Array;
  signal: AbortSignal | undefined;
}

export class Sender {
  readonly #transport: Transport;
  readonly #attestations: Attestations;
  readonly #seals: boolean;
  #sealer: Sealer | undefined;

  constructor(transport: Transport, attestations: Attestations, seals: boolean) {
    this.#transport = transport;
    this.#attestations = attestations;
    this.#seals = seals;
  }

  /** @throws AffidavitError */
  async post(path: string, { headers, request, salt, signal }: Posted): Promise<Answer> {
    // Before anything is sent: who is it that would read it?
    const attested = await this.#attestations.current(signal);
    if (!this.#seals) {
      return await this.#transport.send(path, {
        method: "POST",
        headers: { ...headers, "Affidavit-Salt": toHex(salt) },
        body: request.bytes as Uint8Array<ArrayBuffer>,
        signal,
      });
    }
    const send = async (key: Uint8Array | undefined): Promise<Answer> => {
      if (!key) throw new AffidavitError("sealing_unavailable", "the keyset has no key to seal to");
      const sealed = await this.#sealerTo(key).seal(request.bytes, salt);
      return await this.#transport.send(path, { method: "POST", headers, sealed, signal });
    };
    try {
      return await send(attested.sealingKey);
    } catch (error) {
      if (!(error instanceof AffidavitError) || error.detail !== "sealed_key_unknown") throw error;
      // The service has another key by now, and did nothing with what it could not open.
      const { sealingKey } = await this.#attestations.ask(signal);
      return await send(sealingKey);
    }
  }

  #sealerTo(key: Uint8Array): Sealer {
    if (!this.#sealer || !equal(this.#sealer.publicKey, key)) this.#sealer = new Sealer(key);
    return this.#sealer;
  }
}
