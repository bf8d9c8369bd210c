/** Keeps promises: asks for the work, and says so in the log where it did not come in time. */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { toHex } from "../../codec/index.ts";
import { NOT_COMPARED, OUTCOMES } from "../../receipts/index.ts";
import type { CircuitStore } from "../../proofs/index.ts";
import {
  addPromise,
  countOpenPromises,
  expireOne,
  findStatement,
  inTransaction,
  type Appender,
  type Database,
  type NewPromise,
  type PromiseRow,
} from "../db/index.ts";
import type { JobKind, JobQueue } from "../jobs/index.ts";
import { appendOwn } from "../own-statement.ts";
import { ServiceError } from "../problem.ts";
import type { SessionHolder } from "../session.ts";
import { encodePayload, type PromisePayload } from "./payload.ts";

/** Of one tenant, not ended. */
const MAX_OPEN = 1000;
const SWEEP_MS = 1000;

export interface PromiseParts {
  database: Database;
  jobs: JobQueue;
  appender: Pick<Appender, "append">;
  sessions: SessionHolder;
  circuits: Pick<CircuitStore, "get">;
}

const JOB_OF = { proof: "prove", reexecution: "reexecute" } as const satisfies Record<
  PromiseRow["kind"],
  JobKind
>;

export type AskedPromise = Omit<NewPromise, "id"> & {
  priority: number;
  /** For so long a re-execution is left to other keysets. */
  graceMs: number;
};

/** By which unattested workers choose. In the clear, so that they are held against what is sealed. */
export const INPUT_GROUPS = { public: "public-input", private: "private-input" } as const;

/** By which a re-execution is left to other keysets than the answer's. */
export function keysetGroup(keysetDigest: Uint8Array): string {
  return toHex(keysetDigest);
}

function groupOf({ kind }: AskedPromise, { keysetDigest, publicInput }: PromisePayload): string {
  if (kind === "reexecution") return keysetGroup(keysetDigest);
  return publicInput ? INPUT_GROUPS.public : INPUT_GROUPS.private;
}

/**
 * Stores what is asked for, and its job with it. Before an answer is stored, so that no stored answer lacks the work it promises;
 * where the answer is not stored after all, the work finds no statement to be about and ends.
 * @returns its id
 * @throws ServiceError `promise_limit`; JobError `jobs_closed`, `job_payload_too_large`; DatabaseError; VaultError
 */
export async function makePromise(
  { database, jobs }: Pick<PromiseParts, "database" | "jobs">,
  asked: AskedPromise,
  payload: PromisePayload,
): Promise<string> {
  // Several at once may pass the limit by a few: it bounds storage, nothing else.
  if ((await countOpenPromises(database, asked.tenantId)) >= MAX_OPEN)
    throw new ServiceError("promise_limit");
  const id = randomUUID();
  await inTransaction(database, async (client) => {
    await addPromise(client, { ...asked, id });
    await jobs.send(JOB_OF[asked.kind], encodePayload(payload), {
      id,
      priority: asked.priority,
      group: groupOf(asked, payload),
      // A time that is now, by this clock, may lie ahead of the database's: nobody would be told of the job.
      ...(asked.graceMs > 0 && { startAfterMs: asked.graceMs }),
      within: client,
    });
  });
  return id;
}

/** Logs each missed deadline, once, until it is told to stop. */
export function watchDeadlines(
  parts: PromiseParts,
  onError: (error: unknown) => void,
): { stop(): Promise<void> } {
  const stopping = new AbortController();
  /** Of circuits that are gone, about which nothing can be signed: they must not hold the others up. */
  const passedOver: string[] = [];
  const running = (async () => {
    while (!stopping.signal.aborted) {
      try {
        while (!stopping.signal.aborted && (await expireNext(parts, new Date(), passedOver)));
      } catch (error) {
        onError(error);
      }
      await sleep(SWEEP_MS, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  })();
  return {
    stop: () => {
      stopping.abort();
      return running;
    },
  };
}

/** @returns whether there was one */
async function expireNext(parts: PromiseParts, now: Date, passedOver: string[]): Promise<boolean> {
  return await expireOne(parts.database, now, passedOver, async (row) => {
    const { administration } = parts.jobs;
    // It may have ended by itself, or been forgotten.
    await administration.cancel(row.id).catch(() => undefined);
    if (!(await findStatement(parts.database, row.subject))) return undefined;
    const session = parts.sessions.current();
    const missed = { subject: row.subject, difference: NOT_COMPARED, outcome: OUTCOMES.expired };
    const none = new Uint8Array(32);
    if (row.kind === "reexecution") {
      const fields = { ...missed, executionDigest: none, tolerance: 0n };
      const signed = await session.signWith((vault) => vault.signReexecution(fields));
      await appendOwn(parts.appender, "Reexecution", signed);
      return signed.digest;
    }
    const circuitId = row.circuitId!;
    const srsDigest = parts.circuits.get(circuitId)?.circuit.srsDigest;
    if (!srsDigest) {
      passedOver.push(row.id);
      throw new ServiceError(
        "circuit_missing",
        "the circuit of a promised proof is gone: put it back and start again",
      );
    }
    const fields = { ...missed, circuitId, srsDigest, instancesDigest: none };
    const signed = await session.signWith((vault) => vault.signProof(fields));
    await appendOwn(parts.appender, "Proof", signed);
    return signed.digest;
  });
}
