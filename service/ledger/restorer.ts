/**
 * What is left of an allowance when its vault spends no more of it. Where that vault could say so itself, it has; else the log
 * does: every leaf goes through the vault in use here, with the record that is stored beside its statement.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import { BalanceError } from "../../balances/index.ts";
import { VaultError, type Vault } from "../../vault/index.ts";
import {
  findAllowance,
  freezeAllowances,
  latestCheckpoint,
  listEnded,
  readWalkedLeaves,
  storeRest,
  type Database,
  type LogTree,
} from "../db/index.ts";
import { JobFailure } from "../jobs/error.ts";
import type { SessionHolder } from "../session.ts";

/** As many as one step of the vault's takes. */
const STEP_LEAVES = 256;
const MAX_RESTORED = 64;
const POLL_MS = 100;
/** A checkpoint is signed at each interval in which the log grew. */
const CHECKPOINT_WAIT_MS = 120_000;
/** Newer checkpoints that came in between, before the job's next try. */
const TRIES = 3;

interface Parts {
  database: Database;
  tree: LogTree;
  sessions: SessionHolder;
  log: Logger;
}

export class Restorer {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /**
   * Of which entry it is, and what is left of it, as a vault sealed it.
   * @throws BalanceError `refund_duplicate` where it is back already; JobFailure `vault_restore_incomplete` where records are missing:
   *   the vault's allowances are frozen then; VaultError; DatabaseError
   */
  async restOf(id: Uint8Array, signal: AbortSignal): Promise<{ sequence: bigint; sealed: Uint8Array }> {
    const row = await findAllowance(this.#parts.database, id);
    if (!row || row.sequence === null) throw new BalanceError("refund_unknown", "no such allowance");
    if (row.state === "refunded") throw new BalanceError("refund_duplicate", "the allowance was refunded");
    const { sequence } = row;
    if (row.state === "closing") return { sequence, sealed: row.sealed };
    if (row.state !== "ended" && row.state !== "frozen")
      throw new BalanceError("refund_unknown", "the allowance is not over");
    await this.#restore(row.vault, signal);
    const restored = await findAllowance(this.#parts.database, id);
    if (restored?.state !== "closing") throw new BalanceError("busy", "others of the vault came first");
    return { sequence, sealed: restored.sealed };
  }

  async #restore(address: Uint8Array, signal: AbortSignal): Promise<void> {
    const { database, log, sessions } = this.#parts;
    const ended = await listEnded(database, address, MAX_RESTORED);
    const { vault } = sessions.current();
    try {
      const closed = await this.#walk(vault, ended, signal);
      for (const [at, { id }] of ended.entries()) await storeRest(database, id, closed[at]!);
      log.info({ allowances: ended.length }, "allowances were restored from the log");
    } catch (error) {
      if (!(error instanceof VaultError) || error.code !== "restore_incomplete") throw error;
      const code = "vault_restore_incomplete";
      const ids = ended.map(({ id }) => id);
      log.error({ code, allowances: ids.length }, "a record is missing: allowances are frozen");
      await freezeAllowances(database, ids, code);
      throw new JobFailure(code, { retry: false, cause: error });
    }
  }

  async #walk(
    vault: Vault,
    ended: readonly { sealed: Uint8Array }[],
    signal: AbortSignal,
  ): Promise<readonly Uint8Array[]> {
    for (let tries = 1; ; tries++) {
      const { size, note } = await this.#checkpoint(signal);
      try {
        const begin = { allowances: ended.map(({ sealed }) => sealed), note };
        const { number } = await vault.restoreAllowances({ number: 0n, begin, leaves: [], finish: false });
        for (let from = 0n; from < size;) {
          signal.throwIfAborted();
          const range = { from, below: size, limit: STEP_LEAVES };
          const leaves = await readWalkedLeaves(this.#parts.database, range);
          if (leaves.length === 0) break;
          await vault.restoreAllowances({ number, begin: null, leaves: leaves.map(bounded), finish: false });
          from += BigInt(leaves.length);
        }
        return (await vault.restoreAllowances({ number, begin: null, leaves: [], finish: true })).closed;
      } catch (error) {
        const isOld = error instanceof VaultError && error.code === "checkpoint_rollback";
        if (!isOld || tries === TRIES) throw error;
      }
    }
  }

  /** One that covers all that was stored when this was asked: after that nothing is stored that spends from these. */
  async #checkpoint(signal: AbortSignal): Promise<{ size: bigint; note: string }> {
    const { database, tree } = this.#parts;
    const stored = await tree.size();
    const untilMs = performance.now() + CHECKPOINT_WAIT_MS;
    for (;;) {
      const latest = await latestCheckpoint(database);
      if (latest && latest.size >= stored) return latest;
      if (performance.now() > untilMs) throw new BalanceError("busy", "no checkpoint covers the log yet");
      await sleep(POLL_MS, undefined, { signal });
    }
  }
}

const MAX_RECORD_BYTES = 128;

/** What no vault wrote is as good as none. */
function bounded({ leaf, record }: { leaf: Uint8Array; record: Uint8Array | null }) {
  return { leaf, record: record && record.length <= MAX_RECORD_BYTES ? record : null };
}
