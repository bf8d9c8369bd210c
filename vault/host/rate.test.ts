import { expect, it } from "vitest";
import { RateLimit } from "./rate.ts";

it("lets a burst through, then so many a second, and gains nothing from a clock that steps back", () => {
  let nowMs = 0;
  const limit = new RateLimit(3, 2, () => nowMs);
  const takeMany = () => Array.from({ length: 5 }, () => limit.take()).filter(Boolean).length;
  expect(takeMany()).toBe(3);
  nowMs = 1000;
  expect(takeMany()).toBe(2);
  nowMs = -1_000_000;
  expect(takeMany()).toBe(0);
  nowMs = -999_500;
  expect(takeMany()).toBe(1);
  nowMs = 10_000_000;
  expect(takeMany()).toBe(3);
});
