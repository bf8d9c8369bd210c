/**
 * The tables. Every row has a tenant; what belongs to the whole installation has the system tenant. No foreign keys on what a
 * request writes: each would add a lookup and a row lock to the one statement that every answer waits for, and the checks that
 * matter (one statement a request id, one leaf an index) are unique indexes.
 */
import { sql } from "drizzle-orm";
import {
  boolean,
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

export * from "./schema-tenants.ts";

/** Content-addressed, kept for ever: `digest` is the SHA-256 of `bytes`. */
export const documents = pgTable("documents", {
  digest: bytea("digest").primaryKey(),
  tenantId: systemTenant(),
  kind: text("kind").notNull(),
  bytes: bytea("bytes").notNull(),
  createdAt: moment("created_at").notNull().defaultNow(),
});

export const statements = pgTable(
  "statements",
  {
    leafIndex: big("leaf_index").primaryKey(),
    tenantId: tenant(),
    /** The leaf type. */
    type: smallint("type").notNull(),
    digest: bytea("digest").notNull(),
    words: bytea("words").notNull(),
    signature: bytea("signature").notNull(),
    keysetDigest: bytea("keyset_digest").notNull(),
    /** One statement a request, whichever replica signed it. */
    requestId: bytea("request_id"),
    accountId: uuid("account_id"),
    apiKeyId: uuid("api_key_id"),
    modelId: bytea("model_id"),
    /** Ciphertext of what the owner may want back; opaque here. */
    sealedExtra: bytea("sealed_extra"),
    /** What it spent of an allowance, if anything: the vault alone can tell. Of one length in every row. */
    spent: bytea("spent"),
    createdAt: moment("created_at").notNull().defaultNow(),
  },
  (table) => [
    uniqueIndex("statements_digest").on(table.digest),
    uniqueIndex("statements_request")
      .on(table.requestId)
      .where(sql`request_id IS NOT NULL`),
    index("statements_account").on(table.tenantId, table.accountId, table.leafIndex),
    index("statements_revocation")
      .on(table.leafIndex)
      .where(sql`type = 12`),
    index("statements_policy")
      .on(table.leafIndex)
      .where(sql`type = 5`),
    index("statements_keyset")
      .on(table.keysetDigest)
      .where(sql`type = 2`),
  ],
);

/** One row. Whoever appends updates it first, and only where size, root and epoch are what it expects. */
export const logHead = pgTable("log_head", {
  id: smallint("id").primaryKey(),
  tenantId: systemTenant(),
  size: big("size").notNull(),
  root: bytea("root").notNull(),
  /** Raised by hand when a backup was restored, so that a service that knows a longer log stops instead of forking it. */
  epoch: big("epoch").notNull(),
  range: bytea("range").notNull(),
});

export const logEntries = pgTable("log_entries", {
  leafIndex: big("leaf_index").primaryKey(),
  tenantId: systemTenant(),
  leafData: bytea("leaf_data").notNull(),
});

/**
 * 256 hashes a tile, of the tree level 8 × `level`. Level 0 has full tiles only (its edge is read from the entries, so that an
 * append need not rewrite 8 KB); higher levels change once in 256 leaves, so their last tile may be partial.
 */
export const logTiles = pgTable(
  "log_tiles",
  {
    level: smallint("level").notNull(),
    index: big("index").notNull(),
    tenantId: systemTenant(),
    hashes: bytea("hashes").notNull(),
  },
  (table) => [primaryKey({ columns: [table.level, table.index] })],
);

export const checkpoints = pgTable("checkpoints", {
  size: big("size").primaryKey(),
  tenantId: systemTenant(),
  root: bytea("root").notNull(),
  /** The signed note. */
  note: text("note").notNull(),
  /** Fields and signature of the checkpoint for contracts, as JSON. */
  eip712: text("eip712").notNull(),
  createdAt: moment("created_at").notNull().defaultNow(),
});

export const idempotency = pgTable(
  "idempotency",
  {
    tenantId: tenant(),
    accountId: uuid("account_id").notNull(),
    keyHash: bytea("key_hash").notNull(),
    state: text("state", { enum: ["reserved", "done"] }).notNull(),
    /** HMAC over what the request was, to tell a repetition from another request under the same key. */
    tag: bytea("tag").notNull(),
    lease: bytea("lease").notNull(),
    leaseExpiresAt: moment("lease_expires_at").notNull(),
    ciphertext: bytea("ciphertext"),
    receiptDigest: bytea("receipt_digest"),
    createdAt: moment("created_at").notNull().defaultNow(),
    expiresAt: moment("expires_at").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.tenantId, table.accountId, table.keyHash] }),
    index("idempotency_expiry").on(table.expiresAt),
  ],
);

export const linkTokens = pgTable(
  "link_tokens",
  {
    tokenHash: bytea("token_hash").primaryKey(),
    tenantId: tenant(),
    receiptDigest: bytea("receipt_digest").notNull(),
    createdAt: moment("created_at").notNull().defaultNow(),
    expiresAt: moment("expires_at").notNull(),
  },
  (table) => [index("link_tokens_expiry").on(table.expiresAt)],
);

/** How far the watcher of a coordinator has read its chain. */
export const chainCursors = pgTable(
  "chain_cursors",
  {
    chainId: big("chain_id").notNull(),
    coordinator: bytea("coordinator").notNull(),
    tenantId: systemTenant(),
    /** The last block that was read whole, and its hash: another hash later is a reorganisation deeper than was waited for. */
    block: big("block").notNull(),
    blockHash: bytea("block_hash").notNull(),
  },
  (table) => [primaryKey({ columns: [table.chainId, table.coordinator] })],
);

/** Requests of contracts. The answer itself is a row of `statements` under the same id, which is why there is one at most. */
export const chainRequests = pgTable(
  "chain_requests",
  {
    requestId: bytea("request_id").primaryKey(),
    tenantId: systemTenant(),
    chainId: big("chain_id").notNull(),
    coordinator: bytea("coordinator").notNull(),
    block: big("block").notNull(),
    /** The event's arguments, as JSON: all of it is public. */
    event: text("event").notNull(),
    state: text("state", { enum: ["open", "delivered", "refunded", "declined"] }).notNull(),
    /** Why it was declined, or why the last try failed. */
    code: text("code"),
    attempts: integer("attempts").notNull().default(0),
    nextTryAt: moment("next_try_at").notNull(),
    deadlineAt: moment("deadline_at").notNull(),
    createdAt: moment("created_at").notNull().defaultNow(),
    endedAt: moment("ended_at"),
  },
  (table) => [
    index("chain_requests_open")
      .on(table.chainId, table.coordinator, table.nextTryAt)
      .where(sql`state = 'open'`),
  ],
);

/** Openings of inputs that requests only commit to, as ciphertext that the vault's keys open; erased with the request's end. */
export const chainOpenings = pgTable(
  "chain_openings",
  {
    requestId: bytea("request_id").primaryKey(),
    tenantId: systemTenant(),
    sealed: bytea("sealed").notNull(),
    /** Whether the coordinator knows the request: of those that it does not know yet there are not many. */
    asked: boolean("asked").notNull(),
    expiresAt: moment("expires_at").notNull(),
    createdAt: moment("created_at").notNull().defaultNow(),
  },
  (table) => [index("chain_openings_expiry").on(table.expiresAt)],
);

/** Signed transactions of the chain key, kept before they are sent until their nonce is used for good. */
export const chainTransactions = pgTable(
  "chain_transactions",
  {
    chainId: big("chain_id").notNull(),
    /** One transaction a nonce, whichever replica signed it. */
    nonce: big("nonce").notNull(),
    tenantId: systemTenant(),
    /** What it is about: a request's id, or the digest of another purpose's name. */
    subject: bytea("subject").notNull(),
    raw: bytea("raw").notNull(),
    sentAt: moment("sent_at").notNull(),
  },
  (table) => [primaryKey({ columns: [table.chainId, table.nonce] })],
);

/** Proofs and re-executions that were promised or asked for. Its id is its job's. */
export const promises = pgTable(
  "promises",
  {
    id: uuid("id").primaryKey(),
    tenantId: tenant(),
    accountId: uuid("account_id").notNull(),
    kind: text("kind", { enum: ["proof", "reexecution"] }).notNull(),
    /** Digest of the statement that it is about. */
    subject: bytea("subject").notNull(),
    /** Of a proof. */
    circuitId: bytea("circuit_id"),
    /** Digest of the `CircuitCommitment`, where the statement itself has no circuit input. */
    commitment: bytea("commitment"),
    state: text("state", {
      enum: [
        "waiting",
        "running",
        "delivered",
        "disagrees",
        "incomparable",
        "expired",
        "cancelled",
        "failed",
      ],
    }).notNull(),
    /** How far the one that runs is. */
    stage: text("stage"),
    /** Why it failed. */
    code: text("code"),
    /** Digest of the `Proof` or `Reexecution` statement, once one is logged. */
    outcome: bytea("outcome"),
    /** The proof and its instances, sealed: instances tell the output. */
    sealedProof: bytea("sealed_proof"),
    deadlineAt: moment("deadline_at").notNull(),
    createdAt: moment("created_at").notNull().defaultNow(),
    endedAt: moment("ended_at"),
  },
  (table) => [
    index("promises_subject").on(table.subject),
    index("promises_due")
      .on(table.deadlineAt)
      .where(sql`outcome IS NULL`),
    index("promises_tenant_open")
      .on(table.tenantId)
      .where(sql`state IN ('waiting', 'running')`),
  ],
);

/** Accounts of encrypted balances. What `head` says is the vault's word; the rest is for finding it. */
export const ledgerAccounts = pgTable("ledger_accounts", {
  account: bytea("account").primaryKey(),
  tenantId: tenant(),
  head: bytea("head").notNull(),
  createdAt: moment("created_at").notNull().defaultNow(),
});

export const ledgerEntries = pgTable(
  "ledger_entries",
  {
    account: bytea("account").notNull(),
    sequence: big("sequence").notNull(),
    tenantId: tenant(),
    /** Of the `LedgerEntry`, and of the `Opening` of its sufficient bit. */
    digest: bytea("digest").notNull(),
    opening: bytea("opening"),
    operand: text("operand").notNull(),
    /** Shows the entry to the cluster's vaults. */
    mac: bytea("mac").notNull(),
  },
  (table) => [primaryKey({ columns: [table.account, table.sequence] })],
);

/** Ciphertexts and proven lists, once each: `digest` is the SHA-256 of `bytes`. */
export const ledgerBlobs = pgTable("ledger_blobs", {
  digest: bytea("digest").primaryKey(),
  tenantId: systemTenant(),
  bytes: bytea("bytes").notNull(),
});

/** The entry that comes next on an account, computed and not yet committed: whoever takes the account next finishes it first. */
export const ledgerPending = pgTable("ledger_pending", {
  account: bytea("account").primaryKey(),
  tenantId: tenant(),
  words: bytea("words").notNull(),
  operand: text("operand").notNull(),
  /** The operation that asked for it. */
  operationId: uuid("operation_id"),
});

/** References, arrivals and refunds, each good once. */
export const ledgerUsed = pgTable("ledger_used", {
  name: text("name").primaryKey(),
  tenantId: systemTenant(),
});

/** One row: all that was ever credited or deposited, in atomic units. */
export const ledgerSupply = pgTable("ledger_supply", {
  id: smallint("id").primaryKey(),
  tenantId: systemTenant(),
  issued: big("issued").notNull(),
});

/** What was asked for, and how it ended. Its id is its job's. */
export const ledgerOperations = pgTable("ledger_operations", {
  id: uuid("id").primaryKey(),
  tenantId: tenant(),
  account: bytea("account").notNull(),
  operation: text("operation").notNull(),
  state: text("state", { enum: ["waiting", "done", "refused", "failed"] }).notNull(),
  /** Why it was refused or failed. */
  code: text("code"),
  /** Of the entry that it made. */
  sequence: big("sequence"),
  /** Whether a debit was covered. */
  sufficient: boolean("sufficient"),
  createdAt: moment("created_at").notNull().defaultNow(),
  endedAt: moment("ended_at"),
});

/** Allowances: paid once from a balance, spent by one vault. What one holds, `sealed` says to vaults alone. */
export const ledgerAllowances = pgTable(
  "ledger_allowances",
  {
    /** Digest of the owner's request. */
    id: bytea("id").primaryKey(),
    tenantId: tenant(),
    /** Whose requests it pays for. */
    accountId: uuid("account_id").notNull(),
    account: bytea("account").notNull(),
    /** Receipt address of the vault that may spend it. */
    vault: bytea("vault").notNull(),
    priceList: bytea("price_list").notNull(),
    expiresAt: moment("expires_at").notNull(),
    /** The operation that debits it, and the sequence of its entry. */
    operationId: uuid("operation_id").notNull(),
    sequence: big("sequence"),
    /**
     * `ended`: the log is to say what is left. `frozen`: the log could not. `closing`: what is left is known and goes back.
     */
    state: text("state", {
      enum: ["waiting", "refused", "open", "ended", "frozen", "closing", "refunded"],
    }).notNull(),
    /** What a vault said of it last. */
    sealed: bytea("sealed").notNull(),
    /** While it is open: until then nobody but its vault's service may end it. */
    leaseUntil: moment("lease_until"),
    /** Its owner wants the rest back. */
    closeAsked: boolean("close_asked").notNull().default(false),
    /** When its refund is tried again, if it is not made by then. */
    retryAt: moment("retry_at"),
    /** Why it was refused, or is frozen. */
    code: text("code"),
    createdAt: moment("created_at").notNull().defaultNow(),
    endedAt: moment("ended_at"),
  },
  (table) => [
    index("ledger_allowances_account").on(table.account),
    index("ledger_allowances_live")
      .on(table.vault)
      .where(sql`state IN ('open', 'ended', 'frozen', 'closing')`),
  ],
);
