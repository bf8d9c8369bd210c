import { describe, expect, test } from "vitest";
import { CheckpointFeed } from "./checkpoint-feed.ts";

const never = new AbortController().signal;

describe("CheckpointFeed", () => {
  test("wakes those whose size is reached, and only those", async () => {
    const feed = new CheckpointFeed();
    const five = feed.reached(5n, 10_000, never);
    const nine = feed.reached(9n, 30, never);
    feed.publish(5n);
    feed.publish(3n);
    expect(feed.size).toBe(5n);
    expect(await five).toBe(true);
    expect(await nine).toBe(false);
    expect(await feed.reached(4n, 0, never)).toBe(true);
  });

  test("ends with the caller", async () => {
    const feed = new CheckpointFeed();
    const caller = new AbortController();
    const waiting = feed.reached(1n, 60_000, caller.signal);
    caller.abort();
    expect(await waiting).toBe(false);
    expect(await feed.reached(1n, 60_000, caller.signal)).toBe(false);
  });

  test("holds a bounded number", async () => {
    const feed = new CheckpointFeed();
    const waiting = Array.from({ length: 2048 }, () => feed.reached(1n, 60_000, never));
    await expect(feed.reached(1n, 60_000, never)).rejects.toMatchObject({ code: "service_overloaded" });
    feed.publish(1n);
    expect((await Promise.all(waiting)).every(Boolean)).toBe(true);
  });
});
