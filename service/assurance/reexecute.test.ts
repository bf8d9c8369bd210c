import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ModelError, type Engine } from "../../models/index.ts";
import { identityModel } from "../../models/testing/models.ts";
import { decodeStatement, NOT_COMPARED, OUTCOMES, type Tensor } from "../../receipts/index.ts";
import { findStatement } from "../db/index.ts";
import { watchDeadlines } from "./promises.ts";
import { reexecute } from "./reexecute.ts";
import { answered, endOf, openWorkbench, promiseOf, type Workbench } from "./workbench.test-support.ts";

const model = identityModel("FP32");
const input = (...values: number[]): Tensor[] => [
  {
    name: "x",
    datatype: "FP32",
    shape: [values.length],
    data: new Uint8Array(Float32Array.from(values).buffer),
  },
];

let bench: Workbench;
/** The engine that runs again. */
let second: Pick<Engine, "run">;
let watch: ReturnType<typeof watchDeadlines>;
const unexpected: unknown[] = [];

beforeAll(async () => {
  bench = await openWorkbench();
  watch = watchDeadlines(bench, (error) => unexpected.push(error));
  await bench.jobs.work("reexecute", 1, async (job) => {
    const engine = { ...bench.engine, run: second.run } as Engine;
    await reexecute({ ...bench, models: { list: () => [model] }, engine }, job);
  });
}, 60_000);
afterAll(async () => {
  await watch.stop();
  await bench.close();
  expect(unexpected).toEqual([]);
});

/** The same engine in truth, but for what is done to its result on the way. */
function changed(change: (outputs: Tensor[]) => void, executionDigest?: Uint8Array): Pick<Engine, "run"> {
  return {
    run: async (...given) => {
      const result = await bench.engine.run(...given);
      const outputs = result.outputs.map((tensor) => ({ ...tensor, data: tensor.data.slice() }));
      change(outputs);
      return { ...result, outputs, ...(executionDigest && { executionDigest }) };
    },
  };
}

async function logged(digest: Uint8Array | null | undefined) {
  const stored = await findStatement(bench.database, digest!);
  return decodeStatement("Reexecution", new Uint8Array(stored!.words));
}

describe("a re-execution", () => {
  test("by a second engine that does the same agrees", async () => {
    second = { run: (...given) => bench.engine.run(...given) };
    const answer = await answered(bench, model, input(1, 2, 3));
    const row = await endOf(bench, await promiseOf(bench, answer));
    expect(row).toMatchObject({ state: "delivered", code: null });
    expect(await logged(row?.outcome)).toMatchObject({
      subject: answer.statement.digest,
      executionDigest: answer.payload.executionDigest,
      difference: 0n,
      outcome: OUTCOMES.delivered,
    });
  });

  test("finds a planted fault of one unit in the last place", async () => {
    second = changed(([y]) => void (y!.data[4]! ^= 1));
    const row = await endOf(bench, await promiseOf(bench, await answered(bench, model, input(1, 2, 3))));
    expect(row?.state).toBe("disagrees");
    // 2^-22 of the second value, 2: 238.4 units of 10^-9, rounded up.
    expect(await logged(row?.outcome)).toMatchObject({ difference: 239n, outcome: OUTCOMES.disagrees });
  });

  test("finds one that no unit of the statement shows", async () => {
    second = changed(([y]) => void (y!.data[3]! ^= 0x80));
    const row = await endOf(bench, await promiseOf(bench, await answered(bench, model, input(0))));
    expect([row?.state, (await logged(row?.outcome)).difference]).toEqual(["disagrees", 0n]);
  });

  test("on other hardware says nothing of a difference", async () => {
    second = changed(([y]) => void (y!.data[0]! ^= 1), new Uint8Array(32).fill(5));
    const row = await endOf(bench, await promiseOf(bench, await answered(bench, model, input(1))));
    expect(row?.state).toBe("incomparable");
    expect(await logged(row?.outcome)).toMatchObject({
      executionDigest: new Uint8Array(32).fill(5),
      outcome: OUTCOMES.incomparable,
    });
  });

  test("is about the answer that its payload is sealed with, whatever its row says", async () => {
    const other = await answered(bench, model, input(7));
    second = {
      run: async (...given) => {
        const values = [Buffer.from(other.statement.digest), Buffer.from(answer.statement.digest)];
        await bench.database.pool.query("UPDATE promises SET subject = $1 WHERE subject = $2", values);
        return await bench.engine.run(...given);
      },
    };
    const answer = await answered(bench, model, input(1));
    const row = await endOf(bench, await promiseOf(bench, answer));
    expect(row?.subject).toEqual(Buffer.from(other.statement.digest));
    expect(await logged(row?.outcome)).toMatchObject({ subject: answer.statement.digest });
  });

  test("whose engine dies is tried again", async () => {
    let runs = 0;
    second = {
      run: async (...given) => {
        if (++runs === 1) throw new ModelError("engine_crashed", "died");
        return await bench.engine.run(...given);
      },
    };
    const row = await endOf(bench, await promiseOf(bench, await answered(bench, model, input(1))));
    expect([row?.state, runs]).toEqual(["delivered", 2]);
  });

  test("that cannot be made has failed, and the log says that it never came", async () => {
    second = {
      run: async () => {
        throw new ModelError("engine_failed", "no");
      },
    };
    const deadlineAt = new Date(Date.now() + 2000);
    const id = await promiseOf(bench, await answered(bench, model, input(1)), { deadlineAt });
    expect(await endOf(bench, id)).toMatchObject({ state: "failed", code: "engine_failed", outcome: null });
    const row = await endOf(bench, id, ({ outcome }) => outcome !== null);
    expect(row?.state).toBe("failed");
    expect(await logged(row?.outcome)).toMatchObject({
      executionDigest: new Uint8Array(32),
      difference: NOT_COMPARED,
      outcome: OUTCOMES.expired,
    });
  });
});

describe("a deadline", () => {
  test("that is missed is logged, and the work ends", async () => {
    let aborted = false;
    second = {
      run: async (_model, _inputs, { signal }) => {
        await new Promise((_, reject) =>
          signal?.addEventListener("abort", () => {
            aborted = true;
            reject(new ModelError("cancelled", "told to"));
          }),
        );
        throw new Error("unreachable");
      },
    };
    const deadlineAt = new Date(Date.now() + 500);
    const id = await promiseOf(bench, await answered(bench, model, input(1)), { deadlineAt });
    const row = await endOf(bench, id);
    expect([row?.state, (await logged(row?.outcome)).outcome]).toEqual(["expired", OUTCOMES.expired]);
    expect(aborted).toBe(true);
    expect((await bench.jobs.administration.find(id))?.state).toBe("cancelled");
  });

  test("of an answer that was never stored leaves nothing", async () => {
    second = { run: (...given) => bench.engine.run(...given) };
    const answer = await answered(bench, model, input(1), { logged: false });
    const id = await promiseOf(bench, answer, { deadlineAt: new Date(Date.now() + 500) });
    expect(await endOf(bench, id)).toBeUndefined();
  });
});
