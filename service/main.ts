/** Starts the service, says where things are, and stops it in order. */
import type { Logger } from "pino";
import program from "../package.json" with { type: "json" };
import type { Owner } from "../balances/client.ts";
import { endorsementSource } from "./endorsements.ts";
import { type LoadedModel } from "../models/index.ts";
import { formatVerifierKey, NOTE_TYPE_ED25519 } from "../receipts/index.ts";
import { createApp } from "./app.ts";
import { startAssurance } from "./assurance/index.ts";
import { assemble } from "./assemble.ts";
import { banner } from "./banner.ts";
import { answerContracts } from "./chain/answering.ts";
import { openChainKey } from "./chain/chain-key.ts";
import { anchorOwnLog } from "./chain/own-log.ts";
import { chainSettings } from "./chain/policy.ts";
import { CheckpointFeed } from "./checkpoint-feed.ts";
import { checkpointStore } from "./checkpoint-store.ts";
import { Checkpoints, startCheckpointJob } from "./checkpoints.ts";
import { createWitnessing } from "./cosigned-store.ts";
import { ConfigError, parseConfig, type Config } from "./config.ts";
import {
  ApiKeyFinder,
  createAppender,
  LogTree,
  openDatabase,
  startEmbedded,
  type Appender,
  type Database,
  type EmbeddedServer,
} from "./db/index.ts";
import { isSunset } from "./deprecation.ts";
import { adoptOperatorKey, provideFirstKey } from "./first-key.ts";
import { startHousekeeping } from "./jobs/housekeeping.ts";
import { joinWhereAsked } from "./join.ts";
import { Keeper, type KeeperOptions } from "./keeper.ts";
import { keyReleaser } from "./key-release.ts";
import { KeysetRecords } from "./keyset-records.ts";
import { findBalances, openLedger } from "./ledger/index.ts";
import { listen } from "./listen.ts";
import { requireClusterKeys, requireKnownLogKey } from "./log-key.ts";
import { createLogger } from "./logger.ts";
import { openEngine } from "./open-engine.ts";
import { createMetrics, type Metrics } from "./metrics.ts";
import { openModels, tenantErrors } from "./open-models.ts";
import { openJobs } from "./open-jobs.ts";
import { provideAdminKey, provideOwnerKey } from "./owner-key.ts";
import { isSealed, preload } from "./preload.ts";
import type { TlsIdentity } from "./ra-tls.ts";
import type { Services } from "./services.ts";
import { SessionHolder, type Session } from "./session.ts";
import { openTenants } from "./tenants/index.ts";
import { listenTls, type TlsListener } from "./tls-listener.ts";
import { VaultError } from "../vault/index.ts";
import { workerKinds } from "./worker-kinds.ts";
import { readWorkerPolicy } from "./worker-policy.ts";
import { openWorkers } from "./workers/index.ts";

// In memory of its own each buffer is freed, and wiped, with its last use; in a slab its neighbours would keep it there.
Buffer.poolSize = 0;

/** What to undo at the end, the last first. */
type Cleanup = (name: string, undo: () => Promise<unknown>) => void;

async function openStore(
  config: Config,
  log: Logger,
  cleanup: Cleanup,
): Promise<{ database: Database; appender: Appender; tree: LogTree }> {
  let embedded: EmbeddedServer | undefined;
  if (config.databaseUrl === undefined) {
    embedded = await startEmbedded({
      dataDirectory: config.dataDirectory,
      sharedDirectory: config.postgresDirectory,
      onEvent: (event) => {
        if (event.kind === "log") log.debug({ line: event.line }, "postgres");
        else log[event.kind === "crashed" ? "error" : "info"]({ event }, "postgres");
      },
    });
    const server = embedded;
    cleanup("database server", () => server.stop());
  }
  const connection = embedded ? embedded.connection : { connectionString: config.databaseUrl! };
  const database = await openDatabase({
    connection,
    connections: config.databaseConnections,
    onLost: (error) => log.warn({ err: error }, "a database connection was lost"),
  });
  cleanup("database connections", () => database.close());
  const appender = createAppender({
    connection,
    queueLength: config.appendQueue,
    timeoutMs: config.appendTimeoutMs,
    onEvent: (event) => {
      if (event.kind === "lost") log.warn({ err: event.error }, "the appender lost the database");
    },
  });
  cleanup("appender", () => appender.close());
  return { database, appender, tree: new LogTree(database.pool) };
}

function isLoopback({ host }: Config): boolean {
  return ["127.0.0.1", "::1", "localhost"].includes(host);
}

/** A service that others reach, or that claims hardware, is administered by nobody whom its operator did not name. */
async function adminKeys(config: Config, { vault }: Session): Promise<readonly Owner[]> {
  if (config.adminKeys) return config.adminKeys;
  return isLoopback(config) && vault.info.attester.simulated
    ? [await provideAdminKey(config.configDirectory)]
    : [];
}

/** `auto` without hardware is the simulated TEE, on a loopback address alone: nobody else can take it for more. */
function chooseAttestation(config: Config): string {
  return config.attestation === "auto" && isLoopback(config) ? "auto,simulated" : config.attestation;
}

/** @throws ConfigError where `auto` found nothing and may not simulate */
async function startKeeper(config: Config, options: KeeperOptions): Promise<Keeper> {
  try {
    return await Keeper.start(options);
  } catch (cause) {
    const found = !(cause instanceof VaultError) || cause.code !== "attester_unavailable";
    if (found || config.attestation !== "auto") throw cause;
    throw new ConfigError(
      "setting_invalid",
      ["AFFIDAVIT_ATTESTATION"],
      "no TEE can be used (the log says why for each), and the simulated one is chosen by itself only where there is none and on a loopback address: set AFFIDAVIT_ATTESTATION=simulated to serve with it",
    );
  }
}

/** @returns where callers find it, and the listener over TLS where there is one */
async function serve(
  config: Config,
  services: Services,
  { identity, cleanup }: { identity: TlsIdentity | undefined; cleanup: Cleanup },
): Promise<{ url: string; tls?: TlsListener; tlsUrl?: string }> {
  const { lifecycle, attestation, nowMs, log } = services;
  const options = { ...config, fetch: createApp(services).fetch, lifecycle };
  const listener = await listen(options);
  cleanup("server", () => listener.close());
  const host = config.host === "127.0.0.1" || config.host === "::1" ? "localhost" : config.host;
  const url = config.publicUrl ?? `http://${host}:${listener.port}`;
  if (!identity || config.tlsPort === undefined) return { url };
  const tls = await listenTls({ ...options, port: config.tlsPort, identity, attestation, nowMs, log });
  cleanup("TLS server", () => tls.close());
  return { url, tls, tlsUrl: `https://${host}:${tls.port}` };
}

/** Loaded where it is wanted alone: the certificate's library is large. */
async function openTlsIdentity(config: Config): Promise<TlsIdentity | undefined> {
  if (config.tlsPort === undefined) return undefined;
  const { createTlsIdentity } = await import("./ra-tls.ts");
  return await createTlsIdentity(config.publicUrl ? new URL(config.publicUrl).hostname : "localhost");
}

async function start(config: Config, log: Logger, cleanup: Cleanup): Promise<void> {
  const kinds = workerKinds(process.argv.slice(2), config);
  const attestation = chooseAttestation(config);
  const { database, appender, tree } = await openStore(config, log, cleanup);
  if (config.adminKeyDigest !== undefined) await adoptOperatorKey(database, config.adminKeyDigest);
  const sessions = new SessionHolder();
  const endorsements = endorsementSource(config);
  const releaseKey = keyReleaser({ sessions, endorsements, appender });
  const offered = await openModels({
    config,
    database,
    releaseKey,
    servesThisMachine: isLoopback(config),
    log,
  });
  const { directory, models, privateModels } = offered;
  cleanup("tenants' directory", () => directory.close());
  const engine = openEngine(config, models);
  cleanup("engine", () => engine.close());
  const [sealed, plain] = [models.list().filter(isSealed), models.list().filter((one) => !isSealed(one))];
  if (!kinds) void preload(engine, plain, log);

  const feed = new CheckpointFeed();
  const witnessing = createWitnessing(config, { database, tree, log });
  const checkpoints = new Checkpoints(checkpointStore(database, tree, feed), witnessing);
  const identity = await openTlsIdentity(config);
  const chain = await chainSettings(config);
  let tls: TlsListener | undefined;
  const balances = findBalances(config, log);
  const vaultOptions = {
    keyDirectory: config.vaultDirectory,
    attestation,
    gpuAttestation: config.gpuAttestation,
    measurementRegister: config.measurementRegister,
    keyWrap: config.keyWrap,
    owner:
      config.ownerKey ?? (isLoopback(config) ? await provideOwnerKey(config.configDirectory) : undefined),
    onLine: (line: string) => log.info({ line }, "vault"),
  };
  if (await joinWhereAsked(config, vaultOptions, endorsements)) log.info("the vault got its cluster's keys");
  const keeper = await startKeeper(config, {
    ...vaultOptions,
    balances: balances.setting,
    workers: await readWorkerPolicy(config),
    // Not those that tenants bring: their keys come for evidence, whatever the register holds.
    modelIds: offered.ofFolders.list().map(({ modelId }) => modelId),
    chain: chain?.policy,
    sealing: { rotateAfterMs: config.sealingRotationMs, overlapMs: config.sealingOverlapMs },
    subject: config.subject,
    logOrigin: config.logOrigin,
    tlsKeys: identity ? [{ spkiSha256: identity.spkiSha256, domain: null }] : [],
    lifetimeMs: config.keysetLifetimeMs,
    endorsements,
    checkpoints,
    appender,
    accept: (vault) =>
      kinds ? requireClusterKeys(database, config, vault) : requireKnownLogKey(database, config, vault, log),
    nowMs: Date.now,
    holder: sessions,
    onEvent: (event) => {
      if (event.kind === "failed") log.error({ err: event.error }, "no session yet");
      else log.info({ event: event.kind }, "session");
      if (event.kind === "session" || event.kind === "renewed") void tls?.renew();
    },
  });
  cleanup("vault", () => keeper.stop());
  // A broker wants evidence, for which there must be a vault.
  if (!kinds && sealed.length > 0) void preload(engine, sealed, log);
  const job = startCheckpointJob({
    checkpoints,
    vault: () => keeper.holder.current().vault,
    intervalMs: config.checkpointIntervalMs,
    onError: (error) => log.warn({ err: error }, "no checkpoint this time"),
  });
  feed.onWaiting = () => job.hasten();
  cleanup("checkpoints", () => job.stop());
  cleanup("housekeeping", startHousekeeping(database, log, privateModels.expire));

  const jobs = await openJobs(database, sessions, log);
  const keysets = new KeysetRecords(database, tree, config.logOrigin, config.witnesses?.length ?? 0);
  const ledger = await openLedger(balances, {
    config,
    database,
    tree,
    appender,
    sessions,
    jobs,
    kinds,
    keysets,
    log,
  });
  if (kinds?.includes("settle") && !ledger.ledger)
    throw new ConfigError(
      "setting_invalid",
      ["AFFIDAVIT_BALANCES_OPERATOR"],
      ledger.component.notes.join(" "),
    );
  const openSecondEngine = () => openEngine(config, models, { hosts: 1, spareHosts: 0 });
  const assurance = await startAssurance(
    { config, database, appender, sessions, models, jobs, kinds, openSecondEngine, log },
    cleanup,
  );
  const workers =
    jobs && !kinds ? openWorkers({ database, appender, sessions, jobs, assurance }, cleanup) : undefined;
  // Before what its workers use.
  if (jobs) cleanup("jobs", () => jobs.stop());
  const { stop: endAllowances } = ledger;
  if (endAllowances) cleanup("allowances", endAllowances);
  if (kinds) return void process.stdout.write(`Working on ${kinds.join(", ")}\n`);

  const metrics = createMetrics({ process: true, engine });
  const { assured } = assurance;
  // A contract is nobody's account.
  const isOffered = ({ modelId }: LoadedModel) => !isSunset(directory.deprecation(modelId), Date.now());
  const everybodys = { list: () => models.visibleTo(undefined).filter(isOffered) };
  const answering = { database, appender, models: everybodys, engine, sessions, assured };
  const chainKey = chain && (await openChainKey(chain, { config, database, sessions, metrics, log }));
  const contracts = chainKey && answerContracts(answering, chainKey, cleanup);

  const keys = new ApiKeyFinder(database);
  const onLimited: Metrics["limited"] = (limit) => metrics.limited(limit);
  const tenants = openTenants({
    database,
    directory,
    nowMs: Date.now,
    onLimited,
    onError: tenantErrors(log),
  });
  cleanup("tenants", () => tenants.close());
  const services = assemble({
    config,
    version: program.version,
    log,
    database,
    embedded: config.databaseUrl === undefined,
    appender,
    tree,
    feed,
    models,
    privateModels,
    engine,
    sessions,
    keys,
    directory,
    tenants,
    adminKeys: await adminKeys(config, keeper.holder.current()),
    metrics,
    jobs,
    assurance,
    workers,
    keysets,
    balances: ledger.component,
    ledger: ledger.ledger,
    chain: contracts,
    keeper,
    endorsements,
  });
  if (chainKey) anchorOwnLog(chainKey, { services, tree }, cleanup);
  const served = await serve(config, services, { identity, cleanup });
  const { url, tlsUrl } = served;
  tls = served.tls;
  const { attester, gpuAttester } = keeper.holder.current().vault.info;
  const simulated = attester.simulated || gpuAttester?.simulated === true;
  const keyFile =
    attester.simulated && isLoopback(config)
      ? await provideFirstKey({ database, keys, configDirectory: config.configDirectory, url })
      : undefined;
  const components = await services.health.components();
  const { logPublicKey } = keeper.holder.current().vault.info;
  const logKey = formatVerifierKey(NOTE_TYPE_ED25519, { name: config.logOrigin, publicKey: logPublicKey });
  process.stdout.write(
    banner({ url, tlsUrl, logKey, simulated, keyFile, components, models: models.list().length }),
  );
}

/** A signal came while the service was starting. */
class StoppedEarly extends Error {
  override readonly name = "StoppedEarly";
}

/** @returns the exit status: 0 where it was told to stop, 1 where it could not start */
async function main(): Promise<number> {
  let log = createLogger({ level: "info" });
  const undo: { name: string; undo: () => Promise<unknown> }[] = [];
  const asked = Promise.withResolvers<void>();
  let stopping = false;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      if (!stopping) log.info({ signal }, "stopping");
      stopping = true;
      asked.resolve();
    });
  }
  let status = 0;
  try {
    const config = parseConfig();
    log = createLogger({ level: config.logLevel });
    await start(config, log, (name, step) => {
      undo.push({ name, undo: step });
      // Nothing is left half started: a part that is under way comes up, and is then stopped in its turn.
      if (stopping) throw new StoppedEarly();
    });
    await asked.promise;
  } catch (error) {
    if (!(error instanceof StoppedEarly)) {
      status = 1;
      const { name, message, code } = error as Error & { code?: string };
      process.stderr.write(`Affidavit did not start: ${message}${code ? ` [${code}]` : ""}\n`);
      log.debug({ err: error, name }, "start failed");
    }
  }
  for (const step of undo.toReversed()) {
    await step.undo().catch((error: unknown) => log.error({ err: error, step: step.name }, "stop"));
  }
  return status;
}

process.exit(await main());
