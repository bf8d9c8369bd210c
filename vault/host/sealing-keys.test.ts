import { beforeEach, describe, expect, it } from "vitest";
import { drawSealingKey, type SealingKey } from "./cluster-keys.ts";
import { SealingKeys } from "./sealing-keys.ts";

const refusal = (code: string) => expect.objectContaining({ name: "VaultError", code });
const START_MS = 1_800_000_000_000;
const [AGE_MS, OVERLAP_MS] = [1000, 300];

let nowMs: number;
/** What is on disk. */
let disk: readonly SealingKey[];
let failSave: boolean;

function open(rotation = { rotateAfterMs: AGE_MS, overlapMs: OVERLAP_MS }): SealingKeys {
  const save = async (keys: readonly SealingKey[]) => {
    if (failSave) throw new Error("disk full");
    disk = keys.map((key) => ({ ...key, secretKey: key.secretKey.slice() }));
  };
  return new SealingKeys(
    { rotation, nowMs: () => nowMs, save },
    disk.map((key) => ({ ...key, secretKey: key.secretKey.slice() })),
  );
}

const epochs = (keys: readonly { epoch: number }[]) => keys.map(({ epoch }) => epoch);

beforeEach(() => {
  nowMs = START_MS;
  failSave = false;
  disk = [drawSealingKey(1, START_MS)];
});

describe("SealingKeys", () => {
  it("makes another when the newest is old enough, and erases the one before when its overlap is over", async () => {
    const keys = open();
    nowMs = START_MS + AGE_MS - 1;
    expect(epochs(await keys.tend("look"))).toEqual([1]);
    nowMs = START_MS + AGE_MS;
    const ended = disk[0]!.secretKey;
    const [newest, before] = await keys.tend("look");
    expect(newest).toMatchObject({ epoch: 2, madeAtMs: BigInt(nowMs), endsAtMs: null });
    expect(before).toMatchObject({ epoch: 1, endsAtMs: BigInt(nowMs + OVERLAP_MS) });
    expect(epochs(disk)).toEqual([2, 1]);
    nowMs += OVERLAP_MS - 1;
    expect(epochs(keys.opening())).toEqual([2, 1]);
    nowMs += 1;
    // It opens nothing from that moment on, looked after or not.
    expect([epochs(keys.opening()), epochs(keys.list())]).toEqual([[2], [2]]);
    await keys.tend("look");
    expect(epochs(disk)).toEqual([2]);
    expect(disk.some(({ secretKey }) => Buffer.from(secretKey).equals(ended))).toBe(false);
  });

  it("goes on with what is on disk, also after a crash before or after the write", async () => {
    const keys = open();
    const [first] = keys.list();
    failSave = true;
    await expect(keys.tend("rotate")).rejects.toThrow("disk full");
    // Nobody heard of a key that a start would not find again.
    expect(keys.list()).toEqual([first]);
    expect(open().list()).toEqual([first]);
    failSave = false;
    const made = await keys.tend("rotate");
    expect(epochs(made)).toEqual([2, 1]);
    expect(open().list()).toEqual(made);
  });

  it("makes none by age where it was told so, and one whenever it is asked", async () => {
    const keys = open({ rotateAfterMs: 0, overlapMs: OVERLAP_MS });
    nowMs += 1e12;
    expect(epochs(await keys.tend("look"))).toEqual([1]);
    expect(epochs(await keys.tend("rotate"))).toEqual([2, 1]);
  });

  it("ends all older ones at once where one became known", async () => {
    const keys = open();
    await keys.tend("rotate");
    await keys.tend("rotate");
    expect(epochs(await keys.tend("rotateAndEnd"))).toEqual([4]);
    expect([epochs(disk), epochs(keys.opening())]).toEqual([[4], [4]]);
  });

  it("has a bound, at which the older ones can still be ended", async () => {
    const keys = open();
    for (let i = 0; i < 7; i++) await keys.tend("rotate");
    await expect(keys.tend("rotate")).rejects.toThrow(refusal("sealing_keys_limit"));
    expect(epochs(disk)).toEqual([8, 7, 6, 5, 4, 3, 2, 1]);
    // By age none is made then, and that is no failure.
    const slow = open({ rotateAfterMs: 1, overlapMs: 1e12 });
    nowMs += 10;
    expect(epochs(await slow.tend("look"))).toHaveLength(8);
    expect(epochs(await keys.tend("rotateAndEnd"))).toEqual([9]);
  });

  it("makes one key after another, however many ask at once", async () => {
    const keys = open();
    const answers = await Promise.all([keys.tend("rotate"), keys.tend("look"), keys.tend("rotate")]);
    expect(answers.map(epochs)).toEqual([
      [2, 1],
      [2, 1],
      [3, 2, 1],
    ]);
  });

  it("keeps its keys where the clock steps back", async () => {
    const keys = open();
    await keys.tend("rotate");
    nowMs -= 10 * AGE_MS;
    expect(epochs(await keys.tend("look"))).toEqual([2, 1]);
  });
});
