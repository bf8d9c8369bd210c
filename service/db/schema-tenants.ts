/** Tables of tenants: their keys, limits and models, and of who administers them. */
import {
  bigserial,
  boolean,
  doublePrecision,
  index,
  integer,
  pgTable,
  primaryKey,
  smallint,
  text,
  uniqueIndex,
  uuid,
} from "drizzle-orm/pg-core";
import { big, bytea, moment, systemTenant, tenant } from "./columns.ts";

export const tenants = pgTable("tenants", {
  tenantId: uuid("tenant_id").primaryKey(),
  name: text("name").notNull(),
  createdAt: moment("created_at").notNull().defaultNow(),
  suspendedAt: moment("suspended_at"),
  /** Whether it may use every model of the installation's folders, or those alone that `model_access` names. */
  everyModel: boolean("every_model").notNull().default(false),
  /** Limits; null for none. */
  requestsPerMinute: integer("requests_per_minute"),
  concurrency: integer("concurrency"),
  requestsPerMonth: big("requests_per_month"),
});

/** Keys are 256 random bits: their plain SHA-256 can be stored, since no dictionary reaches them. */
export const apiKeys = pgTable(
  "api_keys",
  {
    id: uuid("id").primaryKey(),
    tenantId: tenant().references(() => tenants.tenantId),
    /** Who owns what the key does; several keys may share one account, so that a key can be replaced. */
    accountId: uuid("account_id").notNull(),
    keyHash: bytea("key_hash").notNull(),
    /** First characters, for people to tell keys apart. */
    prefix: text("prefix").notNull(),
    label: text("label").notNull(),
    scopes: text("scopes").array().notNull(),
    createdAt: moment("created_at").notNull().defaultNow(),
    revokedAt: moment("revoked_at"),
    expiresAt: moment("expires_at"),
  },
  (table) => [uniqueIndex("api_keys_hash").on(table.keyHash), index("api_keys_tenant").on(table.tenantId)],
);

/** One row, raised with every change of tenants, access, aliases, deprecations and uploaded models: replicas watch it. */
export const directoryHead = pgTable("directory_head", {
  id: smallint("id").primaryKey(),
  tenantId: systemTenant(),
  version: big("version").notNull(),
});

/** What is left of a tenant's token bucket, as replicas lease from it. */
export const tenantBuckets = pgTable("tenant_buckets", {
  tenantId: uuid("tenant_id").primaryKey(),
  tokens: doublePrecision("tokens").notNull(),
  refilledAt: moment("refilled_at").notNull(),
});

/** Places of requests that run at one time, as a replica holds them until `expires_at`. */
export const tenantPlaces = pgTable(
  "tenant_places",
  {
    tenantId: tenant(),
    replica: uuid("replica").notNull(),
    places: integer("places").notNull(),
    expiresAt: moment("expires_at").notNull(),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.replica] })],
);

/** A tenant's use of a calendar month (UTC). */
export const tenantMonths = pgTable(
  "tenant_months",
  {
    tenantId: tenant(),
    /** `2027-01` */
    month: text("month").notNull(),
    /** Of the month's quota: answered, or in a replica's hand. */
    leased: big("leased").notNull(),
    answered: big("answered").notNull(),
    refused: big("refused").notNull(),
    inputBytes: big("input_bytes").notNull(),
    outputBytes: big("output_bytes").notNull(),
  },
  (table) => [primaryKey({ columns: [table.tenantId, table.month] })],
);

/** Models that tenants uploaded. Their manifests are documents, their ciphertext is in `model_parts`. */
export const uploadedModels = pgTable(
  "uploaded_models",
  {
    modelId: bytea("model_id").primaryKey(),
    tenantId: tenant(),
    /** Names its parts. */
    uploadId: uuid("upload_id").notNull(),
    broker: text("broker").notNull(),
    /** Of the sealed file. */
    bytes: big("bytes").notNull(),
    /** The bundle of whoever signed it; null where nobody had to. */
    signature: text("signature"),
    createdAt: moment("created_at").notNull().defaultNow(),
  },
  (table) => [index("uploaded_models_tenant").on(table.tenantId)],
);

/** Uploads under way; how much came is what their parts add up to. */
export const modelUploads = pgTable(
  "model_uploads",
  {
    id: uuid("id").primaryKey(),
    tenantId: tenant(),
    modelId: bytea("model_id").notNull(),
    manifest: text("manifest").notNull(),
    broker: text("broker").notNull(),
    bytes: big("bytes").notNull(),
    /** Of the whole sealed file. */
    sha256: bytea("sha256").notNull(),
    signature: text("signature"),
    expiresAt: moment("expires_at").notNull(),
  },
  (table) => [index("model_uploads_tenant").on(table.tenantId)],
);

/** Sealed weights, in the pieces in which they came. */
export const modelParts = pgTable(
  "model_parts",
  {
    uploadId: uuid("upload_id").notNull(),
    /** Position of its first byte. */
    start: big("start").notNull(),
    tenantId: tenant(),
    bytes: bytea("bytes").notNull(),
  },
  (table) => [primaryKey({ columns: [table.uploadId, table.start] })],
);

/** Tenants that may use a model: let in by the owner of an uploaded one, by an administrator to one of the installation. */
export const modelAccess = pgTable(
  "model_access",
  { modelId: bytea("model_id").notNull(), tenantId: tenant() },
  (table) => [primaryKey({ columns: [table.modelId, table.tenantId] })],
);

/** Names that an administrator points at models of the installation. */
export const modelAliases = pgTable("model_aliases", {
  name: text("name").primaryKey(),
  tenantId: systemTenant(),
  modelId: bytea("model_id").notNull(),
  movedAt: moment("moved_at").notNull().defaultNow(),
});

export const modelDeprecations = pgTable("model_deprecations", {
  modelId: bytea("model_id").primaryKey(),
  tenantId: systemTenant(),
  deprecatedAt: moment("deprecated_at").notNull(),
  /** From then on it is refused; null where no time is set. */
  sunsetAt: moment("sunset_at"),
});

/** What administrators did, each with the request that they signed. Append-only: a trigger refuses anything else. */
export const adminLog = pgTable("admin_log", {
  index: bigserial("index", { mode: "bigint" }).primaryKey(),
  tenantId: systemTenant(),
  at: moment("at").notNull(),
  /** `scheme:0x<key>` */
  signer: text("signer").notNull(),
  audience: text("audience").notNull(),
  method: text("method").notNull(),
  path: text("path").notNull(),
  /** Whose SHA-256 was signed. */
  body: bytea("body").notNull(),
  nonce: bytea("nonce").notNull(),
  expiresAtMs: big("expires_at_ms").notNull(),
  signature: bytea("signature").notNull(),
});

/** Signed requests that came, until they would have ended by themselves. */
export const adminNonces = pgTable(
  "admin_nonces",
  {
    nonce: bytea("nonce").primaryKey(),
    tenantId: systemTenant(),
    expiresAt: moment("expires_at").notNull(),
  },
  (table) => [index("admin_nonces_expiry").on(table.expiresAt)],
);
