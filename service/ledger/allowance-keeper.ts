/**
 * Keeps watch over allowances: says that this service's vault lives, ends what is over, and takes up what a service that fell silent
 * left behind. Every process that has balances does so; the database lets one act on each.
 */
import type { Logger } from "pino";
import {
  claimDueRefund,
  findAllowance,
  inTransaction,
  listLapsed,
  listOpen,
  renewLeases,
  type Database,
} from "../db/index.ts";
import type { JobQueue } from "../jobs/index.ts";
import { describeError } from "../logger.ts";
import type { SessionHolder } from "../session.ts";
import { askForRefund, type Allowances } from "./allowances.ts";

/** A third of the lease, and less. */
const PERIOD_MS = 4000;

interface Parts {
  allowances: Allowances;
  database: Database;
  sessions: SessionHolder;
  jobs: JobQueue;
  log: Logger;
}

/** @returns what stops it: the allowances of the vault in use are ended, so that no restore need walk the log for them */
export function keepAllowances(parts: Parts): () => Promise<void> {
  let running: Promise<void> | undefined;
  const start = () => {
    running ??= tick(parts)
      .catch((error: unknown) =>
        parts.log.warn({ err: describeError(error) }, "allowances were not looked at"),
      )
      .finally(() => (running = undefined));
  };
  const timer = setInterval(start, PERIOD_MS).unref();
  start();
  return async () => {
    clearInterval(timer);
    await running;
    await endOwn(parts);
  };
}

async function tick({ allowances, database, sessions, jobs, log }: Parts): Promise<void> {
  await allowances.settleFailed();
  const session = sessions.peek();
  const due = session ? await renewLeases(database.pool, session.vault.info.receiptAddress) : [];
  // One that waits for its answers does not hold up the others.
  for (const id of due)
    void allowances
      .end(id)
      .catch((error: unknown) => log.warn({ err: describeError(error) }, "an allowance was not ended yet"));
  for (const id of await listLapsed(database.pool)) {
    const row = await findAllowance(database, id);
    if (row) await allowances.fence(row, "lapsed");
    log.warn("an allowance's service fell silent: the log says what is left of it");
  }
  while (await refundDue({ database, jobs })) continue;
}

async function refundDue({ database, jobs }: Pick<Parts, "database" | "jobs">): Promise<boolean> {
  return inTransaction(database, async (client) => {
    const row = await claimDueRefund(client);
    if (row) await askForRefund(client, jobs, row);
    return row !== undefined;
  });
}

async function endOwn({ allowances, database, sessions, log }: Parts): Promise<void> {
  const session = sessions.peek();
  if (!session) return;
  for (const id of await listOpen(database, session.vault.info.receiptAddress))
    await allowances
      .end(id)
      .catch((error: unknown) => log.warn({ err: describeError(error) }, "an allowance was left open"));
}
