/**
 * Opens one field of a statement to one auditor: its own salt and value, from which its digest follows and no other
 * field's. The salts of the fields are derived one way, so none leads to another.
 */
import {
  CodecError,
  equal,
  fromBase64,
  fromHex,
  fromUtf8,
  toBase64,
  toHex,
  toHex0x,
  utf8,
} from "../../codec/index.ts";
import {
  ModelError,
  OipError,
  parseInferRequest,
  parseInferResponse,
  parseManifest,
} from "../../models/client.ts";
import {
  canonicalTensors,
  deriveSalt,
  encodeOutput,
  fieldDigests,
  ReceiptError,
  statementDigest,
  type PrivatePart,
  type ReceiptBundle,
} from "../../receipts/index.ts";
import { AuditError } from "./error.ts";

export const DISCLOSED_FIELDS = ["input", "output", "request", "response", "requester"] as const;
export type DisclosedField = (typeof DISCLOSED_FIELDS)[number];

export interface Disclosure {
  /** Hex of the statement's digest. */
  receiptId: string;
  field: DisclosedField;
  /** s_field, 32 bytes. */
  salt: Uint8Array;
  /** Canonical input, encoded output, a body, or the requester's identity as UTF-8. */
  value: Uint8Array;
}

const MAX_LENGTH = 96 * 1024 * 1024;

export function receiptIdOf(bundle: ReceiptBundle): string {
  return toHex(statementDigest(bundle.type, bundle.statement as never));
}

/** @throws AuditError `field_unavailable` where the private part has no such field */
export function disclose(bundle: ReceiptBundle, part: PrivatePart, field: DisclosedField): Disclosure {
  const disclosure = {
    receiptId: receiptIdOf(bundle),
    field,
    salt: deriveSalt(part.salt, field),
    value: valueOf(bundle, part, field),
  };
  if (!opens(disclosure, bundle))
    throw new AuditError("field_unavailable", "the private part is not of this receipt");
  return disclosure;
}

function valueOf(bundle: ReceiptBundle, part: PrivatePart, field: DisclosedField): Uint8Array {
  if (field === "requester") return utf8(part.requester);
  if (field === "request" || field === "response") return part[field].bytes;
  const { bytes, headerLength } = part[field === "input" ? "request" : "response"];
  try {
    if (field === "input")
      return canonicalTensors(parseInferRequest(bytes, headerLength ?? undefined).inputs);
    if (bundle.type === "Aborted")
      throw new AuditError("field_unavailable", "an aborted answer has no output");
    const { outputs } = parseInferResponse(bytes, headerLength ?? undefined);
    const manifest = parseManifest(bundle.manifest);
    const ordered = manifest.outputs.flatMap(({ name }) => outputs.filter((output) => output.name === name));
    return encodeOutput(manifest.outputKind, ordered);
  } catch (cause) {
    if (!(cause instanceof OipError || cause instanceof ReceiptError || cause instanceof ModelError))
      throw cause;
    throw new AuditError("field_unavailable", cause.message, { cause });
  }
}

/** Whether the disclosed value is what the statement was about; that the statement itself holds is for `verifyReceipt`. */
export function opens({ receiptId, field, salt, value }: Disclosure, bundle: ReceiptBundle): boolean {
  if (receiptId !== receiptIdOf(bundle)) return false;
  const { statement } = bundle;
  switch (field) {
    case "input":
      return equal(fieldDigests.inputCommitment(salt, value), statement.inputCommitment);
    case "output":
      return (
        bundle.type !== "Aborted" &&
        equal(fieldDigests.outputDigest(salt, value), bundle.statement.outputDigest)
      );
    case "request":
      return equal(fieldDigests.bodyDigest(salt, value), statement.requestDigest);
    case "response":
      return equal(fieldDigests.bodyDigest(salt, value), statement.responseDigest);
    case "requester":
      return isText(value) && equal(fieldDigests.requester(salt, fromUtf8(value)), statement.requester);
  }
}

export function serializeDisclosure({ receiptId, field, salt, value }: Disclosure): string {
  return `${JSON.stringify({ formatVersion: 1, receiptId, field, salt: toHex0x(salt), value: toBase64(value) }, null, 2)}\n`;
}

function isText(value: Uint8Array): boolean {
  try {
    return fromUtf8(value).length <= 1024;
  } catch (error) {
    if (error instanceof CodecError) return false;
    throw error;
  }
}

/** @throws AuditError `disclosure_invalid` */
export function parseDisclosure(text: string): Disclosure {
  if (text.length > MAX_LENGTH) throw new AuditError("disclosure_invalid", "the disclosure is too long");
  try {
    const document: unknown = JSON.parse(text);
    const { formatVersion, receiptId, field, salt, value, ...rest } = (document ?? {}) as Record<
      string,
      unknown
    >;
    const known = DISCLOSED_FIELDS.find((name) => name === field);
    const isSound =
      formatVersion === 1 &&
      typeof receiptId === "string" &&
      /^[0-9a-f]{64}$/.test(receiptId) &&
      known !== undefined;
    if (!isSound || typeof salt !== "string" || typeof value !== "string" || Object.keys(rest).length > 0)
      throw new AuditError("disclosure_invalid", "not a disclosure of version 1");
    return { receiptId, field: known, salt: fromHex(salt.replace(/^0x/, ""), 32), value: fromBase64(value) };
  } catch (cause) {
    if (cause instanceof AuditError) throw cause;
    if (cause instanceof SyntaxError || cause instanceof CodecError)
      throw new AuditError("disclosure_invalid", "the disclosure is damaged", { cause });
    throw cause;
  }
}
