/**
 * An account's head: what the vault last signed of it, authenticated, so that it can lie in a database that nobody believes.
 * `MAC (32) ‖ account (32) ‖ scheme u8 ‖ key (u32 length first) ‖ sequence u64 ‖ requestSequence u64 ‖ balance digest (32) ‖
 * frozen u8 ‖ an u64 for each allowance that was not refunded`, integers little-endian; MAC = HMAC-SHA256 under a key of the cluster's vaults.
 */
import type { AccountState } from "../balances/client.ts";
import { concat, equal, hmacSha256 } from "../codec/index.ts";
import { VaultError } from "./error.ts";
import { block, bytes, decode, encode, flag, record, u64, u8, type Shape } from "./wire/shape.ts";

const MAC_BYTES = 32;
const SCHEMES = ["secp256k1", "ed25519"] as const;

interface HeadFields extends Omit<AccountState, "owner"> {
  /** 1 secp256k1, 2 Ed25519. */
  scheme: number;
  key: Uint8Array;
}

/** Sequences, to the end of the head. */
const allowances: Shape<readonly bigint[]> = {
  write: (parts, values) => values.forEach((value) => u64.write(parts, value)),
  read(cursor) {
    const values: bigint[] = [];
    while (!cursor.done) values.push(u64.read(cursor));
    return values;
  },
};

const layout = record<HeadFields>({
  account: bytes(32),
  scheme: u8,
  key: block(32),
  sequence: u64,
  requestSequence: u64,
  balanceDigest: bytes(32),
  frozen: flag,
  allowances,
});

export function sealHead(macKey: Uint8Array, { owner, ...state }: AccountState): Uint8Array {
  const scheme = SCHEMES.indexOf(owner.scheme) + 1;
  const fields = encode(layout, { ...state, scheme, key: owner.key });
  return concat(hmacSha256(macKey, fields), fields);
}

/** @throws VaultError `ledger_head_invalid` where no vault of this cluster said so */
export function openHead(macKey: Uint8Array, head: Uint8Array): AccountState {
  const fields = head.subarray(MAC_BYTES);
  if (!equal(hmacSha256(macKey, fields), head.subarray(0, MAC_BYTES)))
    throw new VaultError("ledger_head_invalid");
  return readLedgerHead(head);
}

/**
 * What a head says. Only the vault can tell whether it is genuine, and the newest.
 * @throws VaultError `ledger_head_invalid`
 */
export function readLedgerHead(head: Uint8Array): AccountState {
  try {
    const { scheme, key, ...state } = decode(layout, Buffer.from(head.subarray(MAC_BYTES)));
    const name = SCHEMES[scheme - 1];
    if (name) return { ...state, owner: { scheme: name, key } };
  } catch (cause) {
    throw new VaultError("ledger_head_invalid", { cause });
  }
  throw new VaultError("ledger_head_invalid");
}
