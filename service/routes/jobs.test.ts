import { expect, test } from "vitest";
import { ADMIN_KEY, createTestBench, KEY } from "./testing/services.ts";

const ID = "00000000-0000-4000-8000-000000000001";

async function ask(
  path: string,
  key = ADMIN_KEY,
  method = "GET",
): Promise<[number, Record<string, unknown>]> {
  const response = await createTestBench().request(path, { method, key });
  return [response.status, (await response.json()) as Record<string, unknown>];
}

test("an operator sees jobs with their last failure, and no payload", async () => {
  const [status, { jobs }] = await ask("/v1/jobs?state=failed");
  expect(status).toBe(200);
  expect(jobs).toEqual([
    {
      id: ID,
      kind: "prove",
      summary: "makes a ZK proof of an inference",
      state: "failed",
      priority: 0,
      retries: 3,
      retryLimit: 3,
      code: "prover_crashed",
      createdAt: "1970-01-01T00:00:01.000Z",
      startAfter: "1970-01-01T00:00:02.000Z",
      startedAt: "1970-01-01T00:00:03.000Z",
      endedAt: "1970-01-01T00:00:04.000Z",
    },
  ]);
  expect(await ask("/v1/jobs?kind=settle")).toEqual([200, { jobs: [] }]);
  expect(await ask(`/v1/jobs/${ID}`)).toMatchObject([200, { id: ID, state: "failed" }]);
});

test.each([
  ["GET", "/v1/jobs?kind=other", ADMIN_KEY, 400, "request_invalid"],
  ["GET", "/v1/jobs?limit=0", ADMIN_KEY, 400, "request_invalid"],
  ["GET", "/v1/jobs/x", ADMIN_KEY, 400, "request_invalid"],
  ["GET", "/v1/jobs", KEY, 403, "scope_missing"],
  ["GET", `/v1/jobs/${ID.replace("1", "2")}`, ADMIN_KEY, 404, "job_not_found"],
  ["POST", `/v1/jobs/${ID.replace("1", "2")}/retry`, ADMIN_KEY, 404, "job_not_found"],
  ["POST", `/v1/jobs/${ID}/retry`, KEY, 403, "scope_missing"],
  ["DELETE", `/v1/jobs/${ID}`, ADMIN_KEY, 409, "job_ended"],
])("%s %s is refused with its code", async (method, path, key, status, code) => {
  expect(await ask(path, key, method)).toMatchObject([status, { code }]);
});

test("a failed job is tried again", async () => {
  expect(await ask(`/v1/jobs/${ID}/retry`, ADMIN_KEY, "POST")).toMatchObject([200, { id: ID }]);
});
