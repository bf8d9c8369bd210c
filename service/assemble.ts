/** Puts the parts together into what the HTTP side is handed. */
import { randomBytes } from "node:crypto";
import type { Logger } from "pino";
import { fromHex, toHex, toHex0x, utf8, type Json } from "../codec/index.ts";
import type { Owner } from "../balances/client.ts";
import type { Engine } from "../models/index.ts";
import type { VaultEvidence } from "../vault/index.ts";
import { attestationToJson, decodeStatement } from "../receipts/index.ts";
import { openAdministration } from "./admin/index.ts";
import type { Assurance } from "./assurance/index.ts";
import { assurancesOf } from "./assurances.ts";
import type { AnsweredChain } from "./chain-services.ts";
import type { CheckpointFeed } from "./checkpoint-feed.ts";
import type { Config } from "./config.ts";
import { coseForm } from "./cose-forms.ts";
import {
  addLink,
  DEFAULT_TENANT,
  findLink,
  findStatement,
  listReceipts,
  readDocument,
  release,
  reserve,
  type ApiKeyFinder,
  type Appender,
  type Database,
  type DocumentRow,
  type LogTree,
} from "./db/index.ts";
import { aciReport, signerReport } from "./foreign-reports.ts";
import { createHealth } from "./health.ts";
import { Idempotency, type ReplayStore } from "./idempotency.ts";
import { JobError, type JobQueue } from "./jobs/index.ts";
import { keptSalt } from "./kept-salt.ts";
import type { Keeper } from "./keeper.ts";
import { KeysetRecords } from "./keyset-records.ts";
import type { Metrics } from "./metrics.ts";
import { Lifecycle } from "./middleware/lifecycle.ts";
import { ownersForms } from "./owners-forms.ts";
import { createPipeline, type AppendEntry } from "./pipeline.ts";
import type { ModelCatalogue } from "./private-models/index.ts";
import { PROBLEMS, ServiceError } from "./problem.ts";
import { PublishedLog } from "./published-log.ts";
import { receiptBundle } from "./receipt-bundles.ts";
import {
  DEFAULT_HTTP_LIMITS,
  type Attestation,
  type Component,
  type PrivateModels,
  type Ledger,
  type Receipts,
  type Services,
} from "./services.ts";
import { LoggedRevocations } from "./revocations.ts";
import { sessionSealing } from "./sealed/session-sealing.ts";
import type { SessionHolder } from "./session.ts";
import { keysOf } from "./tenant-keys.ts";
import type { Tenants } from "./tenants/contract.ts";
import type { TenantDirectory } from "./tenants/index.ts";
import { vaultAdministration } from "./vault-administration.ts";
import type { WorkerSessions } from "./workers/index.ts";

export interface Parts {
  config: Config;
  version: string;
  log: Logger;
  database: Database;
  embedded: boolean;
  appender: Appender;
  tree: LogTree;
  feed: CheckpointFeed;
  models: ModelCatalogue;
  privateModels: PrivateModels;
  engine: Engine;
  sessions: SessionHolder;
  keys: ApiKeyFinder;
  directory: TenantDirectory;
  tenants: Tenants;
  /** Whose signed requests count. */
  adminKeys: readonly Owner[];
  metrics: Metrics;
  /** Undefined where this Node cannot run it. */
  jobs: JobQueue | undefined;
  assurance: Assurance;
  /** Undefined where there are no jobs. */
  workers: WorkerSessions | undefined;
  keysets: KeysetRecords;
  balances: Component;
  /** Undefined where balances are off. */
  ledger: Ledger | undefined;
  /** Undefined where no contract is answered. */
  chain: AnsweredChain | undefined;
  keeper: Pick<Keeper, "tendSealingKeys">;
  endorsements: (evidence: VaultEvidence) => Promise<Json>;
}

export function assemble(parts: Parts): Services {
  const { config, database, models, engine, sessions, directory } = parts;
  const witnesses = config.witnesses?.length ?? 0;
  const { keysets } = parts;
  return {
    version: parts.version,
    limits: {
      ...DEFAULT_HTTP_LIMITS,
      maxBodyBytes: config.maxBodyBytes,
      maxInFlight: config.maxConcurrentRequests,
      requestTimeoutMs: config.requestTimeoutMs,
    },
    log: parts.log,
    metrics: parts.metrics,
    lifecycle: new Lifecycle(),
    nowMs: Date.now,
    randomBytes,
    keys: keysOf(database, parts.keys),
    tenants: parts.tenants,
    administration: openAdministration({
      database,
      directory,
      catalogue: models,
      keys: parts.adminKeys,
      audience: config.logOrigin,
      nowMs: Date.now,
    }),
    pipeline: createPipeline({
      models,
      engine,
      session: () => sessions.current(),
      idempotency: new Idempotency(replayStore(database, config)),
      assured: parts.assurance.assured,
      async pay(call, session, modelId) {
        if (!call.allowance) return undefined;
        if (!parts.ledger) throw new ServiceError("balances_off");
        return parts.ledger.allowances.hold(call.account, call.allowance, session, modelId);
      },
      append: appendWith(parts.appender),
      inferenceTimeoutMs: config.inferenceTimeoutMs,
      otherForms: config.otherForms,
      serverTiming: config.serverTiming,
    }),
    models: {
      list: (tenantId) => models.visibleTo(tenantId),
      get: (name, version, tenantId) => models.get(name, version, tenantId),
      deprecation: ({ modelId }) => directory.deprecation(modelId),
      aliases: (tenantId) =>
        directory.aliases().filter(({ name }) => models.get(name, undefined, tenantId) !== undefined),
      readiness: () => ({ ready: sessions.peek() !== undefined }),
    },
    privateModels: parts.privateModels,
    attestation: attestationOf(sessions, keysets),
    receipts: receiptsOf(database, sessions, keysets),
    documents: {
      async get(digest) {
        const body = await readDocument(database, digest);
        return body && { mediaType: "application/octet-stream", body };
      },
    },
    revocations: new LoggedRevocations({
      database,
      tree: parts.tree,
      appender: parts.appender,
      sessions,
      keysets,
    }),
    transparencyLog: new PublishedLog({
      database,
      tree: parts.tree,
      feed: parts.feed,
      origin: config.logOrigin,
      witnesses,
    }),
    assurances: assurancesOf(parts, keysets),
    jobs: {
      administration({ tenantId }) {
        if (tenantId !== DEFAULT_TENANT)
          throw new ServiceError("scope_missing", "only the operator's tenant sees jobs");
        return requireJobs(parts.jobs).administration;
      },
    },
    workers() {
      if (!parts.workers) throw new JobError("jobs_unsupported", PROBLEMS.jobs_unsupported[1]);
      return parts.workers;
    },
    ledger() {
      if (!parts.ledger) throw new ServiceError("balances_off");
      return parts.ledger;
    },
    chain: parts.chain && {
      ...parts.chain,
      view: {
        ...parts.chain.view,
        policies: {
          tee: toHex0x(parts.assurance.planning.tee.digest),
          reexecution: toHex0x(parts.assurance.planning.reexecution.digest),
        },
      },
    },
    sealing: sessionSealing(sessions),
    vaultAdministration: vaultAdministration(parts),
    health: createHealth({
      database,
      embedded: parts.embedded,
      appender: parts.appender,
      sessions,
      engine,
      models,
      jobs: parts.jobs,
      prover: parts.assurance.prover,
      workersElsewhere: () => parts.workers?.admitted ?? 0,
      balances: parts.balances,
    }),
  };
}

/** @throws JobError `jobs_unsupported` */
function requireJobs(jobs: JobQueue | undefined): JobQueue {
  if (!jobs) throw new JobError("jobs_unsupported", PROBLEMS.jobs_unsupported[1]);
  return jobs;
}

function replayStore(database: Database, config: Config): ReplayStore {
  // Longer than any request may take: a lease ends only with the process that held it.
  const leaseMs = config.requestTimeoutMs + config.inferenceTimeoutMs + config.appendTimeoutMs;
  const ttlMs = config.idempotencyTtlMs;
  return {
    reserve: ({ call, keyHash, tag }) =>
      reserve(database, { ...call.account, keyHash }, { tag, leaseMs, ttlMs }),
    async release({ call, keyHash, lease }) {
      await release(database, { ...call.account, keyHash }, lease);
    },
  };
}

/** Execution records are few and come with every statement: each is stored with the first one that names it. */
function appendWith(appender: Appender): (entry: AppendEntry) => Promise<void> {
  const stored = new Set<string>();
  return async ({ statement, call, requestId, modelId, executionText, executionDigest, replay }) => {
    const { accountId, tenantId, keyId } = call.account;
    const known = stored.has(executionText);
    const record = (): DocumentRow => ({
      kind: "execution",
      digest: executionDigest,
      bytes: utf8(executionText),
    });
    await appender.append({
      statement: {
        ...statement,
        type: "InferenceStatement",
        requestId,
        tenantId,
        accountId,
        apiKeyId: keyId,
        modelId,
        sealedExtra: statement.sealedProjections,
      },
      ...(known ? {} : { documents: [record()] }),
      ...(replay ? { idempotency: { tenantId, accountId, ...replay } } : {}),
      ...(call.allowance ? { allowance: call.allowance } : {}),
    });
    if (!known) stored.add(executionText);
  };
}

function attestationOf(sessions: SessionHolder, keysets: KeysetRecords): Attestation {
  return {
    async document(nonce) {
      const session = sessions.current();
      if (nonce === null) {
        return attestationToJson({ ...(await keysets.get(session.keyset.digest)), fresh: null });
      }
      const { keysetDigest, ...fresh } = await session.quote(nonce);
      return attestationToJson({ ...(await keysets.get(keysetDigest)), fresh: { ...fresh, nonce } });
    },
    keysetDigest: () => sessions.peek()?.keyset.digest,
    aciReport: async (nonce) => aciReport(sessions.current(), keysets, nonce),
    signerReport: async (algorithm, nonce) => signerReport(sessions.current(), algorithm, nonce),
  };
}

/** The statement digest in hex. */
const RECEIPT_ID = /^[0-9a-f]{64}$/;

function receiptsOf(database: Database, sessions: SessionHolder, keysets: KeysetRecords): Receipts {
  return {
    forms: ownersForms(database, sessions, keysets),
    cose: (receiptId, form) => coseForm({ database, sessions, keysets }, receiptId, form),
    async owner(receiptId) {
      // An id of another form names no receipt.
      if (!RECEIPT_ID.test(receiptId)) return undefined;
      const stored = await findStatement(database, fromHex(receiptId, 32));
      return stored?.accountId ? { accountId: stored.accountId, tenantId: stored.tenantId } : undefined;
    },
    async list({ tenantId, accountId }, { before, limit }) {
      const page = { limit, ...(before !== undefined && { before }) };
      const rows = await listReceipts(database, { tenantId, accountId }, page);
      return rows.flatMap(({ type, words, digest, leafIndex }) => {
        if (type !== "InferenceStatement" && type !== "Aborted") return [];
        const { issuedAtMs } = decodeStatement(type, words);
        return { receiptId: toHex(digest), type, leafIndex, issuedAtMs };
      });
    },
    salt: async (receiptId) =>
      RECEIPT_ID.test(receiptId) ? await keptSalt(database, sessions, receiptId) : undefined,
    bundle: async (receiptId) =>
      RECEIPT_ID.test(receiptId) ? await receiptBundle(database, keysets, receiptId) : undefined,
    addLink: ({ receiptId, account, tokenDigest, expiresAtMs }) =>
      addLink(database, {
        tokenHash: tokenDigest,
        tenantId: account.tenantId,
        receiptDigest: fromHex(receiptId, 32),
        expiresAt: new Date(expiresAtMs),
      }),
    async findLink(tokenDigest) {
      const link = await findLink(database, tokenDigest);
      return (
        link && {
          receiptId: toHex(link.receiptDigest),
          tokenDigest: link.tokenHash,
          expiresAtMs: link.expiresAt.getTime(),
        }
      );
    },
  };
}
