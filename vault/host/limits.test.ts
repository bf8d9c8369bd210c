import { beforeEach, describe, expect, it } from "vitest";
import { OPERATIONS } from "../wire/operations.ts";
import { DEFAULT_OPERATIONS_PER_HOUR, Limits, NO_OWNERS_LIMITS } from "./limits.ts";
import { encodeUsedLimits, parseUsedLimits } from "./used-limits.ts";

const refusal = (code: string) => expect.objectContaining({ name: "VaultError", code });
const HOUR_MS = 3_600_000;
const START_MS = 500_000 * HOUR_MS;

let nowMs: number;
let disk: Uint8Array | undefined;
let writes: number;

function open(): Limits {
  const save = async (used: Parameters<typeof encodeUsedLimits>[0]) => {
    await Promise.resolve();
    writes++;
    disk = encodeUsedLimits(used);
  };
  return new Limits({ nowMs: () => nowMs, save }, disk && parseUsedLimits(Buffer.from(disk)));
}

const perHour = (operations: [string, number][], rest = {}) => ({
  ...NO_OWNERS_LIMITS,
  operationsPerHour: new Map(operations),
  ...rest,
});

/** How many of so many are admitted. */
async function taken(limits: Limits, name: keyof typeof OPERATIONS, tries: number): Promise<number> {
  let count = 0;
  for (let i = 0; i < tries; i++) {
    try {
      await limits.take(name, 1);
      count++;
    } catch (error) {
      expect(error).toEqual(refusal("limit_reached"));
    }
  }
  return count;
}

beforeEach(() => {
  nowMs = START_MS;
  disk = undefined;
  writes = 0;
});

describe("Limits", () => {
  it("lets so many pass in an hour, and again in the next", async () => {
    const limits = open();
    limits.apply(perHour([["sign", 5]]));
    expect(await taken(limits, "sign", 8)).toBe(5);
    nowMs += HOUR_MS - 1;
    expect(await taken(limits, "sign", 2)).toBe(0);
    nowMs += 1;
    expect(await taken(limits, "sign", 8)).toBe(5);
    // A clock that steps back gives nothing back.
    nowMs -= 5 * HOUR_MS;
    expect(await taken(limits, "sign", 1)).toBe(0);
  });

  it("counts what is asked at one time, and a batch as a whole", async () => {
    const limits = open();
    limits.apply(perHour([["sign", 10]]));
    const asked = Array.from({ length: 30 }, async () => limits.take("sign", 1));
    const outcomes = await Promise.allSettled(asked);
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(10);
    limits.apply(perHour([["sign", 20]]));
    await expect(limits.take("sign", 11)).rejects.toThrow(refusal("limit_reached"));
    await limits.take("sign", 9);
    await limits.take("sign", 1);
    await expect(limits.take("sign", 1)).rejects.toThrow(refusal("limit_reached"));
  });

  it("forgets nothing with a restart: what was set aside counts as used", async () => {
    const policy = perHour([["sign", 640]]);
    let total = 0;
    for (let start = 0; start < 10; start++) {
      const limits = open();
      limits.apply(policy);
      total += await taken(limits, "sign", 5);
    }
    // Each start sets aside what it needs and ten more, and loses what it did not use.
    expect(total).toBe(50);
    const last = open();
    last.apply(policy);
    const rest = await taken(last, "sign", 1000);
    expect(rest).toBe(640 - 10 * 11);
    const again = open();
    again.apply(policy);
    expect(await taken(again, "sign", 10)).toBe(0);
  });

  it("writes some 64 times for a whole hour's limit, and answers at once in between", async () => {
    const limits = open();
    limits.apply(perHour([["sign", 64_000]]));
    let waited = 0;
    for (let i = 0; i < 64_000; i++) {
      const waits = limits.take("sign", 1);
      if (waits) {
        waited++;
        await waits;
      }
    }
    expect([writes, waited].every((count) => count >= 60 && count <= 66)).toBe(true);
    await expect(limits.take("sign", 1)).rejects.toThrow(refusal("limit_reached"));
  });

  it("holds its defaults where the owner says nothing, and what the owner says from then on", async () => {
    const limits = open();
    const { signRevocation } = DEFAULT_OPERATIONS_PER_HOUR;
    expect(limits.used()).toContainEqual({ name: "signRevocation", used: 0, perHour: signRevocation });
    expect(limits.take("drawTickets", 1)).toBeUndefined();
    await limits.take("signRevocation", 3);
    limits.apply(perHour([["signRevocation", 4]]));
    expect(limits.used()).toContainEqual({ name: "signRevocation", used: 3, perHour: 4 });
    expect(await taken(limits, "signRevocation", 5)).toBe(1);
    limits.apply(perHour([["signRevocation", 2]]));
    expect(await taken(limits, "signRevocation", 1)).toBe(0);
    limits.apply(perHour([["signRevocation", 0]]));
    expect(await taken(limits, "signRevocation", 1)).toBe(0);
  });

  it("refuses limits of what there is not, and of what changes them", () => {
    const limits = open();
    for (const name of ["describe", "readPolicy", "changePolicy", "signAnything", "constructor"])
      expect(() => limits.apply(perHour([[name, 1]])), name).toThrow(refusal("policy_invalid"));
  });

  it("bounds what transactions may cost, one and an hour's, over restarts", async () => {
    const policy = perHour([], { weiPerTransaction: 60n, weiPerHour: 100n });
    const limits = open();
    limits.apply(policy);
    await expect(limits.takeWei(61n)).rejects.toThrow(refusal("limit_reached"));
    await limits.takeWei(60n);
    const outcomes = await Promise.allSettled([limits.takeWei(30n), limits.takeWei(30n)]);
    expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
    const next = open();
    next.apply(policy);
    await expect(next.takeWei(11n)).rejects.toThrow(refusal("limit_reached"));
    await next.takeWei(10n);
    nowMs += HOUR_MS;
    await next.takeWei(60n);
  });

  it("bounds one credit of a balance", () => {
    const limits = open();
    limits.requireCredit(10n ** 18n);
    limits.apply(perHour([], { creditAtomic: 5n }));
    limits.requireCredit(5n);
    expect(() => limits.requireCredit(6n)).toThrow(refusal("limit_reached"));
  });

  it("reads what it wrote, and refuses every change of a byte and of the length", () => {
    const used = {
      hour: 500_000,
      wei: 2n ** 200n,
      operations: new Map([
        [6, 5],
        [255, 2 ** 40],
      ]),
    };
    const file = Buffer.from(encodeUsedLimits(used));
    expect(parseUsedLimits(file)).toEqual(used);
    for (let i = 0; i < file.length; i++) {
      const flipped = Buffer.from(file);
      flipped[i]! ^= 1;
      expect(() => parseUsedLimits(flipped), `byte ${i}`).toThrow(refusal("limits_state_invalid"));
    }
    for (const wrong of [file.subarray(1), Buffer.concat([file, Buffer.of(0)]), Buffer.alloc(0)])
      expect(() => parseUsedLimits(wrong)).toThrow(refusal("limits_state_invalid"));
  });
});
