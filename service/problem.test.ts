import { describe, expect, test } from "vitest";
import { ModelError, OipError } from "../models/client.ts";
import { ReceiptError } from "../receipts/index.ts";
import { VaultError } from "../vault/index.ts";
import { DatabaseError } from "./db/error.ts";
import { PROBLEMS, ServiceError, toProblem } from "./problem.ts";

describe("an error of each domain becomes its problem", () => {
  test.each<[Error, string, number]>([
    [new ServiceError("receipt_not_found"), "receipt_not_found", 404],
    [new OipError("oip_not_json", "no"), "oip_not_json", 400],
    [new ModelError("engine_timeout", "slow"), "engine_timeout", 504],
    [new ReceiptError("output_overflow", "large"), "output_overflow", 422],
    [new DatabaseError("database_unavailable", "away"), "database_unavailable", 503],
    [new VaultError("ticket_expired"), "vault_ticket_expired", 503],
    [Object.assign(new Error("hunter2"), { code: "model_not_found" }), "internal", 500],
  ])("%s", (error, code, status) => {
    const problem = toProblem(error, "trace");
    expect(problem).toMatchObject({ code, status });
    expect(problem.headers["retry-after"]).toBe(status === 503 ? "1" : undefined);
    expect(JSON.parse(problem.body)).toEqual({
      type: `/problems/${code}`,
      title: PROBLEMS[problem.code][1],
      status,
      detail: code === "internal" ? PROBLEMS.internal[1] : error.message,
      error: code === "internal" ? PROBLEMS.internal[1] : error.message,
      code,
      charged: false,
      traceId: "trace",
    });
  });
});

test("every title is a line of its own words", () => {
  for (const [status, title] of Object.values(PROBLEMS)) {
    expect(status).toBeGreaterThanOrEqual(400);
    expect(title).toMatch(/^[A-Z][^\n]{5,100}$/);
  }
});
