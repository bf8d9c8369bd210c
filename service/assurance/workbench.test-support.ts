/** What keeps promises, for tests: a real database, vault, queue and engine, and answers that were signed and logged. */
import { randomUUID } from "node:crypto";
import { rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { join } from "node:path";
import { createSimulatedAttester } from "../../attestation/attest/index.ts";
import { EnginePool, type LoadedModel } from "../../models/index.ts";
import type { Tensor } from "../../receipts/index.ts";
import { temporaryDirectory } from "../../test/folder.ts";
import { createTestDatabase } from "../../test/postgres.ts";
import { CheckpointFeed } from "../checkpoint-feed.ts";
import { checkpointStore } from "../checkpoint-store.ts";
import { Checkpoints } from "../checkpoints.ts";
import { createAppender, DEFAULT_TENANT, findPromise, LogTree, type PromiseRow } from "../db/index.ts";
import { JobQueue, vaultSeal } from "../jobs/index.ts";
import { Keeper } from "../keeper.ts";
import type { Session } from "../session.ts";
import { makePromise, type AskedPromise } from "./promises.ts";

export const OWNER_ACCOUNT = randomUUID();

const digest = (byte: number) => new Uint8Array(32).fill(byte);

/** An answer that the vault signs. */
function statementFields(requestId: Uint8Array): Parameters<Session["sign"]>[0] {
  return {
    requestId,
    modelId: digest(1),
    inputCommitment: digest(2),
    outputDigest: digest(3),
    requestDigest: digest(4),
    responseDigest: digest(5),
    circuitInput: digest(0),
    executionDigest: digest(6),
    policyDigest: digest(7),
    requester: digest(8),
    audience: digest(0),
    settlement: digest(0),
    promised: 0,
    promiseDeadlineMs: 0n,
  };
}

export type Workbench = Awaited<ReturnType<typeof openWorkbench>>;

/** @param workers the appraisal policy for workers elsewhere, JSON text */
export async function openWorkbench({ workers }: { workers?: string } = {}) {
  const undo: (() => unknown)[] = [];
  const folder = temporaryDirectory();
  undo.push(() => rmSync(folder.path, { recursive: true, force: true }));
  const database = await createTestDatabase();
  undo.push(() => database.remove());
  const appender = createAppender({ connection: database.connection });
  undo.push(() => appender.close());
  const attester = createSimulatedAttester();
  const tree = new LogTree(database.pool);
  const keeper = await Keeper.start({
    keyDirectory: join(folder.path, "keys"),
    attestation: "simulated",
    workers,
    modelIds: [],
    subject: "test",
    logOrigin: "log.example",
    lifetimeMs: 3_600_000,
    endorsements: () => attester.endorsements(new Date()),
    checkpoints: new Checkpoints(checkpointStore(database, tree, new CheckpointFeed())),
    appender,
    nowMs: Date.now,
    onLine: () => {},
    onEvent: () => {},
  });
  undo.push(() => keeper.stop());
  const sessions = keeper.holder;
  const jobs = await JobQueue.open({
    connection: database.connection,
    seal: vaultSeal(() => sessions.current().vault),
    onError: () => {},
  });
  undo.push(() => jobs.stop(2000));
  const engine = new EnginePool({ hosts: 1 });
  undo.push(() => engine.close());
  const parts = { database, appender, sessions, jobs, timeoutMs: 5000, circuits: { get: () => undefined } };
  return {
    ...parts,
    engine,
    folder: folder.path,
    async close() {
      for (const step of undo.toReversed()) await step();
    },
  };
}

/** An answer of the engine with what a promise keeps of it, signed, and in the log unless told otherwise. */
export async function answered(
  bench: Workbench,
  model: LoadedModel,
  inputs: Tensor[],
  { logged = true, fields = {} }: { logged?: boolean; fields?: object } = {},
) {
  const result = await bench.engine.run(model, inputs, { timeoutMs: 5000 });
  const session = bench.sessions.current();
  const { requestId } = await session.ticket();
  const statement = await session.sign({ ...statementFields(requestId), modelId: model.modelId, ...fields });
  if (logged) {
    const owner = { tenantId: DEFAULT_TENANT, accountId: OWNER_ACCOUNT, apiKeyId: null };
    await bench.appender.append({
      statement: {
        ...statement,
        type: "InferenceStatement",
        requestId,
        modelId: model.modelId,
        sealedExtra: null,
        ...owner,
      },
    });
  }
  const payload = {
    subject: statement.digest,
    circuitId: undefined as Uint8Array | undefined,
    modelId: model.modelId,
    inputs,
    outputs: result.outputs,
    executionDigest: result.executionDigest,
    keysetDigest: statement.keysetDigest,
    sCircuit: undefined as Uint8Array | undefined,
    publicInput: false,
  };
  return { statement, payload };
}

export async function promiseOf(
  bench: Workbench,
  { statement, payload }: Awaited<ReturnType<typeof answered>>,
  over: Partial<AskedPromise> = {},
): Promise<string> {
  const asked: AskedPromise = {
    tenantId: DEFAULT_TENANT,
    accountId: OWNER_ACCOUNT,
    kind: "reexecution",
    subject: statement.digest,
    circuitId: null,
    commitment: null,
    deadlineAt: new Date(Date.now() + 30_000),
    priority: 0,
    graceMs: 0,
    ...over,
  };
  return await makePromise(bench, asked, payload);
}

/** The promise once it has ended; undefined where it is gone. */
export async function endOf(
  bench: Workbench,
  id: string,
  isOver: (row: PromiseRow) => boolean = (row) => row.endedAt !== null,
): Promise<PromiseRow | undefined> {
  for (let tries = 0; tries < 400; tries++) {
    const row = await findPromise(bench.database, id);
    if (!row || isOver(row)) return row;
    await sleep(50);
  }
  throw new Error("the promise does not end");
}
