/** A contract's request: what its event says, as far as its id vouches for it. */
import { decodeEventLog, hexToBytes, type Address, type Hex } from "viem";
import { equal } from "../../codec/index.ts";
import { inferenceCoordinatorAbi } from "../../client/chain/index.ts";
import { chainRequestId } from "../../receipts/index.ts";
import type { ChainPlace } from "../db/index.ts";
import { Declined } from "./declined.ts";

/** What is kept of the event: it is decoded where it is used. */
interface KeptEvent {
  topics: [Hex, ...Hex[]];
  data: Hex;
}

/** All of it is in the request's id, but for the public input, which the commitment is to. */
export interface Asked {
  /** 32 bytes. */
  requestId: Uint8Array;
  requester: Address;
  nonce: bigint;
  /** 32 bytes each. */
  modelId: Uint8Array;
  policyDigest: Uint8Array;
  circuitInput: Uint8Array;
  inputCommitment: Uint8Array;
  /** Canonical tensors; empty where the input is only committed to. */
  publicInput: Uint8Array;
}

export function keepEvent({ topics, data }: { topics: readonly Hex[]; data: Hex }): string {
  return JSON.stringify({ topics, data });
}

/**
 * The request of that id. The row was written here, and may have been changed since: nothing of it is believed that the id does
 * not say.
 * @param text of `keepEvent`
 * @throws Declined `row_invalid`
 */
export function readAsked(place: ChainPlace, requestId: Uint8Array, text: string): Asked {
  const asked = readEvent(text);
  const request = asked && { ...place, requester: hexToBytes(asked.requester), nonce: asked.nonce };
  if (!request || !equal(chainRequestId(request, asked), requestId)) throw new Declined("row_invalid");
  return { ...asked, requestId };
}

function readEvent(text: string): Omit<Asked, "requestId"> | undefined {
  try {
    const { topics, data } = JSON.parse(text) as KeptEvent;
    const event = { abi: inferenceCoordinatorAbi, eventName: "Requested", topics, data } as const;
    const { terms, inputCommitment, publicInput, requester, nonce } = decodeEventLog(event).args;
    return {
      requester,
      nonce,
      modelId: hexToBytes(terms.modelId),
      policyDigest: hexToBytes(terms.policyDigest),
      circuitInput: hexToBytes(terms.circuitInput),
      inputCommitment: hexToBytes(inputCommitment),
      publicInput: hexToBytes(publicInput),
    };
  } catch {
    return undefined;
  }
}
