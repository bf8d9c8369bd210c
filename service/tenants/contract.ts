/** What the HTTP side needs of tenants. */
import type { Admission } from "./meter.ts";

/** Tenants as a request meets them. */
export interface Tenants {
  /** @throws ServiceError `tenant_suspended`, `api_key_invalid` where there is no such tenant */
  requireActive(tenantId: string): Promise<void>;
  /**
   * Takes a place within the tenant's limits for one request.
   * @throws ServiceError `rate_limited`, `concurrency_limited`, `quota_exceeded`
   */
  admit(tenantId: string): Promise<Admission>;
}
