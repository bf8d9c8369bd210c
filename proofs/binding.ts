/**
 * The circuit binding: the model's owner says that this circuit proves this model. JSON (RFC 8785) with an Ed25519
 * signature; its SHA-256 is the `documentDigest` of a `CircuitBinding` statement and the policy's `circuitBinding`
 * (docs/spec/proofs.md). Browser-safe.
 */
import { ed25519 } from "@noble/curves/ed25519.js";
import { z } from "zod";
import { CodecError, concat, fromHex, jcs, sha256, toHex0x, utf8 } from "../codec/index.ts";
import type { Json } from "../codec/index.ts";
import type { StatementOf } from "../receipts/index.ts";
import { circuitToJson, readCircuit, type Circuit } from "./circuit.ts";
import { ProofError } from "./error.ts";

export interface CircuitBinding {
  circuit: Circuit;
  issuedAtMs: bigint;
  /** The owner's Ed25519 public key, 32 bytes. Whether it is the owner's is for the reader to know. */
  owner: Uint8Array;
}

const FORMAT_VERSION = 1;
const MAX_BINDING_LENGTH = 64 * 1024;
const SIGNED_CONTEXT = utf8("affidavit.circuit-binding.v1\n");

function unsigned({ circuit, issuedAtMs, owner }: CircuitBinding): { [member: string]: Json } {
  return {
    formatVersion: FORMAT_VERSION,
    circuit: circuitToJson(circuit),
    issuedAtMs: issuedAtMs.toString(),
    owner: toHex0x(owner),
  };
}

/** "affidavit.circuit-binding.v1" ‖ 0x0a ‖ the JCS text of the document without its member `signature`. */
function signedBytes(binding: CircuitBinding): Uint8Array {
  return concat(SIGNED_CONTEXT, utf8(jcs(unsigned(binding))));
}

/**
 * The signed document's text.
 * @param secretKey Ed25519 seed, 32 bytes
 */
export function signCircuitBinding(circuit: Circuit, issuedAtMs: bigint, secretKey: Uint8Array): string {
  const binding = { circuit, issuedAtMs, owner: ed25519.getPublicKey(secretKey) };
  const signature = ed25519.sign(signedBytes(binding), secretKey);
  return jcs({ ...unsigned(binding), signature: toHex0x(signature) });
}

const documentSchema = z.strictObject({
  formatVersion: z.literal(FORMAT_VERSION),
  circuit: z.unknown(),
  issuedAtMs: z.string().regex(/^(0|[1-9]\d{0,15})$/),
  owner: z.string().regex(/^0x[0-9a-f]{64}$/),
  signature: z.string().regex(/^0x[0-9a-f]{128}$/),
});

function canonical(value: unknown): string | undefined {
  try {
    return jcs(value as Json);
  } catch {
    return undefined;
  }
}

function readDocument(text: string): z.infer<typeof documentSchema> {
  if (text.length > MAX_BINDING_LENGTH) throw new ProofError("binding_invalid", "the binding is too long");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new ProofError("binding_invalid", "the binding is not JSON", { cause });
  }
  const result = documentSchema.safeParse(value);
  if (!result.success || canonical(value) !== text)
    throw new ProofError("binding_invalid", "the binding is not a canonical document of this form");
  return result.data;
}

/**
 * Text to a binding whose signature is by the `owner` that it names; whose key that is, is not known here.
 * @throws ProofError `binding_invalid`, `binding_signature_invalid`
 */
export function verifyCircuitBinding(text: string): CircuitBinding {
  const document = readDocument(text);
  let circuit: Circuit;
  try {
    circuit = readCircuit(document.circuit);
  } catch (cause) {
    if (!(cause instanceof ProofError)) throw cause;
    throw new ProofError("binding_invalid", cause.message, { cause });
  }
  const binding = {
    circuit,
    issuedAtMs: BigInt(document.issuedAtMs),
    owner: fromHex(document.owner),
  };
  if (!isSignedBy(binding, fromHex(document.signature)))
    throw new ProofError("binding_signature_invalid", "the binding is not signed by the key it names");
  return binding;
}

function isSignedBy(binding: CircuitBinding, signature: Uint8Array): boolean {
  try {
    return ed25519.verify(signature, signedBytes(binding), binding.owner, { zip215: false });
  } catch (error) {
    // noble throws on a key that is no point.
    if (error instanceof CodecError) throw error;
    return false;
  }
}

/** `documentDigest` of the statement and `circuitBinding` of a policy: sha256 of the document's text, 32 bytes. */
export function bindingDigest(text: string): Uint8Array {
  return sha256(utf8(text));
}

/** The fields of the `CircuitBinding` statement that a vault signs for a verified document. */
export function bindingStatement(text: string, issuedAtMs: bigint): StatementOf<"CircuitBinding"> {
  const { circuit } = verifyCircuitBinding(text);
  const { modelId, circuitId, vkDigest, srsDigest, inputScale, outputScale, bound, inputRange } = circuit;
  const documentDigest = bindingDigest(text);
  return {
    modelId,
    circuitId,
    vkDigest,
    srsDigest,
    inputScale,
    outputScale,
    bound,
    inputRange,
    documentDigest,
    issuedAtMs,
  };
}
