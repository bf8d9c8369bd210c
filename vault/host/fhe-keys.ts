/**
 * The FHE keys of the cluster's seed. The addon is loaded while the vault still has the user's rights; the secret key is made
 * at its first use. Public keys follow from the seed: their digests are kept, and the keys themselves made again where somebody
 * wants them and nobody has them.
 */
import {
  balanceKeyFromSeed,
  generateFheKeys,
  loadAddon,
  openEvaluator,
  type Addon,
  type BalanceKey,
  type Evaluator,
  type FhePublicKeys,
} from "../../balances/index.ts";
import { concat, equal, hmacSha256, jcs, sha256, utf8, type Json } from "../../codec/index.ts";
import { VaultError } from "../error.ts";
import { MAX_KEY_PART_BYTES, type KeyPart } from "../wire/balances.ts";
import { FHE_DIGESTS_FILE } from "./key-directory.ts";
import { readPrivateFile, writePrivateFile } from "./private-file.ts";

const DIGESTS = 3;
const FILE_BYTES = 32 * (DIGESTS + 1);

/** @throws VaultError `balances_unavailable`: the addon is not built, or does not load */
export function loadBalancesAddon(cacheDirectory: string, log: (line: string) => void): Addon {
  try {
    return loadAddon(cacheDirectory);
  } catch (cause) {
    log(`balances: ${cause instanceof Error ? cause.message : "the addon does not load"}`);
    throw new VaultError("balances_unavailable", { cause });
  }
}

export class FheKeys {
  /** SHA-256 of evaluation key, compact public key and reference string. */
  readonly digests: readonly Uint8Array[];
  readonly #addon: Addon;
  readonly #seed: Uint8Array;
  #publicKeys: Promise<FhePublicKeys> | undefined;
  #secretKey: Promise<BalanceKey> | undefined;
  #evaluator: Promise<Evaluator> | undefined;

  private constructor(addon: Addon, seed: Uint8Array, digests: readonly Uint8Array[]) {
    this.#addon = addon;
    this.#seed = seed;
    this.digests = digests;
  }

  /** The first time with these keys it takes seconds. */
  static async open(addon: Addon, seed: Uint8Array): Promise<FheKeys> {
    const named = utf8(`affidavit.v1.fhe.digests${jcs(addon.describe() as unknown as Json)}`);
    const macOf = (digests: Uint8Array) => hmacSha256(seed, concat(named, digests));
    const kept = await readPrivateFile(FHE_DIGESTS_FILE, FILE_BYTES);
    if (kept?.length === FILE_BYTES) {
      const digests = kept.subarray(0, 32 * DIGESTS);
      if (equal(macOf(digests), kept.subarray(32 * DIGESTS)))
        return new FheKeys(
          addon,
          seed,
          [0, 32, 64].map((at) => new Uint8Array(digests.subarray(at, at + 32))),
        );
    }
    const { evaluationKey, publicKey, crs } = await generateFheKeys(addon, seed);
    const digests = [evaluationKey, publicKey, crs].map((key) => sha256(key));
    await writePrivateFile(FHE_DIGESTS_FILE, concat(...digests, macOf(concat(...digests))));
    const keys = new FheKeys(addon, seed, digests);
    keys.#publicKeys = Promise.resolve({ evaluationKey, publicKey, crs });
    return keys;
  }

  secretKey(): Promise<BalanceKey> {
    return (this.#secretKey ??= balanceKeyFromSeed(this.#addon, this.#seed));
  }

  /** Checks proofs of encryption; computes nothing else here. */
  evaluator(): Promise<Evaluator> {
    return (this.#evaluator ??= this.#openEvaluator());
  }

  /** @throws VaultError `malformed` for a key or offset that there is not */
  async readPart(index: number, offset: bigint): Promise<KeyPart> {
    const { evaluationKey, publicKey, crs } = await (this.#publicKeys ??= this.#generate());
    const key = [evaluationKey, publicKey, crs][index];
    if (!key || offset >= BigInt(key.length)) throw new VaultError("malformed");
    const start = Number(offset);
    return {
      totalBytes: BigInt(key.length),
      bytes: key.subarray(start, start + MAX_KEY_PART_BYTES),
    };
  }

  #generate(): Promise<FhePublicKeys> {
    return generateFheKeys(this.#addon, this.#seed);
  }

  async #openEvaluator(): Promise<Evaluator> {
    return openEvaluator(this.#addon, await (this.#publicKeys ?? this.#generate()), { niceness: 5 });
  }
}
