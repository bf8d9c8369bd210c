/**
 * The policies under which inferences run, as documents that a receipt names by digest: JCS of `formatVersion`, `assurance`,
 * `circuitBinding` (0x and the SHA-256 of the owner-signed binding, or null) and, where the operator set one, `zkAboveUsd`.
 */
import { jcs, sha256, toHex0x, utf8, type Json } from "../codec/index.ts";

/** What an answer rests on beside the TEE. */
export const ASSURANCES = ["tee", "tee+zk", "tee+reexecution"] as const;
export type Assurance = (typeof ASSURANCES)[number];

export interface PolicyDocument {
  /** Exact canonical text. */
  text: string;
  /** SHA-256 of the text: 32 bytes. */
  digest: Uint8Array;
}

/** US dollars are counted in millionths. */
export const USD_DECIMALS = 6;

/** @returns millionths of a dollar, or undefined where the text is no such amount */
export function parseUsd(text: string): bigint | undefined {
  const match = /^(0|[1-9][0-9]{0,14})(?:\.([0-9]{1,6}))?$/.exec(text);
  if (!match) return undefined;
  return BigInt(match[1]! + (match[2] ?? "").padEnd(USD_DECIMALS, "0"));
}

function formatUsd(amountMicroUsd: bigint): string {
  const digits = amountMicroUsd.toString().padStart(USD_DECIMALS + 1, "0");
  const fraction = digits.slice(-USD_DECIMALS).replace(/0+$/, "");
  return digits.slice(0, -USD_DECIMALS) + (fraction && `.${fraction}`);
}

/**
 * @param binding SHA-256 of the circuit binding, under `tee+zk`
 * @param zkAboveMicroUsd value at risk above which a proof is demanded; undefined where none is
 */
export function policyDocument(
  assurance: Assurance,
  binding: Uint8Array | null,
  zkAboveMicroUsd: bigint | undefined,
): PolicyDocument {
  const document: { [member: string]: Json } = {
    formatVersion: 1,
    assurance,
    circuitBinding: binding && toHex0x(binding),
  };
  if (zkAboveMicroUsd !== undefined) document["zkAboveUsd"] = formatUsd(zkAboveMicroUsd);
  const text = jcs(document);
  return { text, digest: sha256(utf8(text)) };
}
