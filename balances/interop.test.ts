/** node-tfhe and the addon read each other's keys, ciphertexts and proofs. */
import { createRequire } from "node:module";
import type * as Tfhe from "node-tfhe";
import { beforeAll, describe, expect, it } from "vitest";
import { equal } from "../codec/index.ts";
import { openEvaluator, type Evaluator, type FhePublicKeys } from "./evaluator.ts";
import { balanceKeyFromSeed, type BalanceKey } from "./keys.ts";
import { proveAmountInNode } from "./prover.ts";
import { ADDON, testKeys, TEST_SEED, WITHOUT } from "./testing/addon.ts";

function loadTfhe(): typeof Tfhe | undefined {
  try {
    return createRequire(import.meta.url)("node-tfhe") as typeof Tfhe;
  } catch {
    return undefined;
  }
}

const tfhe = loadTfhe();
const missing = tfhe ? WITHOUT : " (skipped: the optional package node-tfhe is not installed)";
const LIMIT = 1n << 24n;
const code = (name: string) => expect.objectContaining({ code: name });

describe.skipIf(!ADDON || !tfhe)(`interoperation with node-tfhe${missing}`, () => {
  let keys: FhePublicKeys;
  let key: BalanceKey;
  let evaluator: Evaluator;
  let clientKey: Tfhe.TfheClientKey;

  beforeAll(async () => {
    keys = await testKeys(ADDON!);
    key = await balanceKeyFromSeed(ADDON!, TEST_SEED);
    evaluator = await openEvaluator(ADDON!, keys, { niceness: 0 });
    const native = await ADDON!.secretKeyFromSeed(TEST_SEED);
    clientKey = tfhe!.TfheClientKey.safe_deserialize(await native.toBytes(), LIMIT);
  }, 600_000);

  it("computes here on what was encrypted there, and decrypts there what was computed here", async () => {
    const encryptThere = (amount: bigint) =>
      tfhe!.FheUint64.encrypt_with_client_key(amount, clientKey).safe_serialize(LIMIT);
    const { balance, sufficient } = await evaluator.debit(encryptThere(1000n), encryptThere(1n));
    expect(tfhe!.FheUint64.safe_deserialize(balance, LIMIT).decrypt(clientKey)).toBe(999n);
    expect(tfhe!.FheBool.safe_deserialize(sufficient, LIMIT).decrypt(clientKey)).toBe(true);
    const here = await key.encrypt(2n ** 63n);
    expect(tfhe!.FheUint64.safe_deserialize(here, LIMIT).decrypt(clientKey)).toBe(2n ** 63n);
  }, 600_000);

  it("verifies here what was proven there, in a thread that tells its stages", async () => {
    const metadata = Uint8Array.of(1, 2, 3);
    const stages: string[] = [];
    const onStage = (stage: string, by: string) => stages.push(`${stage} by ${by}`);
    const proven = await proveAmountInNode({ ...keys, amountAtomic: 77n, metadata }, { onStage });
    expect(stages).toEqual(["reading keys", "proving", "done"].map((stage) => `${stage} by node-tfhe`));
    const amount = await evaluator.verifyAndExpand(proven, metadata);
    expect(await key.decryptAmount(amount)).toBe(77n);
    await expect(evaluator.verifyAndExpand(proven, Uint8Array.of(1, 2))).rejects.toThrow(
      expect.objectContaining({ code: "proof_invalid" }),
    );
  }, 600_000);

  it("serialises public key and reference string to the same bytes", () => {
    const { TfheCompactPublicKey, CompactPkeCrs } = tfhe!;
    const publicKey = TfheCompactPublicKey.safe_deserialize(keys.publicKey, LIMIT).safe_serialize(LIMIT);
    const crs = CompactPkeCrs.safe_deserialize(keys.crs, LIMIT).safe_serialize(LIMIT);
    expect([equal(publicKey, keys.publicKey), equal(crs, keys.crs)]).toEqual([true, true]);
  });

  it("refuses keys, amounts and time that are none, and stops when told to", async () => {
    const amount = { ...keys, amountAtomic: 1n, metadata: new Uint8Array() };
    const wrong = { ...amount, publicKey: keys.publicKey.subarray(1) };
    await expect(proveAmountInNode(wrong)).rejects.toEqual(code("key_invalid"));
    await expect(proveAmountInNode({ ...amount, amountAtomic: -1n })).rejects.toEqual(code("amount_invalid"));
    await expect(proveAmountInNode(amount, { timeoutMs: 1 })).rejects.toEqual(code("computation_failed"));
    const stop = new AbortController();
    const onStage = () => stop.abort();
    await expect(proveAmountInNode(amount, { onStage, signal: stop.signal })).rejects.toEqual(
      code("cancelled"),
    );
  }, 600_000);
});
