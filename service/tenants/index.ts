/** Tenants: who they are, whether they may ask now, and what they used. */
import { randomUUID } from "node:crypto";
import type { Database } from "../db/index.ts";
import { ServiceError } from "../problem.ts";
import type { Tenants } from "./contract.ts";
import type { TenantDirectory } from "./directory.ts";
import { TenantMeter, type MeterParts } from "./meter.ts";

export { TenantDirectory } from "./directory.ts";
export type { Admission, Outcome } from "./meter.ts";

const REPORT_MS = 2000;
/** A tenant that asks nothing for so long gives back what was leased for it. */
const IDLE_MS = 5000;

export interface TenantsOptions {
  database: Database;
  directory: TenantDirectory;
  nowMs: () => number;
  onLimited: MeterParts["onLimited"];
  onError: (error: unknown) => void;
  reportMs?: number;
}

export interface RunningTenants extends Tenants {
  /** Reports now what was used since the last time. @throws DatabaseError */
  report(): Promise<void>;
  /** Reports, gives everything back, and stops. */
  close(): Promise<void>;
}

export function openTenants(options: TenantsOptions): RunningTenants {
  const { directory } = options;
  const meters = new Map<string, TenantMeter>();
  const parts: MeterParts = { ...options, replica: randomUUID() };
  let reporting: Promise<void> = Promise.resolve();

  async function reportAll(idleMs: number): Promise<void> {
    for (const meter of meters.values()) {
      const row = directory.tenant(meter.tenantId);
      if (row) await meter.report(row, idleMs);
      else meters.delete(meter.tenantId);
    }
  }
  const report = (idleMs = IDLE_MS): Promise<void> => {
    const next = reporting.then(() => reportAll(idleMs));
    reporting = next.catch(() => undefined);
    return next;
  };
  const timer = setInterval(
    () => void report().catch(options.onError),
    options.reportMs ?? REPORT_MS,
  ).unref();

  /** One that another replica just made is looked for once. */
  async function find(tenantId: string) {
    const known = directory.tenant(tenantId);
    if (known) return known;
    await directory.refresh();
    return directory.tenant(tenantId);
  }

  return {
    async requireActive(tenantId) {
      const row = directory.tenant(tenantId) ?? (await find(tenantId));
      if (!row) throw new ServiceError("api_key_invalid");
      if (row.suspendedAt) throw new ServiceError("tenant_suspended");
    },
    async admit(tenantId) {
      const row = directory.tenant(tenantId) ?? (await find(tenantId));
      if (!row) throw new ServiceError("api_key_invalid");
      if (row.suspendedAt) throw new ServiceError("tenant_suspended");
      let meter = meters.get(tenantId);
      if (!meter) {
        meter = new TenantMeter(tenantId, parts);
        meters.set(tenantId, meter);
      }
      return await meter.admit(row);
    },
    report: () => report(),
    async close() {
      clearInterval(timer);
      await report(0).catch(options.onError);
    },
  };
}
