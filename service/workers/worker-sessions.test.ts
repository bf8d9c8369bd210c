/** Workers elsewhere against a real vault, queue and database, with a proof that was made once; some of them are hostile. */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { SIMULATED_POLICY } from "../../attestation/index.ts";
import { createSimulatedAttester } from "../../attestation/attest/index.ts";
import { equal, toHex } from "../../codec/index.ts";
import { identityModel } from "../../models/testing/models.ts";
import { circuitSalt, commitInput, type StoredCircuit } from "../../proofs/index.ts";
import { fp32, zooModel } from "../../proofs/testing/models.ts";
import { recorded, VECTOR_SALT } from "../../proofs/testing/recorded.ts";
import { decodeStatement, PROMISED_PROOF } from "../../receipts/index.ts";
import { ProofThread } from "../assurance/index.ts";
import { decodePayload } from "../assurance/payload.ts";
import {
  answered,
  endOf,
  openWorkbench,
  promiseOf,
  type Workbench,
} from "../assurance/workbench.test-support.ts";
import { DEFAULT_TENANT, findPromise, findStatement } from "../db/index.ts";
import { showEvidence } from "../remote-worker/admission.ts";
import type { SessionHolder } from "../session.ts";
import { VaultError } from "../../vault/index.ts";
import { SILENCE_MS } from "./remote-task.ts";
import { WorkerSessions, type WorkerTask } from "./worker-sessions.ts";

const { circuit, parts: made } = recorded("breast-cancer");
const stored = { ...made, circuit, directory: "", binding: undefined } as unknown as StoredCircuit;
const [sample] = zooModel("breast-cancer").samples;
const circuits = [toHex(circuit.circuitId)];
const proof = { kind: "proof", parts: { proof: made.proof, instances: made.instances } } as const;
const attester = createSimulatedAttester();

let bench: Workbench;
let thread: ProofThread;
let workers: WorkerSessions;
let aheadMs = 0;

beforeAll(async () => {
  bench = await openWorkbench({ workers: JSON.stringify(SIMULATED_POLICY) });
  thread = new ProofThread();
}, 60_000);
afterAll(async () => {
  await thread.close();
  await bench.close();
});
beforeEach(() => {
  aheadMs = 0;
  workers = open();
});

function open(sessions: Pick<SessionHolder, "current"> = bench.sessions) {
  return new WorkerSessions({
    ...bench,
    sessions: sessions as SessionHolder,
    circuits: { get: (id) => (equal(id, circuit.circuitId) ? stored : undefined) },
    circuitsInUse: () => [circuit.circuitId],
    thread,
    nowMs: () => Date.now() + aheadMs,
  });
}

function newAccount() {
  return { tenantId: DEFAULT_TENANT, accountId: randomUUID(), keyId: randomUUID() };
}

/** An answer that promises a proof of the recorded input, or of another one. */
async function promised({ publicInput = false, inputs = sample!.inputs, deadlineMs = 60_000 } = {}) {
  const sCircuit = circuitSalt(VECTOR_SALT);
  const fields = {
    circuitInput: commitInput(circuit, inputs, sCircuit),
    promised: PROMISED_PROOF,
    promiseDeadlineMs: BigInt(Date.now() + deadlineMs),
  };
  const answer = await answered(bench, identityModel("FP32"), [fp32("x", [1], [1])], { fields });
  const { circuitId } = circuit;
  const payload = { ...answer.payload, circuitId, inputs, outputs: sample!.outputs, sCircuit, publicInput };
  const asked = {
    kind: "proof",
    circuitId,
    deadlineAt: new Date(Date.now() + deadlineMs),
  } as const;
  return await promiseOf(bench, { ...answer, payload }, asked);
}

async function admitted(account = newAccount()) {
  const { nonce } = await workers.challenge(account);
  const admission = await showEvidence(attester, async () => attester.endorsements(new Date()), nonce);
  const session = await workers.begin(account, { circuits, evidence: admission.evidence });
  return { account, session, admission };
}

async function unattested(account = newAccount()) {
  return { account, session: await workers.begin(account, { circuits, evidence: undefined }) };
}

async function taskOf(
  { account, session }: Awaited<ReturnType<typeof unattested>>,
  waitMs = 10_000,
): Promise<WorkerTask> {
  const task = await workers.next(account, session.id, AbortSignal.timeout(waitMs));
  if (!task) throw new Error("no task came");
  return task;
}

async function jobOf(id: string) {
  return (await bench.jobs.administration.find(id))!;
}

describe("a worker that the vault admitted", () => {
  test("gets the payload sealed, with its key; its proof is verified and logged", async () => {
    const id = await promised();
    // The row's word counts for nothing: what the proof is about, and by which circuit, is sealed with the job.
    const lie = "UPDATE promises SET subject = $1, circuit_id = $1 WHERE id = $2";
    await bench.database.pool.query(lie, [Buffer.alloc(32), id]);
    const worker = await admitted();
    const task = await taskOf(worker);
    expect(task).toMatchObject({ jobId: id, circuitId: circuit.circuitId });
    expect(task.payload).not.toHaveProperty("clear");
    const opened = decodePayload((await worker.admission.open(task))!);
    expect([opened.inputs, opened.publicInput]).toEqual([sample!.inputs, false]);
    // Another worker's key opens nothing of it.
    expect(await (await admitted()).admission.open(task)).toBeUndefined();
    const { account, session } = worker;
    const stage = { kind: "progress", stage: "prove" } as const;
    expect(workers.report(account, session.id, task.id, stage)).toBe(false);
    for (let tries = 0; (await findPromise(bench.database, id))?.stage !== "prove"; tries++) {
      expect(tries).toBeLessThan(100);
      await sleep(20);
    }
    expect(workers.report(account, session.id, task.id, proof)).toBe(true);
    const row = await endOf(bench, id);
    expect(row).toMatchObject({ state: "delivered", code: null });
    const outcome = await findStatement(bench.database, row!.outcome!);
    expect(outcome?.type).toBe("Proof");
    const { subject } = opened;
    const { circuitId } = circuit;
    expect(decodeStatement("Proof", new Uint8Array(outcome!.words))).toMatchObject({ subject, circuitId });
    const { rows } = await bench.database.pool.query<{ words: Buffer }>(
      "SELECT words FROM statements WHERE type = 11 ORDER BY leaf_index DESC LIMIT 1",
    );
    const release = decodeStatement("KeyRelease", new Uint8Array(rows[0]!.words));
    expect(release.challengeNonce).toEqual(worker.admission.evidence.nonce);
  });

  test("is another one's as little as its task, and has one at a time", async () => {
    const id = await promised();
    const worker = await admitted();
    const { account, session } = worker;
    const task = await taskOf(worker);
    await expect(workers.next(account, session.id, AbortSignal.timeout(10))).rejects.toMatchObject({
      code: "worker_busy",
    });
    const stranger = newAccount();
    expect(() => workers.report(stranger, session.id, task.id, proof)).toThrow(
      expect.objectContaining({ code: "worker_session_unknown" }),
    );
    expect(workers.report(account, session.id, randomUUID(), proof)).toBe(true);
    workers.end(account, session.id);
    await sleep(100);
    expect(await jobOf(id)).toMatchObject({ state: "retry", code: "worker_stopped" });
    await bench.jobs.administration.cancel(id);
  });

  test("is admitted anew after its vault was replaced, and no job loses a try by that", async () => {
    let current = bench.sessions.current();
    workers = open({ current: () => current });
    const id = await promised();
    const { account, session } = await admitted();
    const refused = Promise.reject(new VaultError("worker_unknown"));
    refused.catch(() => undefined);
    current = { vault: {}, signWith: () => refused } as unknown as typeof current;
    await expect(workers.next(account, session.id, AbortSignal.timeout(3000))).rejects.toMatchObject({
      code: "worker_session_unknown",
    });
    expect(await jobOf(id)).toMatchObject({ state: "created", retries: 0, code: null });
    await bench.jobs.administration.cancel(id);
  });

  test("is refused by the appraisal's code", async () => {
    const account = newAccount();
    const { nonce } = await workers.challenge(account);
    const stale = await showEvidence(
      attester,
      async () => attester.endorsements(new Date()),
      new Uint8Array(32),
    );
    const evidence = { ...stale.evidence, nonce };
    const refused = { code: "worker_refused", message: expect.stringContaining("report_data_mismatch") };
    await expect(workers.begin(account, { circuits, evidence })).rejects.toMatchObject(refused);
    await expect(workers.begin(account, { circuits, evidence })).rejects.toMatchObject({
      code: "worker_challenge_unknown",
    });
    await expect(workers.begin(account, { circuits: [], evidence: undefined })).rejects.toMatchObject({
      code: "worker_circuits_missing",
    });
    const elsewhere = { ...account, tenantId: randomUUID() };
    await expect(workers.challenge(elsewhere)).rejects.toMatchObject({ code: "scope_missing" });
  });
});

describe("a worker without evidence", () => {
  test("gets public inputs, and no others", async () => {
    const kept = await promised();
    const shown = await promised({ publicInput: true });
    const worker = await unattested();
    const task = await taskOf(worker);
    if (!("clear" in task.payload)) throw new Error("sealed");
    expect([task.jobId, decodePayload(task.payload.clear).publicInput]).toEqual([shown, true]);
    workers.report(worker.account, worker.session.id, task.id, proof);
    expect((await endOf(bench, shown))?.state).toBe("delivered");
    expect(await workers.next(worker.account, worker.session.id, AbortSignal.timeout(1200))).toBeUndefined();
    expect(await jobOf(kept)).toMatchObject({ state: "created", retries: 0 });
    await bench.jobs.administration.cancel(kept);
  });

  test("gets none that a hostile database calls public", async () => {
    const id = await promised();
    await bench.database.pool.query(
      "UPDATE affidavit_jobs.job SET group_id = 'public-input', retry_limit = 0 WHERE id = $1",
      [id],
    );
    const { account, session } = await unattested();
    expect(await workers.next(account, session.id, AbortSignal.timeout(3000))).toBeUndefined();
    expect(await jobOf(id)).toMatchObject({ state: "failed", code: "input_not_public" });
    expect(await findPromise(bench.database, id)).toMatchObject({
      state: "failed",
      code: "input_not_public",
    });
  });
});

describe("a hostile worker", () => {
  const flipped = made.proof.slice();
  flipped[100]! ^= 1;
  const other = [
    fp32(
      "x",
      [1, 30],
      Array.from({ length: 30 }, () => 0.5),
    ),
  ];

  test.each([
    ["a proof with one bit changed", { proof: flipped, instances: made.instances }, undefined],
    ["a proof that is too long", { proof: new Uint8Array(9000), instances: made.instances }, undefined],
    ["instances of nothing", { proof: made.proof, instances: [] }, undefined],
    ["a proof of another input", { proof: made.proof, instances: made.instances }, other],
  ])("delivers nothing by %s, and gets nothing for a while", async (_, parts, inputs) => {
    const id = await promised(inputs && { inputs });
    const worker = await admitted();
    const { account, session } = worker;
    const task = await taskOf(worker);
    workers.report(account, session.id, task.id, { kind: "proof", parts });
    for (let tries = 0; (await jobOf(id)).state === "active"; tries++) {
      expect(tries).toBeLessThan(200);
      await sleep(20);
    }
    // The answer's promise is not given up on a stranger's word.
    expect(await jobOf(id)).toMatchObject({ state: "retry", code: "worker_proof_invalid" });
    expect((await findPromise(bench.database, id))?.state).toBe("running");
    await expect(admitted(account)).rejects.toMatchObject({ code: "worker_paused" });
    aheadMs = 600_001;
    await admitted(account);
    await bench.jobs.administration.cancel(id);
  });

  test("that fails again and again gets nothing for a while; another worker then delivers", async () => {
    const id = await promised();
    const worker = await admitted();
    const { account, session } = worker;
    for (let failures = 0; failures < 3; failures++) {
      const task = await taskOf(worker);
      workers.report(account, session.id, task.id, { kind: "failure", code: "prover_failed" });
    }
    await expect(workers.next(account, session.id, AbortSignal.timeout(5000))).rejects.toMatchObject({
      code: "worker_paused",
    });
    const honest = await admitted();
    const task = await taskOf(honest);
    workers.report(honest.account, honest.session.id, task.id, proof);
    expect((await endOf(bench, id))?.state).toBe("delivered");
  }, 30_000);

  test("that falls silent loses its task", async () => {
    const id = await promised();
    const worker = await admitted();
    const task = await taskOf(worker);
    aheadMs = SILENCE_MS;
    await sleep(1500);
    expect(await jobOf(id)).toMatchObject({ state: "retry", code: "worker_lost" });
    expect(workers.report(worker.account, worker.session.id, task.id, proof)).toBe(true);
    await bench.jobs.administration.cancel(id);
  });

  test("is told that its task was cancelled, and can do nothing about it", async () => {
    const id = await promised();
    const worker = await admitted();
    const task = await taskOf(worker);
    await bench.jobs.administration.cancel(id);
    await sleep(50);
    const { account, session } = worker;
    expect(workers.report(account, session.id, task.id, { kind: "progress", stage: "prove" })).toBe(true);
    workers.report(account, session.id, task.id, proof);
    expect((await jobOf(id)).state).toBe("cancelled");
    expect((await findPromise(bench.database, id))?.state).toBe("running");
  });
});
