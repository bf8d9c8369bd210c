/**
 * The record of a circuit: what it proves, how numbers are spelt in it, and the digests of its parts
 * (docs/spec/proofs.md). Browser-safe.
 */
import { z } from "zod";
import { concat, fromHex, sha256, toHex0x, utf8 } from "../codec/index.ts";
import type { Json } from "../codec/index.ts";
import { MAX_RANK } from "../receipts/index.ts";
import { ProofError } from "./error.ts";

/** The one proof system there is; another would bring its own name. */
export const PROOF_SYSTEMS = ["ezkl/21.0.0"] as const;
export type ProofSystemName = (typeof PROOF_SYSTEMS)[number];

/** `development`: made by whoever set it up, who can forge proofs; `ceremony`: the operator says where it comes from. */
export type SrsKind = "development" | "ceremony";
/** `fixed`: the verifying key is the model; `hashed`: weights are hidden behind a Poseidon hash in instance 1. */
export type ParameterMode = "fixed" | "hashed";

export interface CircuitTensor {
  name: string;
  shape: number[];
}

export interface Circuit {
  system: ProofSystemName;
  /** 32 bytes each. */
  modelId: Uint8Array;
  circuitId: Uint8Array;
  onnxDigest: Uint8Array;
  settingsDigest: Uint8Array;
  vkDigest: Uint8Array;
  /** sha256 of the SRS's verifying part. */
  srsDigest: Uint8Array;
  srs: SrsKind;
  parameters: ParameterMode;
  /** Instance 1 under `hashed`, 32 bytes little-endian; null under `fixed`. */
  parametersHash: Uint8Array | null;
  /** In bytewise order of their names, each row-major: how the input is flattened. */
  inputs: CircuitTensor[];
  /** In the order of the instances. */
  outputs: CircuitTensor[];
  /** An integer of the circuit is the real value x 2^scale. */
  inputScale: number;
  outputScale: number;
  /** Largest accepted difference of circuit and float output, in units of 10^-9. */
  bound: bigint;
  /** Largest absolute quantised input. */
  inputRange: bigint;
  /** log2 of the circuit's rows, and how many of them it uses. */
  logrows: number;
  rows: number;
  /** The exact length of every proof of this circuit. */
  proofBytes: number;
}

export const MAX_CIRCUIT_ELEMENTS = 65_536;
const MAX_RECORD_LENGTH = 64 * 1024;
const MAX_TENSORS = 64;

const bytes32 = z
  .string()
  .regex(/^0x[0-9a-f]{64}$/, "0x and 64 lower-case hex digits")
  .transform((text) => fromHex(text));
const uint64 = z
  .string()
  .regex(/^(0|[1-9]\d{0,19})$/, "a decimal number")
  .transform(BigInt)
  .refine((value) => value < 2n ** 64n, "below 2^64");
const scale = z.int().min(0).max(30);
const tensor = z.strictObject({
  name: z
    .string()
    .min(1)
    .max(128)
    .refine((text) => text.isWellFormed(), "not well-formed Unicode"),
  shape: z.array(z.int().min(1).max(MAX_CIRCUIT_ELEMENTS)).max(MAX_RANK),
});
const tensors = z
  .array(tensor)
  .min(1)
  .max(MAX_TENSORS)
  .refine((list) => elements(list) <= MAX_CIRCUIT_ELEMENTS, "too many elements")
  .refine((list) => new Set(list.map(({ name }) => name)).size === list.length, "a name appears twice");

const circuitSchema = z
  .strictObject({
    system: z.enum(PROOF_SYSTEMS),
    modelId: bytes32,
    circuitId: bytes32,
    onnxDigest: bytes32,
    settingsDigest: bytes32,
    vkDigest: bytes32,
    srsDigest: bytes32,
    srs: z.enum(["development", "ceremony"]),
    parameters: z.enum(["fixed", "hashed"]),
    parametersHash: bytes32.nullable(),
    inputs: tensors.refine(inNameOrder, "not in the order of their names"),
    outputs: tensors,
    inputScale: scale,
    outputScale: scale,
    bound: uint64,
    inputRange: uint64.refine((value) => value < 2n ** 53n, "below 2^53"),
    logrows: z.int().min(1).max(28),
    rows: z
      .int()
      .min(1)
      .max(2 ** 28),
    proofBytes: z
      .int()
      .min(32)
      .max(1 << 20),
  })
  .refine((record) => (record.parameters === "hashed") === (record.parametersHash !== null), {
    path: ["parametersHash"],
    message: "stands where the parameters are hashed, and there alone",
  });

/** How many elements the tensors have together. */
export function elements(list: readonly CircuitTensor[]): number {
  return list.reduce((sum, { shape }) => sum + shape.reduce((count, size) => count * size, 1), 0);
}

export function byName(a: { name: string }, b: { name: string }): number {
  const [left, right] = [utf8(a.name), utf8(b.name)];
  const at = left.findIndex((byte, i) => byte !== right[i]);
  return at === -1 ? left.length - right.length : left[at]! - (right[at] ?? -1);
}

function inNameOrder(list: readonly CircuitTensor[]): boolean {
  return list.every((one, i) => i === 0 || byName(list[i - 1]!, one) < 0);
}

const CIRCUIT_DOMAIN = utf8("affidavit.circuit.v1");

/** `circuitId`, 32 bytes: sha256("affidavit.circuit.v1" ‖ sha256(onnx) ‖ sha256(settings) ‖ srsDigest ‖ sha256(vk)). */
export function circuitId(
  parts: Pick<Circuit, "onnxDigest" | "settingsDigest" | "srsDigest" | "vkDigest">,
): Uint8Array {
  const { onnxDigest, settingsDigest, srsDigest, vkDigest } = parts;
  return sha256(concat(CIRCUIT_DOMAIN, onnxDigest, settingsDigest, srsDigest, vkDigest));
}

/**
 * A parsed JSON value to a circuit whose id its digests have. That the digests are those of some files is not checked.
 * @throws ProofError `circuit_invalid`, `circuit_id_mismatch`
 */
export function readCircuit(value: unknown): Circuit {
  const result = circuitSchema.safeParse(value);
  if (!result.success) {
    const issue = result.error.issues[0];
    const path = issue?.path.map(String).join(".") || "circuit";
    throw new ProofError("circuit_invalid", `${path}: ${issue?.message ?? "invalid"}`);
  }
  const circuit: Circuit = result.data;
  if (toHex0x(circuitId(circuit)) !== toHex0x(circuit.circuitId))
    throw new ProofError("circuit_id_mismatch", "the circuit's id is not that of its parts");
  return circuit;
}

/** @throws ProofError `circuit_invalid`, `circuit_id_mismatch` */
export function parseCircuit(text: string): Circuit {
  if (text.length > MAX_RECORD_LENGTH) throw new ProofError("circuit_invalid", "the record is too long");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new ProofError("circuit_invalid", "the record is not JSON", { cause });
  }
  return readCircuit(value);
}

/** Bytes as `0x` and lower-case hex, 64-bit numbers as decimal text. */
export function circuitToJson(circuit: Circuit): { [member: string]: Json } {
  const entries = Object.entries(circuit).map(([name, value]): [string, Json] => {
    if (value instanceof Uint8Array) return [name, toHex0x(value)];
    return [name, typeof value === "bigint" ? value.toString() : (value as Json)];
  });
  return Object.fromEntries(entries);
}
