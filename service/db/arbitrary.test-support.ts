/** Statements as a vault would hand them over: random bytes, since the store reads none of them. */
import { randomBytes } from "node:crypto";
import type { AppendItem, StatementRow } from "./append-statement.ts";
import { DEFAULT_TENANT } from "./columns.ts";

export const ACCOUNT = "11111111-1111-4111-8111-111111111111";
export const OTHER_ACCOUNT = "22222222-2222-4222-8222-222222222222";

export function statementRow(change: Partial<StatementRow> = {}): StatementRow {
  return {
    type: "InferenceStatement",
    words: randomBytes(17 * 32),
    digest: randomBytes(32),
    signature: randomBytes(65),
    keysetDigest: randomBytes(32),
    requestId: randomBytes(32),
    tenantId: DEFAULT_TENANT,
    accountId: ACCOUNT,
    apiKeyId: null,
    modelId: randomBytes(32),
    sealedExtra: null,
    ...change,
  };
}

export function appendItem(change: Partial<StatementRow> = {}): AppendItem {
  return { statement: statementRow(change) };
}
