/**
 * Where a keyset comes from: its text, its `Keyset` statement, the evidence and endorsements that the statement names,
 * and its place in the log. Part of every bundle, and what `GET /v1/attestation` answers. Parsing trusts nothing.
 */
import { toBase64, toHex0x } from "../codec/index.ts";
import type { Json } from "../codec/index.ts";
import { ReceiptError } from "./error.ts";
import { MAX_GPU_EVIDENCE_BYTES, measuredToJson, readMeasured, type EvidenceParts } from "./evidence.ts";
import type { KeysetStatement } from "./fields.ts";
import { MAX_KEYSET_LENGTH } from "./keyset.ts";
import { MAX_NOTE_LENGTH } from "./note.ts";
import { Shape } from "./shape.ts";
import { readStatement, statementToJson } from "./statement-json.ts";

export const FORMAT_VERSION = 1;
/** Of an attestation document. */
export const ATTESTATION_MEDIA_TYPE = "application/vnd.affidavit.attestation+json";
const MAX_QUOTE_BYTES = 128 * 1024;
const MAX_ENDORSEMENT_DEPTH = 8;
const MAX_ATTESTATION_LENGTH = 4 * 1024 * 1024;

/** A leaf's place in the log: its index, the inclusion proof, and the signed checkpoint the proof leads to. */
export interface LogProof {
  origin: string;
  leafIndex: bigint;
  /** Hashes of 32 bytes from the leaf's sibling up. */
  proof: Uint8Array[];
  /** A signed note. */
  checkpoint: string;
}

/** Evidence with the 32-byte nonce that its report data, and its GPUs' nonce, cover. */
export interface NoncedEvidence extends EvidenceParts {
  type: string;
  nonce: Uint8Array;
}

export interface KeysetRecord {
  /** Exact JCS text. */
  keyset: string;
  keysetStatement: { statement: KeysetStatement; signature: Uint8Array };
  /** `nonce`: sha256 of the attested checkpoint's text without signatures. */
  evidence: NoncedEvidence;
  /** The collateral the evidence is verified with. */
  endorsements: { [member: string]: Json };
  /** `attestedCheckpoint`: the signed note that was the newest when the evidence was made. */
  keysetLog: LogProof & { attestedCheckpoint: string };
}

/** What `GET /v1/attestation` answers. */
export interface AttestationDocument extends KeysetRecord {
  /** Evidence over the caller's own nonce, where one was given. */
  fresh: NoncedEvidence | null;
}

export function logProofToJson(log: LogProof): { [member: string]: Json } {
  return {
    origin: log.origin,
    leafIndex: log.leafIndex.toString(),
    proof: log.proof.map(toHex0x),
    checkpoint: log.checkpoint,
  };
}

function evidenceToJson(evidence: NoncedEvidence): { [member: string]: Json } {
  const { type, quote, nonce, gpu, measuredModels } = evidence;
  return {
    type,
    quote: toBase64(quote),
    nonce: toHex0x(nonce),
    ...(gpu && { gpu: { type: gpu.type, quote: toBase64(gpu.quote) } }),
    ...(measuredModels && { measuredModels: measuredToJson(measuredModels) }),
  };
}

export function keysetRecordToJson(record: KeysetRecord): { [member: string]: Json } {
  const { statement, signature } = record.keysetStatement;
  return {
    keyset: record.keyset,
    keysetStatement: { statement: statementToJson("Keyset", statement), signature: toHex0x(signature) },
    evidence: evidenceToJson(record.evidence),
    endorsements: record.endorsements,
    keysetLog: {
      ...logProofToJson(record.keysetLog),
      attestedCheckpoint: record.keysetLog.attestedCheckpoint,
    },
  };
}

export function attestationToJson(document: AttestationDocument): { [member: string]: Json } {
  const { fresh } = document;
  return {
    formatVersion: FORMAT_VERSION,
    ...keysetRecordToJson(document),
    fresh: fresh === null ? null : evidenceToJson(fresh),
  };
}

function checkJson(shape: Shape, value: unknown, depth: number, path: string): void {
  if (depth < 0) shape.fail(path, "nested too deep");
  if (typeof value === "string" && !value.isWellFormed()) shape.fail(path, "not well-formed text");
  if (typeof value === "number" && !Number.isFinite(value)) shape.fail(path, "a number out of range");
  if (typeof value !== "object" || value === null) return;
  for (const [name, member] of Object.entries(value)) {
    if (name === "__proto__" || !name.isWellFormed()) shape.fail(path, "a member's name is not allowed");
    checkJson(shape, member, depth - 1, path);
  }
}

function readEndorsements(shape: Shape, value: unknown): { [member: string]: Json } {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    shape.fail("endorsements", "not an object");
  checkJson(shape, value, MAX_ENDORSEMENT_DEPTH, "endorsements");
  return value as { [member: string]: Json };
}

const LOG_PROOF = ["origin", "leafIndex", "proof", "checkpoint"] as const;

function readProofMembers(
  shape: Shape,
  members: Record<(typeof LOG_PROOF)[number], unknown>,
  path: string,
): LogProof {
  return {
    origin: shape.token(members.origin, 255, `${path}.origin`),
    leafIndex: shape.uint64(members.leafIndex, `${path}.leafIndex`),
    proof: shape
      .list(members.proof, 64, `${path}.proof`)
      .map((hash, i) => shape.hex(hash, 32, `${path}.proof[${i}]`)),
    checkpoint: shape.text(members.checkpoint, MAX_NOTE_LENGTH, `${path}.checkpoint`),
  };
}

export function readLogProof(shape: Shape, value: unknown, path: string): LogProof {
  return readProofMembers(shape, shape.object(value, LOG_PROOF, path), path);
}

function readKeysetLog(shape: Shape, value: unknown): KeysetRecord["keysetLog"] {
  const members = shape.object(value, [...LOG_PROOF, "attestedCheckpoint"], "keysetLog");
  return {
    ...readProofMembers(shape, members, "keysetLog"),
    attestedCheckpoint: shape.text(
      members.attestedCheckpoint,
      MAX_NOTE_LENGTH,
      "keysetLog.attestedCheckpoint",
    ),
  };
}

function readKeysetStatement(shape: Shape, value: unknown): KeysetRecord["keysetStatement"] {
  const members = shape.object(value, ["statement", "signature"], "keysetStatement");
  return {
    statement: readStatement(shape, "Keyset", members.statement, "keysetStatement.statement"),
    signature: shape.hex(members.signature, 65, "keysetStatement.signature"),
  };
}

function readEvidence(shape: Shape, value: unknown, path: string): NoncedEvidence {
  const has = (name: string): boolean =>
    typeof value === "object" && value !== null && Object.hasOwn(value, name);
  const optional = (["gpu", "measuredModels"] as const).filter(has);
  const members: Record<string, unknown> = shape.object(value, ["type", "quote", "nonce", ...optional], path);
  return {
    type: shape.token(members["type"], 32, `${path}.type`),
    quote: shape.base64(members["quote"], MAX_QUOTE_BYTES, `${path}.quote`),
    nonce: shape.hex(members["nonce"], 32, `${path}.nonce`),
    ...(has("gpu") && { gpu: readGpu(shape, members["gpu"], `${path}.gpu`) }),
    ...(has("measuredModels") && {
      measuredModels: readMeasured(shape, members["measuredModels"], `${path}.measuredModels`),
    }),
  };
}

function readGpu(shape: Shape, value: unknown, path: string): NonNullable<NoncedEvidence["gpu"]> {
  const members = shape.object(value, ["type", "quote"], path);
  return {
    type: shape.token(members.type, 32, `${path}.type`),
    quote: shape.base64(members.quote, MAX_GPU_EVIDENCE_BYTES, `${path}.quote`),
  };
}

export const KEYSET_RECORD_MEMBERS = [
  "keyset",
  "keysetStatement",
  "evidence",
  "endorsements",
  "keysetLog",
] as const;

/** The members of an object that make a keyset record. */
export function readKeysetRecord(
  shape: Shape,
  root: Record<(typeof KEYSET_RECORD_MEMBERS)[number], unknown>,
): KeysetRecord {
  return {
    keyset: shape.text(root.keyset, MAX_KEYSET_LENGTH, "keyset"),
    keysetStatement: readKeysetStatement(shape, root.keysetStatement),
    evidence: readEvidence(shape, root.evidence, "evidence"),
    endorsements: readEndorsements(shape, root.endorsements),
    keysetLog: readKeysetLog(shape, root.keysetLog),
  };
}

/** Refuses unknown versions before anything else is looked at. @throws ReceiptError `format_version_unknown` */
export function checkFormatVersion(shape: Shape, document: unknown): void {
  if (typeof document !== "object" || document === null || !Object.hasOwn(document, "formatVersion")) {
    shape.fail("document", "no formatVersion");
  }
  if (Reflect.get(document, "formatVersion") !== FORMAT_VERSION) {
    throw new ReceiptError("format_version_unknown", "unknown formatVersion");
  }
}

/**
 * JSON text of `GET /v1/attestation` to its parts.
 * @throws ReceiptError `bundle_invalid`, `format_version_unknown`
 */
export function parseAttestation(text: string): AttestationDocument {
  const shape: Shape = new Shape("bundle_invalid");
  const document = shape.json(text, MAX_ATTESTATION_LENGTH);
  checkFormatVersion(shape, document);
  const root = shape.object(document, ["formatVersion", ...KEYSET_RECORD_MEMBERS, "fresh"], "document");
  return {
    ...readKeysetRecord(shape, root),
    fresh: root.fresh === null ? null : readEvidence(shape, root.fresh, "fresh"),
  };
}
