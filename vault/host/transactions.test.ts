import { secp256k1 } from "@noble/curves/secp256k1.js";
import {
  bytesToHex,
  parseTransaction,
  recoverTransactionAddress,
  type TransactionSerializedEIP1559,
} from "viem";
import { describe, expect, it } from "vitest";
import { concat, fromHex, sha256, toHex0x, utf8 } from "../../codec/index.ts";
import { formatChainPolicy, parseChainPolicy, type ChainPolicy } from "../chain-policy.ts";
import type { UnsignedTransaction } from "../wire/chain.ts";
import { Limits, NO_OWNERS_LIMITS } from "./limits.ts";
import { Transactions } from "./transactions.ts";

const CONTRACT = `0x${"ab".repeat(20)}`;
const OTHER = `0x${"cd".repeat(20)}`;
const POLICY: ChainPolicy = {
  chainId: 31337,
  contracts: [
    { address: CONTRACT, selectors: ["0x01020304"], pinned: [], maxWeiPerHour: 2_500n },
    { address: OTHER, selectors: ["0x0a0b0c0d"], pinned: [], maxWeiPerHour: 10_000n },
  ],
  maxWeiPerTransaction: 1_000n,
  maxWeiPerHour: 4_000n,
};
const CALL: UnsignedTransaction = {
  chainId: 31337n,
  nonce: 7n,
  maxPriorityFeePerGas: 1n,
  maxFeePerGas: 10n,
  gasLimit: 100n,
  to: fromHex(CONTRACT.slice(2)),
  value: 0n,
  data: fromHex("01020304ff"),
};
const OTHER_CALL = { ...CALL, to: fromHex(OTHER.slice(2)), data: fromHex("0a0b0c0d") };

const word = (byte: number) => new Uint8Array(32).fill(byte);

let nowMs = 0;
function transactions(policy: ChainPolicy | undefined = POLICY): Transactions {
  nowMs = 1_000_000;
  return new Transactions({
    chainKey: sha256(utf8("a chain key")),
    policy,
    takeWei: async () => undefined,
    nowMs: () => nowMs,
  });
}

const code = (work: Promise<unknown>) =>
  work.then(
    () => "ok",
    (error: { code: string }) => error.code,
  );

describe("the chain key", () => {
  it("signs what it is asked for, and the chain reads it so", async () => {
    const signer = transactions();
    const { raw, hash } = await signer.sign(CALL);
    const serialized = bytesToHex(raw) as TransactionSerializedEIP1559;
    expect(parseTransaction(serialized)).toMatchObject({
      chainId: 31337,
      nonce: 7,
      gas: 100n,
      maxFeePerGas: 10n,
      maxPriorityFeePerGas: 1n,
      to: CONTRACT,
      data: "0x01020304ff",
    });
    const from = await recoverTransactionAddress({ serializedTransaction: serialized });
    expect(from.toLowerCase()).toBe(bytesToHex(signer.address));
    expect(hash.length).toBe(32);
    expect(signer.address.length).toBe(20);
    expect(secp256k1.utils.isValidSecretKey(sha256(utf8("a chain key")))).toBe(true);
  });

  it.each([
    ["another chain", { chainId: 1n }],
    ["another contract", { to: new Uint8Array(20) }],
    ["another function", { data: fromHex("01020305") }],
    ["another contract's function", { data: fromHex("0a0b0c0d") }],
    ["no call", { data: new Uint8Array(0) }],
    ["a cut selector", { data: fromHex("010203") }],
    ["a tip above the fee", { maxPriorityFeePerGas: 11n }],
  ])("refuses %s", async (_, change) => {
    expect(await code(transactions().sign({ ...CALL, ...change }))).toBe("chain_call_refused");
  });

  it("refuses one that may cost too much, by gas or by value", async () => {
    expect(await code(transactions().sign({ ...CALL, gasLimit: 101n }))).toBe("chain_limit_reached");
    expect(await code(transactions().sign({ ...CALL, value: 1n }))).toBe("chain_limit_reached");
  });

  it("holds each contract and all of them to their hour", async () => {
    const signer = transactions();
    const asked = await Promise.all([CALL, CALL, CALL].map((call) => code(signer.sign(call))));
    expect(asked).toEqual(["ok", "ok", "chain_limit_reached"]);
    expect(await code(signer.sign(OTHER_CALL))).toBe("ok");
    expect(await code(signer.sign(OTHER_CALL))).toBe("ok");
    expect(await code(signer.sign(OTHER_CALL))).toBe("chain_limit_reached");
    nowMs += 3_599_999;
    expect(await code(signer.sign(CALL))).toBe("chain_limit_reached");
    nowMs += 1;
    expect(await code(signer.sign(CALL))).toBe("ok");
    nowMs = 0;
    expect(await code(signer.sign({ ...CALL, gasLimit: 100n }))).toBe("ok");
    expect(await code(signer.sign(CALL))).toBe("chain_limit_reached");
  });

  it("signs nothing that the owner's policy does not let be spent", async () => {
    const limits = new Limits({ nowMs: () => nowMs, save: async () => undefined }, undefined);
    limits.apply({ ...NO_OWNERS_LIMITS, weiPerTransaction: 50n });
    const takeWei = (wei: bigint) => limits.takeWei(wei);
    const signer = new Transactions({
      chainKey: sha256(utf8("k")),
      policy: POLICY,
      takeWei,
      nowMs: () => nowMs,
    });
    expect(
      await code(
        signer.sign({ ...CALL, gasLimit: 1n, maxFeePerGas: 51n, maxPriorityFeePerGas: 1n, value: 0n }),
      ),
    ).toBe("limit_reached");
    expect(
      await code(
        signer.sign({ ...CALL, gasLimit: 1n, maxFeePerGas: 50n, maxPriorityFeePerGas: 1n, value: 0n }),
      ),
    ).toBe("ok");
  });

  it("makes a pinned call with the pinned argument alone", async () => {
    const payee = { selector: "0x0d0e0f10", index: 1, word: toHex0x(word(7)) };
    const contracts = [{ ...POLICY.contracts[0]!, pinned: [payee] }];
    const pay = async (...words: Uint8Array[]) =>
      code(
        transactions({ ...POLICY, contracts }).sign({ ...CALL, data: concat(fromHex("0d0e0f10"), ...words) }),
      );
    expect(await pay(word(1), word(7), word(2))).toBe("ok");
    expect(await pay(word(1), word(8), word(2))).toBe("chain_call_refused");
    expect(await pay(word(7), word(1), word(7))).toBe("chain_call_refused");
    expect(await pay(word(1), word(7).subarray(1))).toBe("chain_call_refused");
    expect(await pay(word(1))).toBe("chain_call_refused");
    const other = { ...CALL, data: concat(fromHex("0d0e0f10"), word(1), word(7)) };
    expect(await code(transactions().sign(other))).toBe("chain_call_refused");
  });

  it("is off without a policy", async () => {
    const signer = new Transactions({
      chainKey: sha256(utf8("k")),
      policy: undefined,
      takeWei: async () => undefined,
      nowMs: () => 0,
    });
    expect(await code(signer.sign(CALL))).toBe("chain_off");
  });
});

describe("a policy", () => {
  it("is read as it was written", () => {
    expect(parseChainPolicy(formatChainPolicy(POLICY))).toEqual(POLICY);
  });

  it.each([
    "",
    "[]",
    "{}",
    formatChainPolicy({ ...POLICY, chainId: 0 }),
    formatChainPolicy({ ...POLICY, contracts: [] }),
    formatChainPolicy({ ...POLICY, contracts: [{ ...POLICY.contracts[0]!, selectors: [] }] }),
    formatChainPolicy({
      ...POLICY,
      contracts: [{ ...POLICY.contracts[0]!, address: CONTRACT.toUpperCase() }],
    }),
    formatChainPolicy({ ...POLICY, maxWeiPerHour: -1n }),
    JSON.stringify({ ...JSON.parse(formatChainPolicy(POLICY)), more: 1 }),
    formatChainPolicy({
      ...POLICY,
      contracts: [{ ...POLICY.contracts[0]!, pinned: [{ selector: "0x0d0e0f10", index: -1, word: "0x00" }] }],
    }),
  ])("%j is refused", (text) => {
    expect(() => parseChainPolicy(text)).toThrow(expect.objectContaining({ code: "chain_policy_invalid" }));
  });
});
