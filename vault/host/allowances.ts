/**
 * Allowances in the hands of the one vault that their terms name: what is left of each is a number in this process's memory, which
 * goes down and never up. Another vault, or the same after a start, has another receipt address and spends none of them; what is
 * left then comes from the log (`Restores`).
 */
import { createDecipheriv } from "node:crypto";
import {
  BalanceError,
  MAX_ALLOWANCE_MS,
  parseTerms,
  requestDigest,
  SEALED_TERMS_BYTES,
  termsInfo,
  verifyRequest,
  type AllowanceTerms,
} from "../../balances/client.ts";
import { equal, sha256, toHex } from "../../codec/index.ts";
import { VaultError } from "../error.ts";
import { openHead } from "../ledger-head.ts";
import type { AdmittedAllowance, AllowanceAsked } from "../wire/allowances.ts";
import { AllowanceSeal, STAGES, type Allowance } from "./allowance-record.ts";
import { setUpReceiver } from "./hpke.ts";
import type { PriceLists } from "./price-lists.ts";
import type { X25519Key } from "./x25519.ts";

/** None is forgotten while the vault lives: one that was forgotten could be taken for new. */
const MAX_HELD = 100_000;
const ENC_BYTES = 32;
const TAG_BYTES = 16;
const NONE = new Uint8Array(32);

interface Parts {
  /** This vault's receipt address: 20 bytes. */
  address: Uint8Array;
  seal: AllowanceSeal;
  prices: PriceLists;
  /** The cluster's HPKE keys that open now, the newest first. */
  hpke: () => readonly X25519Key[];
  /** Of heads: 32 bytes. */
  macKey: Uint8Array;
  serverKeyDigest: Uint8Array;
  /** Of the keyset in use. @throws VaultError `keyset_missing`, `keyset_expired` */
  keyset(): Uint8Array;
  nowMs: () => number;
}

interface Held {
  left: bigint;
  priceList: Uint8Array;
  expiresAtMs: bigint;
  /** `closed`: what is left is fixed; `ended`: the log alone says what is left. */
  state: "open" | "closed" | "ended";
}

/** What one statement takes; nothing is taken yet. */
export interface Charge {
  id: Uint8Array;
  /** What is left after it. */
  counter: bigint;
}

export class Allowances {
  readonly #parts: Parts;
  readonly #held = new Map<string, Held>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /**
   * Opens the terms that an owner sealed and signed: for this vault, of the price list in force, and not for too long.
   * @throws VaultError `ledger_head_invalid`, `ledger_refused` (the owner did not sign this, or not any more), `allowance_invalid`,
   *   `allowance_elsewhere`, `allowance_expired`, `price_list_stale`, `keyset_missing`, `keyset_expired`
   */
  admit({ head, request, signature, terms: sealedTerms }: AllowanceAsked): AdmittedAllowance {
    const { address, seal, prices, macKey, serverKeyDigest } = this.#parts;
    const { account, owner } = openHead(macKey, head);
    const nowMs = BigInt(this.#parts.nowMs());
    const name = refusing("ledger_refused", () =>
      verifyRequest(request, signature, { account, owner, serverKeyDigest, nowMs }),
    );
    if (name !== "allowance") throw new VaultError("ledger_refused");
    const id = requestDigest(request);
    const terms = this.#openTerms(sealedTerms, id, request.operandDigest);
    if (!equal(terms.vault, address)) throw new VaultError("allowance_elsewhere");
    if (terms.expiresAtMs <= nowMs) throw new VaultError("allowance_expired");
    if (terms.expiresAtMs > nowMs + BigInt(MAX_ALLOWANCE_MS)) throw new VaultError("allowance_invalid");
    if (!prices.current || !equal(terms.priceList, prices.current)) throw new VaultError("price_list_stale");
    const { credits: amount, expiresAtMs, priceList, vault } = terms;
    const admitted = seal.seal({
      stage: STAGES.admitted,
      id,
      account,
      sequence: 0n,
      amount,
      expiresAtMs,
      priceList,
      vault,
      keyset: this.#parts.keyset(),
    });
    return { sealed: admitted, expiresAtMs, priceList };
  }

  #openTerms(sealed: Uint8Array, id: Uint8Array, operandDigest: Uint8Array): AllowanceTerms {
    if (sealed.length !== SEALED_TERMS_BYTES) throw new VaultError("allowance_invalid");
    const plain = openWithOne(this.#parts.hpke(), sealed, termsInfo(id));
    if (!equal(sha256(plain), operandDigest)) throw new VaultError("allowance_invalid");
    return refusing("allowance_invalid", () => parseTerms(plain));
  }

  /**
   * Takes an allowance that was debited, to be spent from now on. Taken before, it stays as it is.
   * @throws VaultError `allowance_invalid`, `allowance_elsewhere`, `allowance_expired`, `price_missing` (its price list is not
   *   known here), `allowance_limit`
   */
  activate(sealed: Uint8Array): void {
    const allowance = this.#own(sealed);
    const { id, amount: left, priceList, expiresAtMs } = allowance;
    if (this.#held.has(toHex(id))) return;
    if (expiresAtMs <= BigInt(this.#parts.nowMs())) throw new VaultError("allowance_expired");
    if (!this.#parts.prices.has(priceList)) throw new VaultError("price_missing");
    this.#hold(allowance, { left, priceList, expiresAtMs, state: "open" });
  }

  /**
   * What one inference of the model takes.
   * @throws VaultError `allowance_unknown`, `allowance_expired`, `price_missing`, `allowance_insufficient`
   */
  charge(id: Uint8Array, modelId: Uint8Array): Charge {
    const held = this.#held.get(toHex(id));
    if (held?.state !== "open") throw new VaultError("allowance_unknown");
    if (held.expiresAtMs <= BigInt(this.#parts.nowMs())) throw new VaultError("allowance_expired");
    const price = this.#parts.prices.price(held.priceList, modelId);
    if (held.left < price) throw new VaultError("allowance_insufficient");
    return { id, counter: held.left - price };
  }

  /**
   * Takes what `charge` said, with the statement that was signed for it.
   * @param charge undefined for a statement that nothing was charged for
   * @returns the record that belongs to the statement, of one length in either case
   */
  take(digest: Uint8Array, charge: Charge | undefined): Uint8Array {
    const { seal } = this.#parts;
    if (!charge) return seal.sealSpent(digest, { id: NONE, counter: 0n });
    this.#held.get(toHex(charge.id))!.left = charge.counter;
    return seal.sealSpent(digest, charge);
  }

  /**
   * Spends no more of it and says what is left; asked again, the same.
   * @throws VaultError `allowance_invalid`, `allowance_elsewhere`, `allowance_unknown` (its rest comes from the log), `allowance_limit`
   */
  close(sealed: Uint8Array): Uint8Array {
    const allowance = this.#own(sealed);
    const name = toHex(allowance.id);
    const { amount, priceList, expiresAtMs } = allowance;
    const held = this.#held.get(name) ?? { left: amount, priceList, expiresAtMs, state: "open" };
    if (held.state === "ended") throw new VaultError("allowance_unknown");
    this.#hold(allowance, { ...held, state: "closed" });
    return this.#parts.seal.seal({ ...allowance, stage: STAGES.closed, amount: held.left });
  }

  /** From here on the log alone says what is left of it, if it is this vault's own. @throws VaultError `allowance_limit` */
  end(allowance: Allowance): void {
    if (!equal(allowance.vault, this.#parts.address)) return;
    const { amount: left, priceList, expiresAtMs } = allowance;
    this.#hold(allowance, { left, priceList, expiresAtMs, state: "ended" });
  }

  #hold({ id }: Allowance, held: Held): void {
    const name = toHex(id);
    if (!this.#held.has(name) && this.#held.size >= MAX_HELD) throw new VaultError("allowance_limit");
    this.#held.set(name, held);
  }

  #own(sealed: Uint8Array): Allowance {
    const allowance = this.#parts.seal.open(sealed, "debited");
    if (!equal(allowance.vault, this.#parts.address)) throw new VaultError("allowance_elsewhere");
    return allowance;
  }
}

/** What whoever sent it can be blamed for; a fault of the vault's own stays one. */
function refusing<T>(code: "ledger_refused" | "allowance_invalid", work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (cause instanceof BalanceError || code === "allowance_invalid") throw new VaultError(code, { cause });
    throw cause;
  }
}

/** With whichever key it is sealed to. @throws VaultError `allowance_invalid` where that is none */
function openWithOne(keys: readonly X25519Key[], sealed: Uint8Array, info: Uint8Array): Uint8Array {
  for (const key of keys) {
    const opened = openMessage(key, sealed, info);
    if (opened) return opened;
  }
  throw new VaultError("allowance_invalid");
}

/** @returns undefined where it is not sealed to this key, with this info */
function openMessage(receiver: X25519Key, sealed: Uint8Array, info: Uint8Array): Uint8Array | undefined {
  try {
    const { key, baseNonce } = setUpReceiver(receiver, sealed.subarray(0, ENC_BYTES), info);
    const decipher = createDecipheriv("aes-256-gcm", key, baseNonce, { authTagLength: TAG_BYTES });
    decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
    return Buffer.concat([decipher.update(sealed.subarray(ENC_BYTES, -TAG_BYTES)), decipher.final()]);
  } catch {
    return undefined;
  }
}
