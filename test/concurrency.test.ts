/** Five hundred callers at once: each gets its own answer, memory stays bounded, and what is too much is told so. */
import { afterAll, beforeAll, expect, test } from "vitest";
import type { InferenceSession } from "onnxruntime-node";
import type { Manifest } from "../models/index.ts";
import { createSession, floats, readManifest, readWeights, run } from "../models/zoo/testing.ts";
import {
  checkReceipt,
  infer,
  isAbout,
  outputOf,
  receiptIdOf,
  requestIdOf,
  seededRandom,
  smallCall,
  type Answer,
  type SmallModel,
} from "./service-load.ts";
import { startService, type RunningService } from "./service-process.ts";
import { auditLog, openStore } from "./service-store.ts";
import { memoryOf } from "./service-tree.ts";

const CALLERS = 500;
const MIB = 1024 * 1024;
/** Of the service's process, above what it had after its first answers. */
const MOST_GROWTH_BYTES = 160 * MIB;

let service: RunningService;
let narrow: RunningService;
const models = new Map<SmallModel, { manifest: Manifest; session: InferenceSession }>();
beforeAll(async () => {
  service = await startService();
  narrow = await startService({
    environment: { AFFIDAVIT_MAX_CONCURRENT_REQUESTS: "24", AFFIDAVIT_ENGINE_QUEUE: "2" },
  });
  for (const model of ["breast-cancer", "digits"] as const) {
    const manifest = await readManifest(model);
    models.set(model, { manifest, session: await createSession(await readWeights(manifest)) });
  }
});
afterAll(() => Promise.all([service?.stop(), narrow?.stop()]));

/** What the model says to this input, asked alone and without the service. */
async function alone({ model, data }: ReturnType<typeof smallCall>): Promise<number[]> {
  const [name, shape] = model === "digits" ? ["image", [1, 1, 8, 8]] : ["x", [1, 30]];
  const bytes = new Uint8Array(Float32Array.from(data).buffer);
  const { manifest, session } = models.get(model as SmallModel)!;
  const outputs = await run(manifest, session, [
    { name: name as string, datatype: "FP32", shape: shape as number[], data: bytes },
  ]);
  return [...floats(outputs[0]!)];
}

test("five hundred at once: no answer is lost or crossed, and memory is bounded", async () => {
  const random = seededRandom(20_261_123);
  const calls = Array.from({ length: CALLERS }, (_, i) =>
    smallCall(i % 2 ? "digits" : "breast-cancer", random),
  );
  const expected: number[][] = [];
  for (const call of calls) expected.push(await alone(call));
  expect(new Set(expected.map(String)).size).toBe(CALLERS);
  for (const call of calls.slice(0, 2)) {
    const other = smallCall(call.model as SmallModel, random);
    expect((await infer(service, other)).status).toBe(200);
  }

  const before = memoryOf(service.child.pid!).nowBytes;
  const begun = performance.now();
  const answers = await Promise.all(calls.map((call) => infer(service, call)));
  const tookMs = performance.now() - begun;
  const after = memoryOf(service.child.pid!);
  const [beforeMib, afterMib, peakMib] = [before, after.nowBytes, after.peakBytes].map((bytes) =>
    Math.round(bytes / MIB),
  );
  console.info(
    `${CALLERS} at once in ${Math.round(tookMs)} ms; resident ${beforeMib} MiB before, ${afterMib} after, ${peakMib} at most`,
  );

  expect(answers.map(({ status }) => status)).toEqual(calls.map(() => 200));
  answers.forEach((answer, i) => expect(outputOf(answer).map(Math.fround)).toEqual(expected[i]));
  expect(new Set(answers.map(receiptIdOf)).size).toBe(CALLERS);
  expect(new Set(answers.map(requestIdOf)).size).toBe(CALLERS);
  answers.forEach((answer, i) => expect(isAbout(answer, calls[i]!)).toBe(true));
  for (let i = 0; i < CALLERS; i += 10) {
    expect(await checkReceipt(service, calls[i]!, answers[i]!)).toBeUndefined();
  }
  expect(after.peakBytes - before).toBeLessThan(MOST_GROWTH_BYTES);
});

test("a receipt does not verify with another caller's bodies", async () => {
  const [one, other] = [smallCall("digits"), smallCall("digits")];
  const [mine, theirs] = [await infer(service, one), await infer(service, other)];
  expect(await checkReceipt(service, one, mine)).toBeUndefined();
  const crossed = { ...mine, body: theirs.body };
  expect(await checkReceipt(service, one, crossed)).toMatch(/response_digest_mismatch/);
  expect(await checkReceipt(service, { ...one, body: other.body }, mine)).toMatch(/request_digest_mismatch/);
  expect(await checkReceipt(service, { ...one, salt: other.salt }, mine)).toMatch(/requester_mismatch/);
});

test("memory does not grow with the number of calls", async () => {
  const random = seededRandom(7);
  const rounds: number[] = [];
  for (let round = 0; round < 4; round++) {
    const calls = Array.from({ length: 250 }, () => smallCall("breast-cancer", random));
    const answers = await Promise.all(calls.map((call) => infer(service, call)));
    expect(answers.every(({ status }) => status === 200)).toBe(true);
    rounds.push(memoryOf(service.child.pid!).nowBytes);
  }
  console.info(`resident after each 250: ${rounds.map((bytes) => Math.round(bytes / MIB)).join(", ")} MiB`);
  expect(rounds.at(-1)! - rounds[0]!).toBeLessThan(64 * MIB);
});

test("what is too much gets 429 or 503 with Retry-After, and nothing of it is signed", async () => {
  const calls = Array.from({ length: 300 }, (_, i) => smallCall(i % 2 ? "digits" : "breast-cancer"));
  const answers: Answer[] = await Promise.all(calls.map((call) => infer(narrow, call)));
  const served = answers.filter(({ status }) => status === 200);
  const refused = answers.filter(({ status }) => status !== 200);
  expect(served.length).toBeGreaterThan(0);
  expect(refused.length).toBeGreaterThan(0);
  for (const { status, code, headers } of refused) {
    expect([
      [429, "engine_overloaded"],
      [503, "service_overloaded"],
    ]).toContainEqual([status, code]);
    expect(Number(headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
  }
  const store = openStore(narrow.directory);
  const { inferences } = await auditLog(store);
  await store.end();
  expect([...inferences.keys()].toSorted()).toEqual(served.map(receiptIdOf).toSorted());
  expect((await infer(narrow, smallCall("digits"))).status).toBe(200);
});
