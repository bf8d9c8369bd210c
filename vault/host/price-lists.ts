/** The price lists that the service's owner signed: the newest is in force, older ones hold for the allowances that name them. */
import { BalanceError, priceListDigest, verifyPriceList, type PriceList } from "../../balances/client.ts";
import { equal, toHex, toHex0x } from "../../codec/index.ts";
import { VaultError } from "../error.ts";
import type { SignedWords } from "../wire/operations.ts";
import type { Statements } from "./statements.ts";

/** Lists that are remembered; an allowance of a forgotten one can be closed and not be spent. */
const MAX_LISTS = 64;

export class PriceLists {
  /** Ed25519, 32 bytes: whose lists count; undefined for nobody's. */
  readonly #owner: Uint8Array | undefined;
  readonly #lists = new Map<string, PriceList>();
  #newest: { digest: Uint8Array; version: bigint } | undefined;

  constructor(owner: Uint8Array | undefined) {
    this.#owner = owner;
  }

  /** SHA-256 of the list in force; undefined before the first. */
  get current(): Uint8Array | undefined {
    return this.#newest?.digest;
  }

  /**
   * Puts a list in force and states it. The same again is stated again.
   * @throws VaultError `document_invalid`, `owner_unknown`, `price_list_stale`, `keyset_missing`, `keyset_expired`
   */
  install(document: string, statements: Pick<Statements, "signNow">): SignedWords {
    const list = read(document);
    if (!this.#owner || !equal(list.owner, this.#owner)) throw new VaultError("owner_unknown");
    const digest = priceListDigest(document);
    const newest = this.#newest;
    const again = newest !== undefined && equal(newest.digest, digest);
    if (newest && !again && list.version <= newest.version) throw new VaultError("price_list_stale");
    const signed = statements.signNow("PolicyChange", (issuedAtMs) => ({
      documentDigest: digest,
      issuedAtMs,
    }));
    this.#lists.set(toHex(digest), list);
    if (this.#lists.size > MAX_LISTS) this.#lists.delete(this.#lists.keys().next().value!);
    this.#newest = { digest, version: list.version };
    return signed;
  }

  has(priceList: Uint8Array): boolean {
    return this.#lists.has(toHex(priceList));
  }

  /** @throws VaultError `price_missing` */
  price(priceList: Uint8Array, modelId: Uint8Array): bigint {
    const credits = this.#lists.get(toHex(priceList))?.prices.get(toHex0x(modelId));
    if (credits === undefined) throw new VaultError("price_missing");
    return credits;
  }
}

function read(document: string): PriceList {
  try {
    return verifyPriceList(document);
  } catch (cause) {
    throw cause instanceof BalanceError ? new VaultError("document_invalid", { cause }) : cause;
  }
}
