/** Columns that tables share, and the tenants that every installation has. */
import { bigint, customType, timestamp, uuid } from "drizzle-orm/pg-core";

/** Owner of rows that belong to no tenant. */
export const SYSTEM_TENANT = "00000000-0000-0000-0000-000000000000";
/** The tenant of an installation that serves one organisation. */
export const DEFAULT_TENANT = "00000000-0000-0000-0000-000000000001";
/** Whoever comes through the Oblivious HTTP gateway, all of them together: limits apply to them as to a tenant. */
export const GATEWAY_TENANT = "00000000-0000-0000-0000-000000000002";

export const bytea = customType<{ data: Uint8Array; driverData: Buffer }>({
  dataType: () => "bytea",
  toDriver: (value) => Buffer.from(value.buffer, value.byteOffset, value.byteLength),
});

export const big = (name: string) => bigint(name, { mode: "bigint" });
export const moment = (name: string) => timestamp(name, { withTimezone: true, mode: "date" });
export const tenant = () => uuid("tenant_id").notNull();
export const systemTenant = () => uuid("tenant_id").notNull().default(SYSTEM_TENANT);
