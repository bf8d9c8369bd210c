import { bytesToHex, recoverTransactionAddress, type TransactionSerializedEIP1559 } from "viem";
import { expect, it } from "vitest";
import { fromHex } from "../codec/index.ts";
import type { UnsignedTransaction } from "./wire/chain.ts";
import { newKeyDirectory, start } from "./vault.test-support.ts";

const call: UnsignedTransaction = {
  chainId: 31337n,
  nonce: 0n,
  maxPriorityFeePerGas: 1n,
  maxFeePerGas: 10n,
  gasLimit: 100n,
  to: new Uint8Array(20).fill(0xab),
  value: 0n,
  data: fromHex("01020304"),
};
const chain = {
  chainId: 31337,
  contracts: [{ address: `0x${"ab".repeat(20)}`, selectors: ["0x01020304"], maxWeiPerHour: 1000n }],
  maxWeiPerTransaction: 1000n,
  maxWeiPerHour: 1000n,
};

it("signs the transactions that it was started for, by a key that outlives it", async () => {
  const keyDirectory = newKeyDirectory();
  const first = await start(keyDirectory, [], { chain });
  const address = bytesToHex(await first.chainAccount());
  const { raw } = await first.signTransaction(call);
  const serializedTransaction = bytesToHex(raw) as TransactionSerializedEIP1559;
  expect((await recoverTransactionAddress({ serializedTransaction })).toLowerCase()).toBe(address);
  await expect(first.signTransaction(call)).rejects.toMatchObject({ code: "chain_limit_reached" });
  await first.close();
  const second = await start(keyDirectory);
  expect(bytesToHex(await second.chainAccount())).toBe(address);
  await expect(second.signTransaction(call)).rejects.toMatchObject({ code: "chain_off" });
});
