/** API keys in memory, by the rules of `Keys`. */
import { randomBytes, randomUUID } from "node:crypto";
import { sha256, toHex, utf8 } from "../../../codec/index.ts";
import { ServiceError } from "../../problem.ts";
import type { KeyHolder, Keys, KeyView } from "../../services.ts";

export const KEY = "test-key-of-the-first-tenant";
export const OTHER_KEY = "test-key-of-the-other-tenant";
/** Of KEY's tenant. */
export const ADMIN_KEY = "test-key-of-the-first-tenant's-administrator";
export const OTHER_ADMIN_KEY = "test-key-of-the-other-tenant's-administrator";

interface Stored {
  tenantId: string;
  digest: Uint8Array;
  view: KeyView;
}

function stored(key: string, tenantId: string, view: Partial<KeyView>): Stored {
  const defaults = {
    id: randomUUID(),
    accountId: randomUUID(),
    prefix: key.slice(0, 8),
    label: "test",
    scopes: ["infer"],
    createdAt: new Date(),
    expiresAt: null,
    revokedAt: null,
  };
  return { tenantId, digest: sha256(utf8(key)), view: { ...defaults, ...view } };
}

export function memoryKeys(): Keys {
  const rows = [
    stored(KEY, "one", { accountId: "alice", id: "k1" }),
    stored(OTHER_KEY, "two", { accountId: "alice", id: "k2" }),
    stored(ADMIN_KEY, "one", { scopes: ["admin"] }),
    stored(OTHER_ADMIN_KEY, "two", { scopes: ["admin"] }),
  ];
  const ofTenant = (tenantId: string) => rows.filter((row) => row.tenantId === tenantId);
  return {
    async find(digest): Promise<KeyHolder | undefined> {
      const row = rows.find((each) => toHex(each.digest) === toHex(digest) && each.view.revokedAt === null);
      if (row === undefined || (row.view.expiresAt?.getTime() ?? Infinity) <= Date.now()) return undefined;
      const { tenantId, view } = row;
      return {
        account: { accountId: view.accountId, tenantId, keyId: view.id },
        scopes: view.scopes,
        digest: row.digest,
      };
    },
    async create({ tenantId, accountId, expiresAt, label, scopes }) {
      const known = ofTenant(tenantId).some(({ view }) => view.accountId === accountId);
      if (accountId !== undefined && !known) throw new ServiceError("account_not_found");
      const key = `test-${toHex(randomBytes(16))}`;
      const row = stored(key, tenantId, {
        label,
        scopes,
        expiresAt: expiresAt ?? null,
        ...(accountId && { accountId }),
      });
      rows.push(row);
      return { key, view: row.view };
    },
    list: async (tenantId) => ofTenant(tenantId).map(({ view }) => view),
    async revoke(id, tenantId) {
      const row = ofTenant(tenantId).find(({ view }) => view.id === id && view.revokedAt === null);
      if (row !== undefined) row.view.revokedAt = new Date();
      return row !== undefined;
    },
  };
}
