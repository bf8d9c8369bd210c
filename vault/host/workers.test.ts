/** The clock's part in the admission of workers; the rest is tested against a live vault. */
import { beforeEach, expect, it } from "vitest";
import { x25519 } from "@noble/curves/ed25519.js";
import { SIMULATED_POLICY } from "../../attestation/index.ts";
import { createSimulatedAttester } from "../../attestation/attest/index.ts";
import { simulatedCollateral } from "../../attestation/attest/simulated-platform.ts";
import { workerReportData } from "../../receipts/index.ts";
import type { Statements } from "./statements.ts";
import { MAX_WORKER_KEYS, WORKER_CHALLENGE_LIFETIME_MS, WORKER_LIFETIME_MS, Workers } from "./workers.ts";

const START_MS = Date.parse("2026-08-15T10:30:00Z");
const JOB = "7f0e3f2e-0000-4000-8000-000000000000";
const attester = createSimulatedAttester();
const refusal = (code: string) => expect.objectContaining({ code });
let nowMs: number;
let simulated: boolean;

function open() {
  const statements = { signNow: () => ({}) } as unknown as Statements;
  return new Workers({
    policy: JSON.stringify(SIMULATED_POLICY),
    simulated,
    statements,
    recordKey: () => new Uint8Array(32),
    nowMs: () => nowMs,
  });
}

async function evidenceFor(workers: Workers) {
  const { nonce } = workers.challenge();
  const terms = { nonce, hpkeKey: x25519.keygen().publicKey };
  const quote = await attester.quote(workerReportData(terms));
  return { ...terms, type: "tdx", quote, endorsements: JSON.stringify(simulatedCollateral(new Date(nowMs))) };
}

beforeEach(() => {
  nowMs = START_MS;
  simulated = true;
});

it("lets a challenge be used for a minute, and says that it ended", async () => {
  const workers = open();
  const [late, inTime] = [await evidenceFor(workers), await evidenceFor(workers)];
  nowMs += WORKER_CHALLENGE_LIFETIME_MS - 1;
  expect(workers.admit(inTime).code).toBe("ok");
  nowMs += 1;
  expect(() => workers.admit(late)).toThrow(refusal("worker_challenge_expired"));
});

it("gives keys for ten minutes", async () => {
  const workers = open();
  const evidence = await evidenceFor(workers);
  const { expiresAtMs } = workers.admit(evidence);
  expect(Number(expiresAtMs)).toBe(START_MS + WORKER_LIFETIME_MS);
  nowMs += WORKER_LIFETIME_MS - 1;
  await workers.release({ nonce: evidence.nonce, jobId: JOB });
  nowMs += 1;
  await expect(workers.release({ nonce: evidence.nonce, jobId: JOB })).rejects.toEqual(
    refusal("worker_unknown"),
  );
});

it("gives a simulated worker nothing out of a real TEE, whatever the policy", async () => {
  simulated = false;
  const workers = open();
  expect(workers.admit(await evidenceFor(workers))).toMatchObject({
    code: "simulated_refused",
    result: null,
  });
});

it("appraises no more than so much at once, and knows no more challenges than so many", async () => {
  const workers = open();
  const shown: Awaited<ReturnType<typeof evidenceFor>>[] = [];
  for (let i = 0; i < 17; i++) shown.push(await evidenceFor(workers));
  for (const evidence of shown.slice(0, 16)) expect(workers.admit(evidence).code).toBe("ok");
  expect(() => workers.admit(shown[16]!)).toThrow(refusal("busy"));
  for (let i = 0; i < 1024; i++) workers.challenge();
  expect(() => workers.challenge()).toThrow(refusal("busy"));
  nowMs += 2 * WORKER_CHALLENGE_LIFETIME_MS;
  workers.challenge();
  expect(MAX_WORKER_KEYS).toBeGreaterThan(1);
});
