/**
 * Revocations as the service publishes them and a verifier checks them: a `Revocation` statement, the keyset under which it
 * was signed, and its place in the log. A revocation holds for statements from a leaf index on, so that what was signed
 * before keeps its worth.
 */
import { equal, toHex0x } from "../codec/index.ts";
import type { Json } from "../codec/index.ts";
import { verifyCheckpoint } from "./checkpoint.ts";
import { ReceiptError } from "./error.ts";
import type { RevocationStatement } from "./fields.ts";
import {
  checkFormatVersion,
  FORMAT_VERSION,
  logProofToJson,
  readLogProof,
  type LogProof,
} from "./keyset-record.ts";
import { keysetDigest, MAX_KEYSET_LENGTH, parseKeyset } from "./keyset.ts";
import { leafData } from "./leaf.ts";
import { verifyInclusion } from "./merkle-verify.ts";
import { leafHash } from "./merkle.ts";
import type { NoteKey } from "./note.ts";
import { Shape } from "./shape.ts";
import { recoverSigner } from "./signature.ts";
import { readStatement, statementToJson } from "./statement-json.ts";
import { statementDigest } from "./statements.ts";

/** What a revocation is of; `subject` is its digest: of the keyset's, manifest's, circuit's or policy's text or bundle. */
export const REVOCATION_KINDS = { keyset: 1, model: 2, circuit: 3, policy: 4 } as const;
export type RevocationKind = keyof typeof REVOCATION_KINDS;

export interface Revocation {
  statement: RevocationStatement;
  signature: Uint8Array;
  /** Exact text of the keyset under which it was signed. */
  keyset: string;
  log: LogProof;
}

export const MAX_REVOCATIONS = 1024;
/** Of the list's JSON text, in bytes. */
export const MAX_REVOCATIONS_BYTES = 64 * 1024 * 1024;
const shape: Shape = new Shape("revocation_invalid");

export function revocationsToJson(revocations: readonly Revocation[]): { [member: string]: Json } {
  return {
    formatVersion: FORMAT_VERSION,
    revocations: revocations.map(({ statement, signature, keyset, log }) => ({
      statement: statementToJson("Revocation", statement),
      signature: toHex0x(signature),
      keyset,
      log: logProofToJson(log),
    })),
  };
}

/**
 * JSON text of `GET /v1/revocations` to its parts; nothing is verified.
 * @throws ReceiptError `revocation_invalid`, `format_version_unknown`
 */
export function parseRevocations(text: string): Revocation[] {
  const document = shape.json(text, MAX_REVOCATIONS_BYTES);
  checkFormatVersion(shape, document);
  const root = shape.object(document, ["formatVersion", "revocations"], "document");
  return shape.list(root.revocations, MAX_REVOCATIONS, "revocations").map((value, i) => {
    const path = `revocations[${i}]`;
    const members = shape.object(value, ["statement", "signature", "keyset", "log"], path);
    return {
      statement: readStatement(shape, "Revocation", members.statement, `${path}.statement`),
      signature: shape.hex(members.signature, 65, `${path}.signature`),
      keyset: shape.text(members.keyset, MAX_KEYSET_LENGTH, `${path}.keyset`),
      log: readLogProof(shape, members.log, `${path}.log`),
    };
  });
}

/**
 * Returns where the revocation was signed under a keyset of this log and is in the log. That the keyset is attested is not
 * checked: whoever could log a statement can revoke.
 * @throws ReceiptError `revocation_invalid`, and what keyset, signature, note and proof throw
 */
export function verifyRevocation(
  { statement, signature, keyset: text, log }: Revocation,
  key: NoteKey,
): void {
  const keyset = parseKeyset(text);
  if (keyset.log.origin !== key.name || !equal(keyset.log.publicKey, key.publicKey)) {
    throw new ReceiptError("revocation_invalid", "the revocation is of another log");
  }
  const digest = statementDigest("Revocation", statement);
  if (!equal(recoverSigner(digest, signature), keyset.receiptAddress)) {
    throw new ReceiptError("revocation_invalid", "the revocation was not signed by its keyset's key");
  }
  const { size, root } = verifyCheckpoint(log.checkpoint, key);
  const data = leafData("Revocation", digest, keysetDigest(text), signature);
  verifyInclusion(leafHash(data), log.leafIndex, size, log.proof, root);
}
