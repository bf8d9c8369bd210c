/**
 * The proof bundle: a receipt and the proof that belongs to it, with everything a verifier needs and no network, as JSON
 * (docs/spec/proofs.md). Parsing trusts nothing. Browser-safe.
 */
import { z } from "zod";
import { CodecError, fromBase64, fromHex, toBase64, toHex0x } from "../codec/index.ts";
import type { Json } from "../codec/index.ts";
import {
  attestationToJson,
  parseAttestation,
  parseBundle,
  parseReceiptHeader,
  ReceiptError,
  serializeBundle,
  type KeysetRecord,
  type ReceiptBundle,
} from "../receipts/index.ts";
import { MAX_CIRCUIT_ELEMENTS } from "./circuit.ts";
import { ProofError } from "./error.ts";
import type { ProofParts } from "./verifier.ts";

export const PROOF_MEDIA_TYPE = "application/vnd.affidavit.proof+json";
export const MAX_PROOF_BUNDLE_LENGTH: number = 24 * 1024 * 1024;
const FORMAT_VERSION = 1;
const MAX_TEXT_LENGTH = 64 * 1024;
const MAX_VERIFYING_KEY_LENGTH = 8 * 1024 * 1024;
const MAX_PROOF_LENGTH = 2 * 1024 * 1024;

export interface ProofBundle extends ProofParts {
  receipt: ReceiptBundle;
  /** The owner-signed circuit binding, exact text. */
  binding: string;
  /** Header form of a `CircuitCommitment`, where the receipt itself has no `circuitInput`. */
  circuitCommitment: string | null;
  /** Header form of the `Proof` statement, where there is one. */
  proofStatement: string | null;
  /** The keyset of those two statements where it is not the receipt's. */
  keyset: KeysetRecord | null;
}

/**
 * The bundle's JSON text, checked by parsing it again.
 * @throws ProofError `proof_bundle_invalid`, `proof_bundle_limit`
 */
export function serializeProofBundle(bundle: ProofBundle): string {
  const { keyset } = bundle;
  const document: Json = {
    formatVersion: FORMAT_VERSION,
    receipt: JSON.parse(serializeBundle(bundle.receipt)) as Json,
    binding: bundle.binding,
    settings: bundle.settings,
    verifyingKey: toBase64(bundle.verifyingKey),
    srs: toBase64(bundle.srs),
    proof: toBase64(bundle.proof),
    instances: bundle.instances.map(toHex0x),
    circuitCommitment: bundle.circuitCommitment,
    proofStatement: bundle.proofStatement,
    keyset: keyset === null ? null : attestationToJson({ ...keyset, fresh: null }),
  };
  const text = `${JSON.stringify(document, null, 2)}\n`;
  parseProofBundle(text);
  return text;
}

const header = z.string().max(4096).nullable();
const base64 = (maxLength: number) => z.string().max(maxLength);

const bundleSchema = z.strictObject({
  formatVersion: z.literal(FORMAT_VERSION),
  receipt: z.record(z.string(), z.unknown()),
  binding: z.string().max(MAX_TEXT_LENGTH),
  settings: z.string().max(MAX_TEXT_LENGTH),
  verifyingKey: base64(MAX_VERIFYING_KEY_LENGTH),
  srs: base64(1024),
  proof: base64(MAX_PROOF_LENGTH),
  instances: z
    .array(z.string().regex(/^0x[0-9a-f]{64}$/))
    .min(1)
    .max(MAX_CIRCUIT_ELEMENTS + 2),
  circuitCommitment: header,
  proofStatement: header,
  keyset: z.record(z.string(), z.unknown()).nullable(),
});

/** Whether a JSON text is to be read as a proof bundle rather than a receipt. */
export function looksLikeProofBundle(text: string): boolean {
  return (
    text.length <= MAX_PROOF_BUNDLE_LENGTH &&
    /^\s*\{\s*"formatVersion"\s*:\s*[^,]*,\s*"receipt"\s*:\s*\{/.test(text)
  );
}

/**
 * JSON text to a bundle. The receipt within is parsed as any receipt is.
 * @throws ProofError `proof_bundle_limit`, `proof_bundle_invalid`, `format_version_unknown`
 */
export function parseProofBundle(text: string): ProofBundle {
  if (text.length > MAX_PROOF_BUNDLE_LENGTH)
    throw new ProofError("proof_bundle_limit", "the proof bundle is too long");
  const { receipt, keyset, verifyingKey, srs, proof, instances, ...texts } = readDocument(text);
  return reading(() => {
    for (const [name, type] of [
      ["circuitCommitment", "CircuitCommitment"],
      ["proofStatement", "Proof"],
    ] as const) {
      const statement = texts[name];
      if (statement !== null && parseReceiptHeader(statement).type !== type)
        throw new ProofError("proof_bundle_invalid", `${name} is another statement`);
    }
    return {
      receipt: parseBundle(JSON.stringify(receipt)),
      binding: texts.binding,
      settings: texts.settings,
      verifyingKey: fromBase64(verifyingKey),
      srs: fromBase64(srs),
      proof: fromBase64(proof),
      instances: instances.map((hex) => fromHex(hex)),
      circuitCommitment: texts.circuitCommitment,
      proofStatement: texts.proofStatement,
      keyset: keyset === null ? null : keysetOf(keyset),
    };
  });
}

function keysetOf(value: unknown): KeysetRecord {
  const { fresh: _, ...record } = parseAttestation(JSON.stringify(value));
  return record;
}

function readDocument(text: string): z.infer<typeof bundleSchema> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new ProofError("proof_bundle_invalid", "the proof bundle is not JSON", { cause });
  }
  if (typeof value === "object" && value !== null && "formatVersion" in value && value.formatVersion !== 1)
    throw new ProofError("format_version_unknown", "unknown formatVersion");
  const result = bundleSchema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const path = issue?.path.map(String).join(".") || "document";
  throw new ProofError("proof_bundle_invalid", `${path}: ${issue?.message ?? "invalid"}`);
}

function reading(read: () => ProofBundle): ProofBundle {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof ReceiptError || cause instanceof CodecError)
      throw new ProofError("proof_bundle_invalid", cause.message, { cause });
    throw cause;
  }
}
