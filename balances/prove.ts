/**
 * Encrypting an amount with a proof, in WebAssembly: `node-tfhe` in Node, `tfhe` in a browser, which have one interface.
 * It blocks its thread for seconds (16 of them on a slow core), so it belongs in a worker. Browser-safe.
 */
import { BalanceError } from "./error.ts";

/** What is used of `node-tfhe` and `tfhe`, both 1.7.0; in a browser `init` must have run. */
export interface TfheModule {
  TfheCompactPublicKey: Parser<Freed>;
  CompactPkeCrs: Parser<Freed>;
  ProvenCompactCiphertextList: {
    builder(publicKey: Freed): {
      push_u64(value: bigint): void;
      build_with_proof_packed(crs: Freed, metadata: Uint8Array, load: number): Serializable;
      free(): void;
    };
  };
  ZkComputeLoad: { Proof: number };
}

interface Freed {
  free(): void;
}
interface Serializable extends Freed {
  safe_serialize(limit: bigint): Uint8Array;
}
interface Parser<T> {
  safe_deserialize(bytes: Uint8Array, limit: bigint): T;
}

export interface AmountToProve {
  /** The service's compact public key, checked against the attested keyset by the caller. */
  publicKey: Uint8Array;
  /** The service's reference string, checked likewise. */
  crs: Uint8Array;
  amountAtomic: bigint;
  /** `proofMetadata` of the request. */
  metadata: Uint8Array;
}

/** Steps in their order; `proving` takes nearly all the time. */
export type ProvingStage = "reading keys" | "proving" | "done";

const MAX_KEY_BYTES = 1n << 20n;
const MAX_CRS_BYTES = 16n << 20n;
const MAX_PROVEN_BYTES = 64n << 10n;

/**
 * The proven ciphertext list of one amount; blocks.
 * @returns about 20 KB, whose SHA-256 the request's `operandDigest` is
 * @throws BalanceError `amount_invalid`, `key_invalid`, `computation_failed`
 */
export function proveAmount(
  tfhe: TfheModule,
  { publicKey, crs, amountAtomic, metadata }: AmountToProve,
  onStage: (stage: ProvingStage) => void = () => {},
): Uint8Array {
  if (amountAtomic < 0n || amountAtomic >= 2n ** 64n)
    throw new BalanceError("amount_invalid", "an amount is 0 to 2^64 - 1");
  onStage("reading keys");
  const held: Freed[] = [];
  const hold = <T extends Freed>(object: T): T => {
    held.push(object);
    return object;
  };
  try {
    const key = hold(parse(() => tfhe.TfheCompactPublicKey.safe_deserialize(publicKey, MAX_KEY_BYTES)));
    const reference = hold(parse(() => tfhe.CompactPkeCrs.safe_deserialize(crs, MAX_CRS_BYTES)));
    onStage("proving");
    const builder = hold(tfhe.ProvenCompactCiphertextList.builder(key));
    builder.push_u64(amountAtomic);
    const list = hold(builder.build_with_proof_packed(reference, metadata, tfhe.ZkComputeLoad.Proof));
    const proven = list.safe_serialize(MAX_PROVEN_BYTES);
    onStage("done");
    return proven;
  } catch (cause) {
    if (cause instanceof BalanceError) throw cause;
    throw new BalanceError("computation_failed", "the amount could not be encrypted", { cause });
  } finally {
    for (const object of held.toReversed()) object.free();
  }
}

function parse<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new BalanceError("key_invalid", "the service's public key or reference string does not parse", {
      cause,
    });
  }
}
