/**
 * What a vault of the cluster says of an allowance, and of what a statement spent, sealed so that it can lie in a database that
 * nobody believes: AES-256-GCM under keys that all vaults of the cluster derive and no operation hands out.
 */
import { concat, hmacSha256, utf8 } from "../../codec/index.ts";
import { VaultError } from "../error.ts";
import { bytes, decode, encode, record, u64, u8 } from "../wire/shape.ts";
import { openRecord, sealRecord } from "./sealed-record.ts";

/** `admitted`: its terms are good; `debited`: the balance covered it; `closed`: `amount` is what is left. */
export const STAGES = { admitted: 1, debited: 2, closed: 3 } as const;

export interface Allowance {
  stage: number;
  /** Digest of the owner's request: 32 bytes. */
  id: Uint8Array;
  account: Uint8Array;
  /** Of its entry; 0 before there is one. */
  sequence: bigint;
  /** Credits. */
  amount: bigint;
  expiresAtMs: bigint;
  /** 32 bytes. */
  priceList: Uint8Array;
  /** Receipt address of the vault that may spend it: 20 bytes. */
  vault: Uint8Array;
  /** Under which that vault signed when it admitted it: 32 bytes. */
  keyset: Uint8Array;
}

const allowance = record<Allowance>({
  stage: u8,
  id: bytes(32),
  account: bytes(32),
  sequence: u64,
  amount: u64,
  expiresAtMs: u64,
  priceList: bytes(32),
  vault: bytes(20),
  keyset: bytes(32),
});

/** After a statement: which allowance paid for it (zero for none), and what is left of that. */
export interface Spent {
  id: Uint8Array;
  counter: bigint;
}

const spent = record<Spent>({ id: bytes(32), counter: u64 });

export class AllowanceSeal {
  readonly #key: Uint8Array;

  /** @param key 32 bytes, the same in every vault of the cluster */
  constructor(key: Uint8Array) {
    this.#key = key;
  }

  seal(value: Allowance): Uint8Array {
    return sealRecord(this.#keyOf(ALLOWANCE), ALLOWANCE, encode(allowance, value));
  }

  /** @throws VaultError `allowance_invalid` where no vault of this cluster said so at such a stage */
  open(sealed: Uint8Array, ...stages: (keyof typeof STAGES)[]): Allowance {
    try {
      const value = decode(allowance, openRecord(this.#keyOf(ALLOWANCE), ALLOWANCE, sealed));
      if (stages.some((stage) => STAGES[stage] === value.stage)) return value;
    } catch (cause) {
      if (!(cause instanceof VaultError)) throw cause;
    }
    throw new VaultError("allowance_invalid");
  }

  /** Of one length, whatever it says. @param digest the statement's, 32 bytes */
  sealSpent(digest: Uint8Array, value: Spent): Uint8Array {
    return sealRecord(this.#keyOf(digest), digest, encode(spent, value));
  }

  /** @throws VaultError `record_unreadable` where it is not the one that was signed with the statement */
  openSpent(digest: Uint8Array, sealed: Uint8Array): Spent {
    return decode(spent, openRecord(this.#keyOf(digest), digest, sealed));
  }

  #keyOf(context: Uint8Array): Uint8Array {
    return hmacSha256(this.#key, concat(utf8("record"), context));
  }
}

const ALLOWANCE = utf8("affidavit.v1.allowance");
