/**
 * What is in an audit bundle, a tar archive:
 *
 *   audit.json                    format, log (origin, public key), when it was exported, the span asked for
 *   checkpoint                    the newest signed note at that time
 *   consistency/<size>            hashes (32 bytes each) from a smaller checkpoint's size to that one
 *   keysets/<digest>.json         keyset, statement, evidence, endorsements, log proof: as GET /v1/attestation
 *   documents/<sha256>            manifests, policies, execution records
 *   receipts/<id>.json            a receipt bundle without what the other files have
 *   revocations.json              as GET /v1/revocations
 *
 * A receipt's own digests name its keyset and documents, so nothing else needs to refer to anything.
 */
import type { Json } from "../../codec/index.ts";
import { AuditError } from "./error.ts";

export interface AuditHead {
  formatVersion: 1;
  origin: string;
  /** Ed25519, 64 hex digits. */
  logPublicKey: string;
  /** Unix milliseconds, by the exporter's clock. */
  exportedAtMs: number;
  fromMs: number | null;
  toMs: number | null;
}

type Document = { [member: string]: Json };

const SHARED = ["keyset", "keysetStatement", "evidence", "endorsements", "keysetLog"] as const;
const DOCUMENTS = [
  ["manifest", "modelId"],
  ["policy", "policyDigest"],
  ["execution", "executionDigest"],
] as const;
const DIGEST = /^0x([0-9a-f]{64})$/;

/** Hex digits of a statement's field. @throws AuditError `audit_invalid` */
function digestOf(bundle: Document, field: string): string {
  const statement = bundle["statement"];
  const value: unknown =
    statement && typeof statement === "object" ? Reflect.get(statement, field) : undefined;
  const digits = typeof value === "string" ? DIGEST.exec(value)?.[1] : undefined;
  if (digits === undefined) throw new AuditError("audit_invalid", `a receipt's statement has no ${field}`);
  return digits;
}

export interface Detached {
  receipt: Document;
  keysetDigest: string;
  /** As `GET /v1/attestation` answers it. */
  keyset: Document;
  documents: Map<string, string>;
}

/** A receipt's JSON without what it shares with others. @throws AuditError `audit_invalid` */
export function detach(bundle: Document): Detached {
  const receipt = { ...bundle };
  const keyset: Document = { formatVersion: 1 };
  for (const name of SHARED) {
    keyset[name] = bundle[name]!;
    delete receipt[name];
  }
  const documents = new Map<string, string>();
  for (const [name, field] of DOCUMENTS) {
    documents.set(digestOf(bundle, field), String(bundle[name]));
    delete receipt[name];
  }
  return {
    receipt,
    keysetDigest: digestOf(bundle, "keysetDigest"),
    keyset: { ...keyset, fresh: null },
    documents,
  };
}

/**
 * The receipt's JSON text again. Nothing is checked but that the parts are there.
 * @throws AuditError `audit_invalid`
 */
export function attach(receipt: Document, find: (name: string) => string | undefined): string {
  const shared = find(`keysets/${digestOf(receipt, "keysetDigest")}.json`);
  if (shared === undefined) throw new AuditError("audit_invalid", "a receipt's keyset is missing");
  const { fresh: _, ...keyset } = JSON.parse(shared) as Document;
  const whole: Document = { ...keyset, ...receipt };
  for (const [name, field] of DOCUMENTS) {
    const document = find(`documents/${digestOf(receipt, field)}`);
    if (document === undefined) throw new AuditError("audit_invalid", `a receipt's ${name} is missing`);
    whole[name] = document;
  }
  return JSON.stringify(whole);
}

function isTime(value: unknown): boolean {
  return value === null || Number.isSafeInteger(value);
}

/** @throws AuditError `audit_invalid`; SyntaxError for what is not JSON */
export function parseHead(text: string): AuditHead {
  const head = JSON.parse(text) as Partial<AuditHead> | null;
  const isSound =
    head?.formatVersion === 1 &&
    typeof head.origin === "string" &&
    typeof head.logPublicKey === "string" &&
    /^[0-9a-f]{64}$/.test(head.logPublicKey) &&
    Number.isSafeInteger(head.exportedAtMs) &&
    isTime(head.fromMs) &&
    isTime(head.toMs);
  if (!isSound) throw new AuditError("audit_invalid", "audit.json is not of version 1");
  return head as AuditHead;
}
