import { bytesToHex, recoverTransactionAddress, type TransactionSerializedEIP1559 } from "viem";
import { encodeAbiParameters, keccak256, parseAbiParameters } from "viem";
import { expect, it } from "vitest";
import { fromHex } from "../codec/index.ts";
import { audienceDigest, decodeStatement, recoverSigner } from "../receipts/index.ts";
import type { UnsignedTransaction } from "./wire/chain.ts";
import { inference, install, newKeyDirectory, start } from "./vault.test-support.ts";

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
  contracts: [
    { address: `0x${"ab".repeat(20)}`, selectors: ["0x01020304"], pinned: [], maxWeiPerHour: 1000n },
  ],
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

const request = {
  chainId: 31337n,
  coordinator: new Uint8Array(20).fill(0xab),
  requester: new Uint8Array(20).fill(0xcd),
  nonce: 7n,
};
const none = new Uint8Array(32);
const {
  requestId: _,
  audience: _a,
  settlement: _s,
  requestDigest: _q,
  responseDigest: _p,
  ...answer
} = inference(none);

it("signs a contract's answer under the id that the coordinator computes, for its requester", async () => {
  const vault = await start(undefined, [], { chain });
  await install(vault);
  const { words, digest, signature } = await vault.signChainAnswer(request, answer);
  const statement = decodeStatement("InferenceStatement", words);
  const types = "uint256, address, address, uint64, bytes32, bytes32, bytes32, bytes32";
  const { modelId, inputCommitment, circuitInput, policyDigest } = answer;
  const asked = [modelId, inputCommitment, circuitInput, policyDigest].map((word) => bytesToHex(word));
  const addresses = [bytesToHex(request.coordinator), bytesToHex(request.requester)];
  const encoded = encodeAbiParameters(
    parseAbiParameters(types) as never,
    [31337n, ...addresses, 7n, ...asked] as never,
  );
  expect(bytesToHex(statement.requestId)).toBe(keccak256(encoded));
  expect(statement).toMatchObject({
    ...answer,
    audience: audienceDigest(31337n, request.requester),
    requestDigest: none,
    responseDigest: none,
  });
  expect(recoverSigner(digest, signature)).toEqual(vault.info.receiptAddress);
});

it("signs it as the answer of its own account", async () => {
  const vault = await start(undefined, [], { chain });
  await install(vault);
  const account = bytesToHex(await vault.chainAccount());
  const other = await start(undefined, [], { chain });
  await install(other);
  const settlementBy = async (signer: typeof vault) => {
    const statement = decodeStatement(
      "InferenceStatement",
      (await signer.signChainAnswer(request, answer)).words,
    );
    return [bytesToHex(statement.requestId), bytesToHex(statement.settlement)] as const;
  };
  const [requestId, settlement] = await settlementBy(vault);
  const named = encodeAbiParameters(parseAbiParameters("bytes32, address"), [requestId, account]);
  expect(settlement).toBe(keccak256(named));
  const [sameId, another] = await settlementBy(other);
  expect(sameId).toBe(requestId);
  expect(another).not.toBe(settlement);
});

it("signs one answer a request, for the configured coordinator alone", async () => {
  const vault = await start(undefined, [], { chain });
  await install(vault);
  await vault.signChainAnswer(request, answer);
  await vault.signChainAnswer(request, answer);
  const refused = async (asked: typeof request, fields: typeof answer) =>
    await vault.signChainAnswer(asked, fields).then(
      () => "signed",
      (error: { code: string }) => error.code,
    );
  const other = { ...answer, outputDigest: new Uint8Array(32).fill(0x77) };
  expect(await refused(request, other)).toBe("chain_answered");
  expect(await refused({ ...request, nonce: 8n }, other)).toBe("signed");
  const elsewhere = new Uint8Array(20).fill(0xcd);
  expect(await refused({ ...request, coordinator: elsewhere }, answer)).toBe("chain_call_refused");
  expect(await refused({ ...request, chainId: 1n }, answer)).toBe("chain_call_refused");
  const slipped = { ...answer, requestDigest: new Uint8Array(32).fill(1) };
  expect(await refused({ ...request, nonce: 9n }, slipped)).toBe("signed");
  const off = await start();
  await install(off);
  await expect(off.signChainAnswer(request, answer)).rejects.toMatchObject({ code: "chain_off" });
});
