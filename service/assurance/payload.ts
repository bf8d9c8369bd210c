/**
 * What a job of a promise needs, as bytes: `head length u32 ‖ head (JSON) ‖ input length u32 ‖ input ‖ output`, integers
 * little-endian, input and output canonical tensor bytes. It is sealed before it leaves the process.
 */
import { concat, fromHex, fromUtf8, toHex, utf8 } from "../../codec/index.ts";
import { canonicalTensors, parseCanonicalTensors, type Tensor } from "../../receipts/index.ts";

export interface PromisePayload {
  /** Digest of the statement that the promise is about. Sealed, as all of this: the row beside the job could name another. */
  subject: Uint8Array;
  /** Of a proof. */
  circuitId: Uint8Array | undefined;
  modelId: Uint8Array;
  inputs: readonly Tensor[];
  /** What the model answered, in the manifest's order, as far as the caller got it. */
  outputs: readonly Tensor[];
  /** Of a proof: 16 bytes. */
  sCircuit: Uint8Array | undefined;
  /** Of the first run. */
  executionDigest: Uint8Array;
  keysetDigest: Uint8Array;
  /** Whether anybody may learn the input. Sealed with it: a mark in the clear could be forged. */
  publicInput: boolean;
}

interface Head {
  subject: string;
  circuitId: string | null;
  modelId: string;
  sCircuit: string | null;
  executionDigest: string;
  keysetDigest: string;
  publicInput: boolean;
}

export function encodePayload(payload: PromisePayload): Uint8Array {
  const { subject, circuitId, modelId, sCircuit, executionDigest, keysetDigest, publicInput } = payload;
  const head: Head = {
    subject: toHex(subject),
    circuitId: circuitId ? toHex(circuitId) : null,
    modelId: toHex(modelId),
    sCircuit: sCircuit ? toHex(sCircuit) : null,
    executionDigest: toHex(executionDigest),
    keysetDigest: toHex(keysetDigest),
    publicInput,
  };
  const input = canonicalTensors(payload.inputs);
  const text = utf8(JSON.stringify(head));
  return concat(u32(text.length), text, u32(input.length), input, canonicalTensors(payload.outputs));
}

/** Of bytes that `encodePayload` made, which their seal shows. */
export function decodePayload(opened: Uint8Array): PromisePayload {
  // A plain array: what reads tensors copies with `slice`, which a Buffer does not.
  const bytes = new Uint8Array(opened);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const headEnd = 4 + view.getUint32(0, true);
  const inputEnd = headEnd + 4 + view.getUint32(headEnd, true);
  const { subject, circuitId, modelId, sCircuit, executionDigest, keysetDigest, publicInput } = JSON.parse(
    fromUtf8(bytes.subarray(4, headEnd)),
  ) as Head;
  return {
    subject: fromHex(subject, 32),
    circuitId: circuitId === null ? undefined : fromHex(circuitId, 32),
    modelId: fromHex(modelId, 32),
    sCircuit: sCircuit === null ? undefined : fromHex(sCircuit, 16),
    executionDigest: fromHex(executionDigest, 32),
    keysetDigest: fromHex(keysetDigest, 32),
    publicInput: publicInput === true,
    inputs: parseCanonicalTensors(bytes.subarray(headEnd + 4, inputEnd)),
    outputs: parseCanonicalTensors(bytes.subarray(inputEnd)),
  };
}

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}
