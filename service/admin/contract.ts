/** What the HTTP side needs of administration. */
import type { SignedAdminRequest } from "../../administration/index.ts";
import type { AdminLogRow } from "../db/admin-log.ts";
import type { TenantRow } from "../db/directory.ts";
import type { NewTenant } from "../db/tenants.ts";
import type { MonthRow } from "../db/usage.ts";
import type { KeyView, NewKey } from "../services.ts";

/** A signed request that was verified, and its exact body. */
export interface AdminCall {
  signed: SignedAdminRequest;
  body: Uint8Array;
}

/**
 * Tenants and models as administrators manage them. All throw ServiceError `tenant_not_found` or ModelError `model_not_found` for
 * what is not there.
 */
export interface Administration {
  /** What requests must be signed for. */
  audience: string;
  /** @throws AdminError; DatabaseError */
  verify(signed: SignedAdminRequest): Promise<void>;
  tenants(): TenantRow[];
  /** @throws ServiceError `tenant_limit` */
  createTenant(call: AdminCall, wanted: NewTenant): Promise<TenantRow>;
  changeTenant(call: AdminCall, tenantId: string, change: Partial<NewTenant>): Promise<TenantRow>;
  suspend(call: AdminCall, tenantId: string, suspended: boolean): Promise<TenantRow>;
  usage(tenantId: string): Promise<{ tenant: TenantRow; months: MonthRow[] }>;
  /** @throws ServiceError `account_not_found`, `key_limit` */
  createKey(call: AdminCall, wanted: NewKey): Promise<{ key: string; view: KeyView }>;
  keys(tenantId: string): Promise<KeyView[]>;
  /** @throws ServiceError `key_not_found` */
  revokeKey(call: AdminCall, tenantId: string, keyId: string): Promise<void>;
  /** Of a model of the models folders. */
  setAccess(call: AdminCall, modelId: Uint8Array, tenantId: string, allowed: boolean): Promise<void>;
  access(modelId: Uint8Array): string[];
  aliases(): { name: string; modelId: Uint8Array }[];
  /** @throws ServiceError `alias_taken` */
  setAlias(call: AdminCall, name: string, modelId: Uint8Array): Promise<void>;
  /** @throws ServiceError `alias_not_found` */
  removeAlias(call: AdminCall, name: string): Promise<void>;
  /** @throws ServiceError `request_invalid` where it would end before it begins */
  deprecate(
    call: AdminCall,
    modelId: Uint8Array,
    times: { deprecatedAt: Date | undefined; sunsetAt: Date | null },
  ): Promise<void>;
  /** @throws ServiceError `deprecation_not_found` */
  undeprecate(call: AdminCall, modelId: Uint8Array): Promise<void>;
  log(page: { before: bigint | undefined; limit: number }): Promise<AdminLogRow[]>;
}
