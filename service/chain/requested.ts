/** A contract's request, as the coordinator's `Requested` event says it. */
import { decodeEventLog, hexToBytes, type Address, type Hex } from "viem";
import { inferenceCoordinatorAbi } from "../../client/chain/index.ts";

/** What is kept of the event: it is decoded where it is used. */
interface KeptEvent {
  topics: [Hex, ...Hex[]];
  data: Hex;
}

export interface Requested {
  /** 32 bytes. */
  requestId: Uint8Array;
  requester: Address;
  operator: Address;
  nonce: bigint;
  /** 32 bytes each. */
  modelId: Uint8Array;
  policyDigest: Uint8Array;
  circuitInput: Uint8Array;
  inputCommitment: Uint8Array;
  /** Bits that must be delivered: 1 proof, 2 re-execution, 4 proof verified on chain. */
  assurance: number;
  callbackGas: number;
  token: Address;
  payment: bigint;
  deadlineSeconds: number;
  /** Canonical tensors; empty where the input is only committed to. */
  publicInput: Uint8Array;
}

export function keepEvent({ topics, data }: { topics: readonly Hex[]; data: Hex }): string {
  return JSON.stringify({ topics, data });
}

/** @param text of `keepEvent` */
export function readEvent(text: string): Requested {
  const { topics, data } = JSON.parse(text) as KeptEvent;
  const event = { abi: inferenceCoordinatorAbi, eventName: "Requested", topics, data, strict: true } as const;
  const { terms, requestId, inputCommitment, publicInput, ...rest } = decodeEventLog(event).args;
  return {
    ...rest,
    requestId: hexToBytes(requestId),
    inputCommitment: hexToBytes(inputCommitment),
    publicInput: hexToBytes(publicInput),
    modelId: hexToBytes(terms.modelId),
    policyDigest: hexToBytes(terms.policyDigest),
    circuitInput: hexToBytes(terms.circuitInput),
    assurance: terms.assurance,
    callbackGas: terms.callbackGas,
    token: terms.token,
    payment: terms.payment,
    deadlineSeconds: terms.deadlineSeconds,
  };
}
