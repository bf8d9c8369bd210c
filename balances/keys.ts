/** The secret side: whoever holds the seed reads every balance. For the vault's process alone. */
import type { Addon, NativeSecretKey } from "./addon.ts";
import { named, type FhePublicKeys } from "./evaluator.ts";

/** What opens and makes ciphertexts; a key in this process, or a threshold of holders elsewhere. */
export interface BalanceKey {
  /** A fresh encryption: 528 KB. @throws BalanceError `amount_invalid` */
  encrypt(amountAtomic: bigint): Promise<Uint8Array>;
  /** @throws BalanceError `ciphertext_invalid`, `ciphertext_trivial`; never why a decryption went wrong */
  decryptAmount(ciphertext: Uint8Array): Promise<bigint>;
  /** @throws BalanceError as `decryptAmount` */
  decryptBit(ciphertext: Uint8Array): Promise<boolean>;
  /** Whether two ciphertexts hold one amount. @throws BalanceError as `decryptAmount` */
  sameAmount(one: Uint8Array, other: Uint8Array): Promise<boolean>;
}

/**
 * The public keys of a seed, the same bytes each time and everywhere; takes seconds.
 * @param seed 32 bytes
 * @throws BalanceError `seed_invalid`, `computation_failed`
 */
export function generateFheKeys(addon: Addon, seed: Uint8Array): Promise<FhePublicKeys> {
  return named(() => addon.generateKeys(seed));
}

/** @param seed 32 bytes @throws BalanceError `seed_invalid`, `computation_failed` */
export async function balanceKeyFromSeed(addon: Addon, seed: Uint8Array): Promise<BalanceKey> {
  return wrap(await named(() => addon.secretKeyFromSeed(seed)));
}

/** @param bytes a serialised `ClientKey`, such as node-tfhe makes it @throws BalanceError `key_invalid` */
export async function balanceKeyFromBytes(addon: Addon, bytes: Uint8Array): Promise<BalanceKey> {
  return wrap(await named(() => addon.secretKeyFromBytes(bytes)));
}

function wrap(native: NativeSecretKey): BalanceKey {
  return {
    encrypt: (amountAtomic) => named(() => native.encrypt(amountAtomic)),
    decryptAmount: (ciphertext) => named(() => native.decryptAmount(ciphertext)),
    decryptBit: (ciphertext) => named(() => native.decryptBit(ciphertext)),
    sameAmount: (one, other) => named(() => native.sameAmount(one, other)),
  };
}
