import { afterEach, describe, expect, it, vi } from "vitest";
import { AffidavitError } from "../errors.ts";
import { failure, UsageError } from "./command.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

/** What a failure writes, and its exit status. */
function written(error: unknown, json: boolean): { status: number; text: string } {
  let text = "";
  const write = (part: string | Uint8Array): boolean => {
    text += String(part);
    return true;
  };
  vi.spyOn(process.stdout, "write").mockImplementation(write);
  vi.spyOn(process.stderr, "write").mockImplementation(write);
  return { status: failure(error, json), text };
}

describe("a failure of the command", () => {
  it("has the status and the most exact code of its kind", () => {
    const problem = new AffidavitError("request_rejected", "no", { detail: "model_not_found" });
    expect(written(problem, false)).toMatchObject({
      status: 1,
      text: expect.stringContaining("[model_not_found]"),
    });
    expect(written(new UsageError("no flags"), false).status).toBe(2);
    expect(written(new Error("fault"), false)).toMatchObject({
      status: 3,
      text: "affidavit: fault [internal]\n",
    });
  });

  it("shows a server's words without what a terminal would obey", () => {
    const hostile = new AffidavitError(
      "server_error",
      "\u001b]0;title\u0007\u001b[2J\u202eno\r\n" + "x".repeat(5000),
    );
    const { text } = written(hostile, false);
    expect(text.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    expect(text.length).toBeLessThan(1500);
  });

  it("is one line for machines, whatever is in it", () => {
    const { text } = written(new AffidavitError("server_error", "two\nlines"), true);
    expect(text.trimEnd().split("\n")).toHaveLength(1);
    expect(JSON.parse(text)).toMatchObject({ ok: false, code: "server_error", kind: "server_error" });
  });
});
