/** A contract of the tests that asks the coordinator: what it asks, and what came of it. */
import { readFileSync } from "node:fs";
import { bytesToHex, parseAbi, zeroAddress, type Address, type Hex } from "viem";
import { inferenceCoordinatorAbi } from "../client/chain/index.ts";
import { send, type Sent } from "../client/chain/send.ts";
import { parseInferRequest } from "../models/client.ts";
import { canonicalTensors, type Tensor } from "../receipts/index.ts";
import { PAYMENT, type ChainService } from "./chain-service.ts";

/** Of Consumers.sol and Triage.sol alike. */
const ASKING = parseAbi([
  "struct Terms { bytes32 modelId; bytes32 policyDigest; bytes32 circuitInput; uint8 assurance; bool pinned; uint32 callbackGas; address operator; address token; uint96 payment; uint40 deadlineSeconds; }",
  "struct Input { bytes publicInput; bytes32 commitment; }",
  "function ask(Terms terms, Input input) payable returns (bytes32)",
]);
const NONE: Hex = `0x${"00".repeat(32)}`;
const DEADLINE_SECONDS = 1200;
/** Bits of `assurance`. */
export const PROOF = 1;
export const REEXECUTION = 2;
export const ZK = 4;

export interface Asked {
  modelId: Hex;
  policyDigest: Hex;
  assurance: number;
  circuitInput?: Hex;
}

/** The model's own example. */
export function exampleInputs(model: string): Tensor[] {
  const body = readFileSync(new URL(`../models/zoo/${model}/example.json`, import.meta.url));
  return parseInferRequest(body, undefined).inputs;
}

export async function modelIdOf(url: string, model: string): Promise<Hex> {
  const { models } = (await (await fetch(`${url}/v1/models`)).json()) as {
    models: { name: string; modelId: Hex }[];
  };
  return models.find(({ name }) => name === model)!.modelId;
}

/** One request through the consumer, of the example's input, with a callback. */
export async function askBy(
  { chain, coordinator, offer }: ChainService,
  consumer: Address,
  { modelId, policyDigest, assurance, circuitInput = NONE }: Asked,
  inputs: readonly Tensor[],
): Promise<{ requestId: Hex; sent: Sent }> {
  const { timestamp } = await chain.reader.getBlock();
  const terms = {
    modelId,
    policyDigest,
    circuitInput,
    assurance,
    pinned: false,
    callbackGas: 300_000,
    operator: offer.operator,
    token: zeroAddress,
    payment: PAYMENT,
    deadlineSeconds: Number(timestamp) + DEADLINE_SECONDS,
  };
  const input = { publicInput: bytesToHex(canonicalTensors(inputs)), commitment: NONE };
  const sent = await send(chain.writer, {
    address: consumer,
    abi: ASKING,
    functionName: "ask",
    args: [terms, input],
    value: PAYMENT,
  });
  const [event] = await chain.reader.getContractEvents({
    address: coordinator,
    abi: inferenceCoordinatorAbi,
    eventName: "Requested",
    fromBlock: sent.block,
    toBlock: sent.block,
    strict: true,
  });
  return { requestId: event!.args.requestId, sent };
}
