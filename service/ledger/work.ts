/** The queue's side: each operation is a job, tried again where another try can end otherwise. */
import { BalanceError, type BalanceErrorCode } from "../../balances/index.ts";
import { fromHex } from "../../codec/index.ts";
import { VaultError } from "../../vault/index.ts";
import {
  endLedgerOperation,
  findAllowance,
  findLedgerOperation,
  readBlob,
  refuseAllowance,
} from "../db/index.ts";
import { JobFailure } from "../jobs/error.ts";
import type { RunningJob } from "../jobs/index.ts";
import { commandOf, decodePayload } from "./wish.ts";
import { writeEntry, type WriterParts } from "./writer.ts";

export interface WorkParts extends WriterParts {
  /** What is left of an allowance: `Restorer.restOf`. */
  restOf(id: Uint8Array, signal: AbortSignal): Promise<{ sequence: bigint; sealed: Uint8Array }>;
}

/** What time can mend: another operation of the account comes first, or a machine is busy. */
const WAITS: ReadonlySet<BalanceErrorCode> = new Set([
  "busy",
  "request_out_of_order",
  "computation_failed",
  "blob_missing",
]);

export async function workOnLedger(parts: WorkParts, job: RunningJob): Promise<void> {
  const row = await findLedgerOperation(parts.database, job.id);
  // Its entry was committed, and the worker fell over before the queue heard of it.
  if (row?.state !== "waiting") return;
  const end = async (state: "refused" | "failed", code: string) => {
    await endLedgerOperation(parts.database, job.id, { state, code });
    if (row.operation === "allowance") await refuseAllowance(parts.database, job.id, code);
  };
  try {
    await carryOut(parts, job, row.tenantId);
  } catch (error) {
    if (error instanceof BalanceError && !WAITS.has(error.code))
      return end("refused", `ledger_${error.code}`);
    if (error instanceof VaultError && isAttack(error)) {
      parts.log.error(
        { code: error.code, operation: row.operation, jobId: job.id },
        "the vault refused an entry",
      );
      return end("refused", `vault_${error.code}`);
    }
    const code = error instanceof BalanceError ? `ledger_${error.code}` : "internal";
    if (job.lastTry) await end(error instanceof BalanceError ? "refused" : "failed", code);
    throw error instanceof BalanceError ? new JobFailure(code, { retry: true, cause: error }) : error;
  }
}

/** What no honest database or worker brings about. */
function isAttack({ code }: VaultError): boolean {
  return (
    code === "ledger_head_invalid" ||
    code === "ledger_sequence_taken" ||
    code === "ledger_refused" ||
    code === "ledger_values_invalid" ||
    code === "allowance_invalid"
  );
}

async function carryOut(parts: WorkParts, job: RunningJob, tenantId: string): Promise<void> {
  const { account, wish } = decodePayload(job.payload);
  const blob = async (digest: Uint8Array) => {
    const bytes = await readBlob(parts.database, digest);
    if (!bytes) throw new BalanceError("blob_missing", "a ciphertext of the ledger is missing");
    return bytes;
  };
  const encrypted = (sealed: Uint8Array) => parts.sessions.current().vault.encryptAllowance(sealed);
  const command = await commandOf(wish, parts.context, {
    nowMs: BigInt(parts.nowMs()),
    blob,
    async allowance(id) {
      const row = await findAllowance(parts.database, id);
      if (row?.state !== "waiting") throw new BalanceError("request_invalid", "no such allowance waits");
      return encrypted(row.sealed);
    },
    async rest(id) {
      const { sequence, sealed } = await parts.restOf(id, job.signal);
      return { sequence, amount: await encrypted(sealed) };
    },
  });
  job.signal.throwIfAborted();
  await writeEntry(parts, fromHex(account), command, { tenantId, operationId: job.id });
}
