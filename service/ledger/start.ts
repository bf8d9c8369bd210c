/** Starts the ledger: keys from the vault, the evaluator at its first use, workers on the queue. */
import type { Logger } from "pino";
import {
  BalanceError,
  loadAddon,
  openEvaluator,
  type Addon,
  type FhePublicKeys,
  type Owner,
} from "../../balances/index.ts";
import { parseKeyset } from "../../receipts/index.ts";
import { ConfigError, type Config } from "../config.ts";
import type { Appender, Database, LogTree } from "../db/index.ts";
import type { JobKind, JobQueue } from "../jobs/index.ts";
import type { KeysetRecords } from "../keyset-records.ts";
import type { Component } from "../services.ts";
import type { SessionHolder } from "../session.ts";
import { keepAllowances } from "./allowance-keeper.ts";
import { Allowances } from "./allowances.ts";
import { arrivals } from "./arrival.ts";
import { FHE_KEY_NAMES, provideFheKeys } from "./keys.ts";
import { StoredLedger, type LedgerParts } from "./ledger.ts";
import { Prices } from "./prices.ts";
import { Restorer } from "./restorer.ts";
import { workOnLedger, type WorkParts } from "./work.ts";

const CONNECTIONS_A_WORKER = 2;
/** For whoever is answered meanwhile. */
const CONNECTIONS_BESIDE = 2;

/** What is known before the vault starts: whether balances can be on at all. */
export interface BalancesSetting {
  operator: Owner;
  addon: Addon;
  cacheDirectory: string;
}

export interface BalancesState {
  setting: BalancesSetting | undefined;
  component: Component;
}

const off = (note: string): BalancesState => ({
  setting: undefined,
  component: { name: "balances", status: "off", notes: [note] },
});

/**
 * An optional part: where it is not built the service runs without it, and says so.
 * @throws ConfigError `setting_invalid`
 */
export function findBalances(
  config: Pick<Config, "balancesOperator" | "cacheDirectory" | "balancesWorkers" | "databaseConnections">,
  log: Logger,
): BalancesState {
  const { balancesOperator: operator, cacheDirectory } = config;
  if (!operator)
    return off(
      "Encrypted balances are off. Run npm run setup:balances, and set AFFIDAVIT_BALANCES_OPERATOR to the key whose vouchers count.",
    );
  requireConnections(config);
  try {
    const addon = loadAddon(cacheDirectory);
    const notes = ["Accounts of TFHE ciphertexts; amounts come from vouchers of the operator."];
    return {
      setting: { operator, addon, cacheDirectory },
      component: { name: "balances", status: "ok", notes },
    };
  } catch (error) {
    if (!(error instanceof BalanceError)) throw error;
    log.warn({ code: error.code }, error.message);
    return off(`Encrypted balances are off: ${error.message}.`);
  }
}

/** An operation holds its account's connection while it uses another: workers that took all would wait for each other. */
function requireConnections({
  balancesWorkers,
  databaseConnections,
}: Pick<Config, "balancesWorkers" | "databaseConnections">): void {
  const needed = CONNECTIONS_A_WORKER * balancesWorkers + CONNECTIONS_BESIDE;
  if (databaseConnections < needed)
    throw new ConfigError(
      "setting_invalid",
      ["AFFIDAVIT_BALANCES_WORKERS", "AFFIDAVIT_DATABASE_CONNECTIONS"],
      `${balancesWorkers} workers of balances need ${needed} database connections`,
    );
}

export interface StartParts {
  config: Pick<Config, "balancesThreads" | "balancesWorkers" | "balancesPrices">;
  balances: BalancesSetting;
  database: Database;
  tree: LogTree;
  appender: Pick<Appender, "append">;
  sessions: SessionHolder;
  jobs: JobQueue;
  keysets: KeysetRecords;
  /** What this process works on instead of serving; undefined for a whole service. */
  kinds: readonly JobKind[] | undefined;
  log: Logger;
}

/** Undefined, with why, where balances are off or nothing can work on them. */
export async function openLedger(
  { setting, component }: BalancesState,
  parts: Omit<StartParts, "jobs" | "balances"> & { jobs: JobQueue | undefined },
): Promise<{ component: Component; ledger: StoredLedger | undefined; stop?: () => Promise<void> }> {
  const { jobs } = parts;
  if (!setting) return { component, ledger: undefined };
  if (!jobs) return { ...off("Encrypted balances need background jobs."), ledger: undefined };
  const note = parts.config.balancesPrices
    ? "Allowances are spent at the prices of AFFIDAVIT_PRICES."
    : "Allowances are off: sign a price list (affidavit ledger prices), and set AFFIDAVIT_PRICES to it.";
  const noted = { ...component, notes: [...component.notes, note] };
  return { component: noted, ...(await startLedger({ ...parts, jobs, balances: setting })) };
}

async function startLedger(start: StartParts): Promise<{ ledger: StoredLedger; stop: () => Promise<void> }> {
  const { config, balances, sessions, jobs, kinds } = start;
  const { addon, cacheDirectory, operator } = balances;
  const session = sessions.current();
  const keyDigests = parseKeyset(session.keyset.text).fhePublicKeyDigests;
  const [serverKeyDigest] = keyDigests;
  if (!serverKeyDigest) throw new BalanceError("key_invalid", "the keyset names no FHE keys");
  const keys = once(() => provideFheKeys(sessions.current().vault, keyDigests, cacheDirectory));
  const evaluator = once(async () => openEvaluator(addon, await keys(), { threads: config.balancesThreads }));
  // A worker answers nobody, and opens no allowances.
  const prices =
    config.balancesPrices === undefined || kinds
      ? undefined
      : await Prices.read(config.balancesPrices, start);
  await prices?.install(session);
  const context = { operator, serverKeyDigest };
  const allowances = new Allowances({ ...start, context, prices, nowMs: Date.now });
  const restorer = new Restorer(start);
  const parts: LedgerParts & WorkParts = {
    ...start,
    allowances,
    restOf: (id, signal) => restorer.restOf(id, signal),
    context,
    keyDigests,
    evaluator,
    key: async (name) => pick(await keys())[FHE_KEY_NAMES.indexOf(name)]!,
    nowMs: Date.now,
    onEntry: arrivals(jobs),
  };
  const works = start.kinds?.includes("settle") ?? config.balancesWorkers > 0;
  // A worker that was told to settle does, whatever the service leaves to it.
  if (works)
    await jobs.work("settle", Math.max(1, config.balancesWorkers), (job) => workOnLedger(parts, job));
  return { ledger: new StoredLedger(parts), stop: keepAllowances({ ...start, allowances }) };
}

const pick = ({ evaluationKey, publicKey, crs }: FhePublicKeys) => [evaluationKey, publicKey, crs];

/** Made at the first use; one that failed is tried again at the next. */
function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make().catch((error: unknown) => {
      made = undefined;
      throw error;
    });
    return made;
  };
}
