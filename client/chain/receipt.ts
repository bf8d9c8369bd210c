/** Receipts in the form that `ReceiptVerifier` takes. */
import {
  bytesToHex,
  hexToBytes,
  type Address,
  type ContractFunctionArgs,
  type Hex,
  type PublicClient,
} from "viem";
import { parseCanonicalManifest } from "../../models/client.ts";
import {
  audienceDigest,
  SaltedDigests,
  STATEMENT_FIELDS,
  type PrivatePart,
  type ReceiptBundle,
  type StatementOf,
} from "../../receipts/index.ts";
import { encodedOutputOf } from "../steps/bodies.ts";
import { StepFailure } from "../verification.ts";
import { receiptVerifierAbi } from "./contracts/receipt-verifier.ts";
import { ChainError } from "./error.ts";
import { CONTRACT_ERRORS, onChain } from "./reverts.ts";

type VerifyArguments = ContractFunctionArgs<typeof receiptVerifierAbi, "view", "verifyFor">;
/** `Receipt` of IReceiptVerifier.sol. */
export type ContractReceipt = VerifyArguments[1];
/** `Requirements` of IReceiptVerifier.sol. */
export type Requirements = VerifyArguments[2];
type ContractSignature = ContractReceipt["signature"];

export const NO_REQUIREMENTS: Requirements = { delivered: 0, pinnedAtSeconds: 0n, maxAgeSeconds: 0n };

/** `PINNED_NOW` of IReceiptVerifier.sol: code that the consumer pins, not code that it pinned once. */
export const PINNED_NOW = 2n ** 64n - 1n;

type OnChainType = "InferenceStatement" | "CircuitBinding" | "Proof" | "Reexecution" | "Revocation";

/** A statement's fields as viem encodes them: digests in hex, `uint64` as bigint. */
export function contractStatement<T extends OnChainType>(type: T, statement: StatementOf<T>) {
  const entries = STATEMENT_FIELDS[type].map(({ name }) => {
    const value: unknown = Reflect.get(statement, name);
    return [name, value instanceof Uint8Array ? bytesToHex(value) : value];
  });
  return Object.fromEntries(entries) as {
    [F in keyof StatementOf<T>]: StatementOf<T>[F] extends Uint8Array ? Hex : StatementOf<T>[F];
  };
}

/** @param signature65 r ‖ s ‖ v */
export function contractSignature(signature65: Uint8Array): ContractSignature {
  return {
    r: bytesToHex(signature65.subarray(0, 32)),
    s: bytesToHex(signature65.subarray(32, 64)),
    v: signature65[64]!,
  };
}

/** A delivered proof or re-execution, under the keyset that signed it. */
export interface Delivery<T extends "Proof" | "Reexecution"> {
  statement: StatementOf<T>;
  /** 32 bytes. */
  keysetDigest: Uint8Array;
  /** 65 bytes. */
  signature: Uint8Array;
}

/** What goes beside statement and output, where the consumer asks for it or the keyset has ended. */
export interface ReceiptExtras {
  /** The reference value that the consumer pinned. */
  referenceValueId?: Hex;
  proof?: Delivery<"Proof">;
  reexecution?: Delivery<"Reexecution">;
  /** The statement's place in an anchored tree. */
  inclusion?: { size: bigint; index: bigint; proof: readonly Uint8Array[] };
}

/** @param outputSalt `s_output`, 32 bytes */
export function contractReceipt(
  signed: { statement: StatementOf<"InferenceStatement">; signature: Uint8Array },
  output: { outputSalt: Uint8Array; encodedOutput: Uint8Array },
  { referenceValueId, proof, reexecution, inclusion }: ReceiptExtras = {},
): ContractReceipt {
  return {
    statement: contractStatement("InferenceStatement", signed.statement),
    signature: contractSignature(signed.signature),
    outputSalt: bytesToHex(output.outputSalt),
    encodedOutput: bytesToHex(output.encodedOutput),
    referenceValueId: referenceValueId ?? `0x${"00".repeat(32)}`,
    proofs: proof ? [delivered("Proof", proof)] : [],
    reexecutions: reexecution ? [delivered("Reexecution", reexecution)] : [],
    inclusions: inclusion ? [{ ...inclusion, proof: inclusion.proof.map((hash) => bytesToHex(hash)) }] : [],
  };
}

function delivered<T extends "Proof" | "Reexecution">(
  type: T,
  { statement, keysetDigest, signature }: Delivery<T>,
) {
  return {
    statement: contractStatement(type, statement),
    keysetDigest: bytesToHex(keysetDigest),
    signature: contractSignature(signature),
  };
}

/**
 * A receipt that the SDK handed out, with its private part: the contract sees output and output salt, and nothing else of it.
 * @throws ChainError `receipt_unsuitable` for a stream that ended early, `output_unavailable` where the private part is
 *   another receipt's
 */
export function receiptFromBundle(
  bundle: ReceiptBundle,
  privatePart: PrivatePart,
  extras: ReceiptExtras = {},
): ContractReceipt {
  if (bundle.type !== "InferenceStatement")
    throw new ChainError("receipt_unsuitable", "the receipt is of a stream that ended early");
  try {
    const encodedOutput = encodedOutputOf(parseCanonicalManifest(bundle.manifest), privatePart);
    const outputSalt = new SaltedDigests(privatePart.salt).salt("output");
    return contractReceipt(bundle, { outputSalt, encodedOutput }, extras);
  } catch (error) {
    if (!(error instanceof StepFailure)) throw error;
    throw new ChainError("output_unavailable", `the private part does not fit: ${error.message}`, {
      cause: error,
    });
  }
}

/** Whether a statement is meant for this contract on this chain. */
export function isFor(
  statement: StatementOf<"InferenceStatement">,
  chainId: number,
  consumer: Address,
): boolean {
  return bytesToHex(statement.audience) === bytesToHex(audienceDigest(BigInt(chainId), hexToBytes(consumer)));
}

/**
 * Asks the contract, without a transaction.
 * @returns the statement digest, 32 bytes in hex
 * @throws ChainError `contract_reverted` with the contract's error as `detail`, `contract_missing`, `chain_unreachable`
 */
export async function verifyOnChain(
  reader: PublicClient,
  receiptVerifier: Address,
  consumer: Address,
  receipt: ContractReceipt,
  requirements: Requirements = NO_REQUIREMENTS,
): Promise<Hex> {
  return (await onChain(() =>
    reader.readContract({
      address: receiptVerifier,
      abi: [...receiptVerifierAbi, ...CONTRACT_ERRORS],
      functionName: "verifyFor",
      args: [consumer, receipt, requirements],
    } as never),
  )) as Hex;
}
