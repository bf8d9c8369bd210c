/** API keys as administrators make them: a tenant's own, and those of the installation. */
import {
  countLiveApiKeys,
  createApiKey,
  hasAccount,
  listApiKeys,
  revokeApiKey,
  type ApiKeyFinder,
  type Database,
} from "./db/index.ts";
import { ServiceError } from "./problem.ts";
import type { Keys, KeyView, NewKey } from "./services.ts";

/** As many as a list shows. */
const MAX_LIVE_KEYS = 1000;

/**
 * @param database or a transaction in it
 * @returns the key's text, which is kept nowhere
 * @throws ServiceError `account_not_found`, `key_limit`
 */
export async function makeKey(
  database: Parameters<typeof createApiKey>[0],
  { tenantId, accountId, label, scopes, expiresAt }: NewKey,
): Promise<{ key: string; view: KeyView }> {
  if (accountId !== undefined && !(await hasAccount(database, tenantId, accountId)))
    throw new ServiceError("account_not_found");
  const wanted = {
    tenantId,
    label,
    scopes,
    ...(accountId && { accountId }),
    ...(expiresAt && { expiresAt }),
  };
  // Administrators at work together may pass the limit by a few: it bounds lists and storage, nothing else.
  if ((await countLiveApiKeys(database, tenantId)) >= MAX_LIVE_KEYS)
    throw new ServiceError("key_limit", "revoke some that are not used any more");
  const { key, row } = await createApiKey(database, wanted);
  return { key, view: row };
}

export function keysOf(database: Database, finder: ApiKeyFinder): Keys {
  return {
    find: (digest) => finder.find(digest),
    create: (wanted) => makeKey(database, wanted),
    list: (tenantId) => listApiKeys(database, tenantId),
    revoke: (id, tenantId) => revokeApiKey(database, id, tenantId),
  };
}
