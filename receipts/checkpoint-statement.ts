/** A log head for contracts: the EIP-712 `Checkpoint` statement with its signature, as `GET /v1/chain/checkpoint` answers it. */
import { toHex0x } from "../codec/index.ts";
import type { Json } from "../codec/index.ts";
import type { CheckpointStatement } from "./fields.ts";
import { checkFormatVersion, FORMAT_VERSION } from "./keyset-record.ts";
import { Shape } from "./shape.ts";
import { readStatement, statementToJson } from "./statement-json.ts";

export interface SignedCheckpointStatement {
  statement: CheckpointStatement;
  /** By the receipt key of `statement.keysetDigest`: 65 bytes. */
  signature: Uint8Array;
}

const MAX_LENGTH = 8192;
const shape: Shape = new Shape("checkpoint_invalid");

export function checkpointStatementToJson({ statement, signature }: SignedCheckpointStatement): {
  [member: string]: Json;
} {
  return {
    formatVersion: FORMAT_VERSION,
    statement: statementToJson("Checkpoint", statement),
    signature: toHex0x(signature),
  };
}

/**
 * JSON text to statement and signature. The signature is not verified.
 * @throws ReceiptError `checkpoint_invalid`, `format_version_unknown`
 */
export function readCheckpointStatement(text: string): SignedCheckpointStatement {
  const document = shape.json(text, MAX_LENGTH);
  checkFormatVersion(shape, document);
  const root = shape.object(document, ["formatVersion", "statement", "signature"], "document");
  return {
    statement: readStatement(shape, "Checkpoint", root.statement, "statement"),
    signature: shape.hex(root.signature, 65, "signature"),
  };
}
