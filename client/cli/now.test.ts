import { describe, expect, test } from "vitest";
import { UsageError } from "./command.ts";
import { parseTime } from "./now.ts";

describe("a time", () => {
  test.each([
    ["0", "1970-01-01T00:00:00.000Z"],
    ["1751624191", "2025-07-04T10:16:31.000Z"],
    ["2024-02-29", "2024-02-29T00:00:00.000Z"],
    ["2025-06-30T23:59:59", "2025-06-30T23:59:59.000Z"],
    ["2025-06-30 10:00", "2025-06-30T10:00:00.000Z"],
    ["2025-06-30T23:00:00-02:00", "2025-07-01T01:00:00.000Z"],
  ])("%s", (text, time) => {
    expect(parseTime(text).toISOString()).toBe(time);
  });

  test.each([
    "",
    "soon",
    "2025-02-30",
    "2025-02-29",
    "2025-06-31T00:00:00Z",
    "2025-13-01",
    "2025-06-30T25:00:00Z",
    "2025-06-30T10:00:00+99:99",
    "1e9",
  ])("is not %j", (text) => {
    expect(() => parseTime(text)).toThrow(UsageError);
  });
});
