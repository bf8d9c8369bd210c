/** Which output was signed for which request of a contract: a request has one answer. */
import { toHex } from "../../codec/index.ts";
import { VaultError } from "../error.ts";

const MAX_REMEMBERED = 65_536;

/** Remembers what one vault signed; across vaults the service's database decides, as for every request id. */
export class ChainAnswers {
  readonly #outputs = new Map<string, string>();

  /** @throws VaultError `chain_answered` where another output was signed */
  record(requestId: Uint8Array, outputDigest: Uint8Array): void {
    const key = toHex(requestId);
    const output = toHex(outputDigest);
    const signed = this.#outputs.get(key);
    if (signed !== undefined && signed !== output) throw new VaultError("chain_answered");
    this.#outputs.set(key, output);
    if (this.#outputs.size > MAX_REMEMBERED) this.#outputs.delete(this.#outputs.keys().next().value!);
  }
}
