/** Statements of the service itself: they are nobody's, and use no request id. */
import { SYSTEM_TENANT, type Appender, type DocumentRow } from "./db/index.ts";
import type { LoggedType } from "../receipts/index.ts";
import type { SignedStatement } from "../vault/index.ts";

const NOBODY = {
  requestId: null,
  tenantId: SYSTEM_TENANT,
  accountId: null,
  apiKeyId: null,
  modelId: null,
  sealedExtra: null,
} as const;

/** @returns the leaf index, once it is committed. @throws DatabaseError */
export function appendOwn(
  appender: Pick<Appender, "append">,
  type: LoggedType,
  statement: SignedStatement,
  documents: readonly DocumentRow[] = [],
): Promise<bigint> {
  return appender.append({ statement: { ...NOBODY, ...statement, type }, documents });
}
