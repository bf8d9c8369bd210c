/**
 * The receipt bundle: everything a verifier needs with no network, as JSON (docs/spec/receipt.md). Documents that a digest
 * names are carried as their exact text. Parsing trusts nothing: no signature, digest or proof is checked here.
 */
import { equal, jcs, sha256, toHex0x, utf8 } from "../codec/index.ts";
import type { Json } from "../codec/index.ts";
import { ReceiptError } from "./error.ts";
import type { AbortedStatement, InferenceStatement } from "./fields.ts";
import { STATEMENT_FIELDS } from "./fields.ts";
import { MAX_HEADER_LENGTH, parseReceiptHeader } from "./header.ts";
import {
  checkFormatVersion,
  FORMAT_VERSION,
  KEYSET_RECORD_MEMBERS,
  keysetRecordToJson,
  logProofToJson,
  readKeysetRecord,
  readLogProof,
} from "./keyset-record.ts";
import type { KeysetRecord, LogProof } from "./keyset-record.ts";
import { Shape } from "./shape.ts";
import { readStatement, statementToJson } from "./statement-json.ts";
import { encodeStatement } from "./statements.ts";

export const RECEIPT_MEDIA_TYPE = "application/vnd.affidavit.receipt+json";
/** In UTF-16 units, as for every text limit here. */
export const MAX_BUNDLE_LENGTH = 4 * 1024 * 1024;

const MAX_DOCUMENT_LENGTH = 1024 * 1024;

interface BundleParts extends KeysetRecord {
  /** r ‖ s ‖ v, 65 bytes. */
  signature: Uint8Array;
  /** The header form: the signed bytes, of which `type`, `statement` and `signature` are the readable form. */
  receipt: string;
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
    ...keysetRecordToJson(bundle),
    manifest: bundle.manifest,
    policy: bundle.policy,
    execution: bundle.execution,
    inclusion: bundle.inclusion === null ? null : logProofToJson(bundle.inclusion),
  };
  const text = `${JSON.stringify(document, null, 2)}\n`;
  parseBundle(text);
  return text;
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
  ...KEYSET_RECORD_MEMBERS,
  "manifest",
  "policy",
  "execution",
  "inclusion",
] as const;

function readParts(root: Record<(typeof MEMBERS)[number], unknown>): BundleParts {
  return {
    signature: shape.hex(root.signature, 65, "signature"),
    receipt: readReceipt(root.receipt),
    ...readKeysetRecord(shape, root),
    manifest: shape.text(root.manifest, MAX_DOCUMENT_LENGTH, "manifest"),
    policy: shape.text(root.policy, MAX_DOCUMENT_LENGTH, "policy"),
    execution: shape.text(root.execution, MAX_DOCUMENT_LENGTH, "execution"),
    inclusion: root.inclusion === null ? null : readLogProof(shape, root.inclusion, "inclusion"),
  };
}

/**
 * JSON text to a bundle.
 * @throws ReceiptError `bundle_limit`, `bundle_invalid`, `format_version_unknown`
 */
export function parseBundle(text: string): ReceiptBundle {
  if (text.length > MAX_BUNDLE_LENGTH) throw new ReceiptError("bundle_limit", "the bundle is too long");
  const document = shape.json(text, MAX_BUNDLE_LENGTH);
  checkFormatVersion(shape, document);
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

/** sha256 of the endorsements' JCS text. */
export function endorsementsDigest(endorsements: Json): Uint8Array {
  return sha256(utf8(jcs(endorsements)));
}
