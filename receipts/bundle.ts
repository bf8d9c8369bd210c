/**
 * The receipt bundle: everything a verifier needs with no network, as JSON (docs/spec/receipt.md). Documents that a digest
 * names are carried as their exact text. Parsing trusts nothing: no signature, digest or proof is checked here.
 */
import { equal, jcs, sha256, toBase64, toHex0x, utf8 } from "../codec/index.ts";
import type { Json } from "../codec/index.ts";
import { ReceiptError } from "./error.ts";
import type { AbortedStatement, InferenceStatement, KeysetStatement } from "./fields.ts";
import { STATEMENT_FIELDS } from "./fields.ts";
import { MAX_HEADER_LENGTH, parseReceiptHeader } from "./header.ts";
import { MAX_KEYSET_LENGTH } from "./keyset.ts";
import { MAX_NOTE_LENGTH } from "./note.ts";
import { Shape } from "./shape.ts";
import { readStatement, statementToJson } from "./statement-json.ts";
import { encodeStatement } from "./statements.ts";

export const RECEIPT_MEDIA_TYPE = "application/vnd.affidavit.receipt+json";
/** In UTF-16 units, as for every text limit here. */
export const MAX_BUNDLE_LENGTH = 4 * 1024 * 1024;

const FORMAT_VERSION = 1;
const MAX_DOCUMENT_LENGTH = 1024 * 1024;
const MAX_QUOTE_BYTES = 128 * 1024;
const MAX_ENDORSEMENT_DEPTH = 8;

/** A leaf's place in the log: its index, the inclusion proof, and the signed checkpoint the proof leads to. */
export interface LogProof {
  origin: string;
  leafIndex: bigint;
  /** Hashes of 32 bytes from the leaf's sibling up. */
  proof: Uint8Array[];
  /** A signed note. */
  checkpoint: string;
}

interface BundleParts {
  /** r ‖ s ‖ v, 65 bytes. */
  signature: Uint8Array;
  /** The header form: the signed bytes, of which `type`, `statement` and `signature` are the readable form. */
  receipt: string;
  /** Exact JCS text. */
  keyset: string;
  keysetStatement: { statement: KeysetStatement; signature: Uint8Array };
  /** `nonce`: 32 bytes, sha256 of the attested checkpoint's text without signatures. */
  evidence: { type: string; quote: Uint8Array; nonce: Uint8Array };
  /** The collateral the evidence is verified with. */
  endorsements: { [member: string]: Json };
  /** `attestedCheckpoint`: the signed note that was the newest when the evidence was made. */
  keysetLog: LogProof & { attestedCheckpoint: string };
  /** Exact JCS texts; their SHA-256 are `modelId`, `policyDigest` and `executionDigest`. */
  manifest: string;
  policy: string;
  execution: string;
  /** The statement's own place in the log, once it has one. */
  inclusion: LogProof | null;
}

export type ReceiptBundle =
  | (BundleParts & { type: "InferenceStatement"; statement: InferenceStatement })
  | (BundleParts & { type: "Aborted"; statement: AbortedStatement });

const shape: Shape = new Shape("bundle_invalid");

function logProofToJson(log: LogProof): { [member: string]: Json } {
  return {
    origin: log.origin,
    leafIndex: log.leafIndex.toString(),
    proof: log.proof.map(toHex0x),
    checkpoint: log.checkpoint,
  };
}

/**
 * The bundle's JSON text, checked by parsing it again.
 * @throws ReceiptError `bundle_invalid`, `bundle_limit`
 */
export function serializeBundle(bundle: ReceiptBundle): string {
  const document: Json = {
    formatVersion: FORMAT_VERSION,
    type: bundle.type,
    statement:
      bundle.type === "Aborted"
        ? statementToJson("Aborted", bundle.statement)
        : statementToJson("InferenceStatement", bundle.statement),
    signature: toHex0x(bundle.signature),
    receipt: bundle.receipt,
    keyset: bundle.keyset,
    keysetStatement: {
      statement: statementToJson("Keyset", bundle.keysetStatement.statement),
      signature: toHex0x(bundle.keysetStatement.signature),
    },
    evidence: {
      type: bundle.evidence.type,
      quote: toBase64(bundle.evidence.quote),
      nonce: toHex0x(bundle.evidence.nonce),
    },
    endorsements: bundle.endorsements,
    keysetLog: {
      ...logProofToJson(bundle.keysetLog),
      attestedCheckpoint: bundle.keysetLog.attestedCheckpoint,
    },
    manifest: bundle.manifest,
    policy: bundle.policy,
    execution: bundle.execution,
    inclusion: bundle.inclusion === null ? null : logProofToJson(bundle.inclusion),
  };
  const text = `${JSON.stringify(document, null, 2)}\n`;
  parseBundle(text);
  return text;
}

function checkJson(value: unknown, depth: number, path: string): void {
  if (depth < 0) shape.fail(path, "nested too deep");
  if (typeof value === "string" && !value.isWellFormed()) shape.fail(path, "not well-formed text");
  if (typeof value === "number" && !Number.isFinite(value)) shape.fail(path, "a number out of range");
  if (typeof value !== "object" || value === null) return;
  for (const [name, member] of Object.entries(value)) {
    if (name === "__proto__" || !name.isWellFormed()) shape.fail(path, "a member's name is not allowed");
    checkJson(member, depth - 1, path);
  }
}

function readEndorsements(value: unknown): { [member: string]: Json } {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    shape.fail("endorsements", "not an object");
  checkJson(value, MAX_ENDORSEMENT_DEPTH, "endorsements");
  return value as { [member: string]: Json };
}

const LOG_PROOF = ["origin", "leafIndex", "proof", "checkpoint"] as const;

function readLogProof(members: Record<(typeof LOG_PROOF)[number], unknown>, path: string): LogProof {
  return {
    origin: shape.token(members.origin, 255, `${path}.origin`),
    leafIndex: shape.uint64(members.leafIndex, `${path}.leafIndex`),
    proof: shape
      .list(members.proof, 64, `${path}.proof`)
      .map((hash, i) => shape.hex(hash, 32, `${path}.proof[${i}]`)),
    checkpoint: shape.text(members.checkpoint, MAX_NOTE_LENGTH, `${path}.checkpoint`),
  };
}

function readKeysetStatement(value: unknown): BundleParts["keysetStatement"] {
  const members = shape.object(value, ["statement", "signature"], "keysetStatement");
  return {
    statement: readStatement(shape, "Keyset", members.statement, "keysetStatement.statement"),
    signature: shape.hex(members.signature, 65, "keysetStatement.signature"),
  };
}

function readEvidence(value: unknown): BundleParts["evidence"] {
  const members = shape.object(value, ["type", "quote", "nonce"], "evidence");
  return {
    type: shape.token(members.type, 32, "evidence.type"),
    quote: shape.base64(members.quote, MAX_QUOTE_BYTES, "evidence.quote"),
    nonce: shape.hex(members.nonce, 32, "evidence.nonce"),
  };
}

function readReceipt(value: unknown): string {
  const text = shape.text(value, MAX_HEADER_LENGTH, "receipt");
  try {
    parseReceiptHeader(text);
  } catch (error) {
    if (error instanceof ReceiptError) shape.fail("receipt", error.message);
    throw error;
  }
  return text;
}

const MEMBERS = [
  "formatVersion",
  "type",
  "statement",
  "signature",
  "receipt",
  "keyset",
  "keysetStatement",
  "evidence",
  "endorsements",
  "keysetLog",
  "manifest",
  "policy",
  "execution",
  "inclusion",
] as const;

/** Refuses unknown versions before anything else is looked at. */
function checkVersion(document: unknown): void {
  if (typeof document !== "object" || document === null || !Object.hasOwn(document, "formatVersion")) {
    shape.fail("document", "no formatVersion");
  }
  if (Reflect.get(document, "formatVersion") !== FORMAT_VERSION) {
    throw new ReceiptError("format_version_unknown", "unknown formatVersion");
  }
}

function readParts(root: Record<(typeof MEMBERS)[number], unknown>): BundleParts {
  const log = shape.object(root.keysetLog, [...LOG_PROOF, "attestedCheckpoint"], "keysetLog");
  return {
    signature: shape.hex(root.signature, 65, "signature"),
    receipt: readReceipt(root.receipt),
    keyset: shape.text(root.keyset, MAX_KEYSET_LENGTH, "keyset"),
    keysetStatement: readKeysetStatement(root.keysetStatement),
    evidence: readEvidence(root.evidence),
    endorsements: readEndorsements(root.endorsements),
    keysetLog: {
      ...readLogProof(log, "keysetLog"),
      attestedCheckpoint: shape.text(log.attestedCheckpoint, MAX_NOTE_LENGTH, "keysetLog.attestedCheckpoint"),
    },
    manifest: shape.text(root.manifest, MAX_DOCUMENT_LENGTH, "manifest"),
    policy: shape.text(root.policy, MAX_DOCUMENT_LENGTH, "policy"),
    execution: shape.text(root.execution, MAX_DOCUMENT_LENGTH, "execution"),
    inclusion:
      root.inclusion === null
        ? null
        : readLogProof(shape.object(root.inclusion, LOG_PROOF, "inclusion"), "inclusion"),
  };
}

/**
 * JSON text to a bundle.
 * @throws ReceiptError `bundle_limit`, `bundle_invalid`, `format_version_unknown`
 */
export function parseBundle(text: string): ReceiptBundle {
  if (text.length > MAX_BUNDLE_LENGTH) throw new ReceiptError("bundle_limit", "the bundle is too long");
  const document = shape.json(text, MAX_BUNDLE_LENGTH);
  checkVersion(document);
  const root = shape.object(document, MEMBERS, "document");
  const { type } = root;
  if (type === "InferenceStatement") {
    return { type, statement: readStatement(shape, type, root.statement, "statement"), ...readParts(root) };
  }
  if (type === "Aborted") {
    return { type, statement: readStatement(shape, type, root.statement, "statement"), ...readParts(root) };
  }
  return shape.fail("type", "a receipt is of an InferenceStatement or an Aborted statement");
}

/**
 * Where the readable half says another thing than the signed bytes: `type`, a field's name, `signature`, or null where
 * they agree. A verifier asks this first, so that it can name what was changed and not only that something was.
 * @throws ReceiptError what `parseReceiptHeader` throws
 */
export function differingMember(bundle: ReceiptBundle): string | null {
  const signed = parseReceiptHeader(bundle.receipt);
  if (signed.type !== bundle.type) return "type";
  const readable =
    bundle.type === "Aborted"
      ? encodeStatement("Aborted", bundle.statement)
      : encodeStatement("InferenceStatement", bundle.statement);
  const index = STATEMENT_FIELDS[bundle.type].findIndex(
    (_, i) => !equal(readable.subarray(32 * i, 32 * i + 32), signed.words.subarray(32 * i, 32 * i + 32)),
  );
  if (index >= 0) return STATEMENT_FIELDS[bundle.type][index]!.name;
  return equal(signed.signature, bundle.signature) ? null : "signature";
}

/** sha256 of the exact UTF-8 text: `modelId`, `policyDigest` and `executionDigest` alike. */
export function documentDigest(text: string): Uint8Array {
  return sha256(utf8(text));
}

/** sha256 of the quote's bytes. */
export function evidenceDigest(quote: Uint8Array): Uint8Array {
  return sha256(quote);
}

/** sha256 of the endorsements' JCS text. */
export function endorsementsDigest(endorsements: Json): Uint8Array {
  return sha256(utf8(jcs(endorsements)));
}
