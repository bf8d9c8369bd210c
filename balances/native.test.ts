/** The addon: what it refuses, that its results repeat, and that it agrees with plain numbers. */
import { beforeAll, describe, expect, it } from "vitest";
import { sha256, toHex } from "../codec/index.ts";
import { loadAddon, type Addon } from "./addon.ts";
import type { BalanceErrorCode } from "./error.ts";
import { openEvaluator, type Evaluator, type FhePublicKeys } from "./evaluator.ts";
import { balanceKeyFromSeed, generateFheKeys, type BalanceKey } from "./keys.ts";
import { OPERATIONS } from "./operation.ts";
import { proofMetadata } from "./request.ts";
import { openProver, type Prover } from "./prover.ts";
import { ADDON, testKeys, TEST_SEED, WITHOUT } from "./testing/addon.ts";
import { TestLedger } from "./testing/ledger.ts";
import { runModel, type ModelKind } from "./testing/model.ts";
import { ed25519Owner, secp256k1Owner, signRequest } from "./testing/owners.ts";

/** SHA-256 of evaluation key, public key and reference string: a change here loses every installation its published keys. */
const KEYS_OF_TEST_SEED = [
  "0fe65edcad2acd5992d2cb2bfb5511ddbf06d838f73bfa1754fbb624c211b49b",
  "10aea5bf4e85767eb159cfd7f2006dfe8331dc6e8934c6febb45452e077c830e",
  "7e0a42d09f103b6dfc8bc7679d1d380e14230ca19ea0fdc021a73bc1c821842a",
];

const digest = (bytes: Uint8Array) => toHex(sha256(bytes));

async function refusal(work: Promise<unknown>): Promise<BalanceErrorCode | undefined> {
  return work.then(
    () => undefined,
    (error: { code: BalanceErrorCode }) => error.code,
  );
}

/** Each kind, and the ones that take longest once. */
const TEN: readonly ModelKind[] = [
  "credit",
  "debit",
  "privateDebit",
  "transfer",
  "allowance",
  "credit",
  "debit",
  "credit",
  "debit",
  "credit",
];

/** Zeroes the mask of a ciphertext's first block: 2,048 words after the length 2,049, before the body. */
function unmaskFirstBlock(ciphertext: Uint8Array): Uint8Array {
  const length = Uint8Array.of(1, 8, 0, 0, 0, 0, 0, 0);
  const at = Buffer.from(ciphertext).indexOf(length);
  if (at < 0) throw new Error("no block found");
  const changed = ciphertext.slice();
  changed.fill(0, at + 8, at + 8 + 2048 * 8);
  return changed;
}

describe.skipIf(!ADDON)(`the addon of balances${WITHOUT}`, () => {
  let addon: Addon;
  let keys: FhePublicKeys;
  let key: BalanceKey;
  let evaluator: Evaluator;
  let prover: Prover;

  beforeAll(async () => {
    addon = ADDON!;
    keys = await testKeys(addon);
    key = await balanceKeyFromSeed(addon, TEST_SEED);
    evaluator = await openEvaluator(addon, keys, { niceness: 0 });
    prover = await openProver(addon, keys);
  }, 600_000);

  it("errs with a probability of at most 2^-128 a bootstrapping", () => {
    expect(addon.describe().log2FailureProbability).toBeLessThanOrEqual(-128);
  });

  it("makes the same keys of a seed everywhere", () => {
    expect([keys.evaluationKey, keys.publicKey, keys.crs].map(digest)).toEqual(KEYS_OF_TEST_SEED);
  });

  it("gives the same bytes for the same operation", async () => {
    const [balance, amount] = await Promise.all([key.encrypt(5000n), key.encrypt(300n)]);
    const credits = [await evaluator.credit(balance, amount), await evaluator.credit(balance, amount)];
    expect(digest(credits[0]!)).toBe(digest(credits[1]!));
    const one = await evaluator.debit(balance, amount);
    expect(await key.decryptAmount(one.balance)).toBe(4700n);
    expect(await key.decryptBit(one.sufficient)).toBe(true);
    expect(await key.sameAmount(one.taken!, amount)).toBe(true);
    expect(digest(await key.encrypt(300n))).not.toBe(digest(amount));
  }, 600_000);

  it("expands a proof for its own account, request and operation alone", async () => {
    const { request } = signRequest(secp256k1Owner("alice"), {
      operation: OPERATIONS.privateDebit,
      serverKeyDigest: evaluator.serverKeyDigest,
    });
    const proven = await prover.prove(2n ** 64n - 1n, proofMetadata(request));
    const amount = await evaluator.verifyAndExpand(proven, proofMetadata(request));
    expect(await key.decryptAmount(amount)).toBe(2n ** 64n - 1n);
    const others = [
      { ...request, account: ed25519Owner("bob").account },
      { ...request, requestSequence: 2n },
      { ...request, operation: OPERATIONS.transferOut },
    ].map(proofMetadata);
    const changed = proven.map((byte, i) => (i === proven.length - 1000 ? byte ^ 1 : byte));
    for (const metadata of others)
      expect(await refusal(evaluator.verifyAndExpand(proven, metadata))).toBe("proof_invalid");
    for (const list of [changed, proven.subarray(0, -1), Buffer.concat([proven, proven]), new Uint8Array()])
      expect(await refusal(evaluator.verifyAndExpand(list, proofMetadata(request)))).toBe("proof_invalid");
  }, 600_000);

  it("refuses what is no ciphertext of the parameter set", async () => {
    const amount = await key.encrypt(1n);
    const { sufficient } = await evaluator.debitClear(amount, 1n);
    const cases: [string, Uint8Array, BalanceErrorCode][] = [
      ["empty", new Uint8Array(), "ciphertext_invalid"],
      ["cut", amount.subarray(0, -1), "ciphertext_invalid"],
      ["longer", Buffer.concat([amount, Buffer.alloc(1)]), "ciphertext_invalid"],
      ["huge", new Uint8Array(8 << 20), "ciphertext_invalid"],
      ["a bit", sufficient, "ciphertext_invalid"],
      ["a key", keys.publicKey, "ciphertext_invalid"],
      ["unmasked", unmaskFirstBlock(amount), "ciphertext_trivial"],
    ];
    for (const [name, bytes, code] of cases) {
      expect(await refusal(evaluator.credit(amount, bytes)), name).toBe(code);
      expect(await refusal(evaluator.debit(bytes, amount)), name).toBe(code);
      expect(await refusal(key.decryptAmount(bytes)), name).toBe(code);
    }
    expect(await refusal(key.decryptBit(unmaskFirstBlock(sufficient)))).toBe("ciphertext_trivial");
    expect(await refusal(key.decryptBit(amount))).toBe("ciphertext_invalid");
  }, 600_000);

  it("refuses amounts, seeds, keys and numbers of threads that are none", async () => {
    const zero = await key.encrypt(0n);
    expect(await refusal(key.encrypt(-1n))).toBe("amount_invalid");
    expect(await refusal(evaluator.creditClear(zero, 2n ** 64n))).toBe("amount_invalid");
    expect(await refusal(generateFheKeys(addon, new Uint8Array(31)))).toBe("seed_invalid");
    expect(await refusal(openEvaluator(addon, keys, { threads: 0 }))).toBe("threads_invalid");
    expect(await refusal(openEvaluator(addon, { ...keys, publicKey: keys.crs }))).toBe("key_invalid");
    const cut = keys.evaluationKey.subarray(0, -1);
    expect(await refusal(openEvaluator(addon, { ...keys, evaluationKey: cut }))).toBe("key_invalid");
  });

  it("lets only so many operations wait", async () => {
    const nothing = new Uint8Array();
    const codes = Array.from({ length: 65 }, () => refusal(evaluator.credit(nothing, nothing)));
    expect(new Set(await Promise.all(codes))).toEqual(new Set(["ciphertext_invalid", "busy"]));
    expect(evaluator.pending).toBe(0);
  });

  it("keeps balances equal to plain numbers over ten random operations", async () => {
    const operator = secp256k1Owner("operator");
    const context = { serverKeyDigest: evaluator.serverKeyDigest, operator: operator.owner };
    const ledger = new TestLedger(context, evaluator);
    const owners = [secp256k1Owner("alice"), ed25519Owner("bob")];
    await runModel({
      prove: prover.prove,
      ledger,
      key,
      owners,
      operator,
      kinds: TEN,
      operations: 10,
      seed: 1,
    });
  }, 600_000);
});

describe("without the addon", () => {
  it("says how to build it", () => {
    expect(() => loadAddon("/nonexistent")).toThrow(
      expect.objectContaining({
        code: "addon_missing",
        message: expect.stringContaining("npm run setup:balances"),
      }),
    );
  });
});
