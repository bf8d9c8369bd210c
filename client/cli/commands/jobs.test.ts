import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { getRequestListener } from "@hono/node-server";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ADMIN_KEY, createTestBench, KEY } from "../../../service/routes/testing/services.ts";
import { jsonLine, runCommand } from "../testing/run-command.ts";
import { jobsCancel, jobsList, jobsRetry, jobsShow } from "./jobs.ts";

const ID = "00000000-0000-4000-8000-000000000001";
const UNKNOWN = ID.replace("1", "2");

let server: Server;
let url = "";
beforeAll(async () => {
  server = createServer(getRequestListener(createTestBench().app.fetch));
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => server.close());

const asAdmin = () => ["--url", url, "--key", ADMIN_KEY];

test("list and show tell what failed and why", async () => {
  const list = await runCommand(jobsList, ["--state", "failed", ...asAdmin()]);
  expect(list.stdout).toMatch(new RegExp(`${ID} +prove +failed +3/3 +prover_crashed +1970-`));
  const show = await runCommand(jobsShow, [ID, ...asAdmin()]);
  expect(show.stdout).toContain("state      failed (last failure: prover_crashed)");
  const json = await runCommand(jobsShow, [ID, ...asAdmin(), "--json"]);
  expect([json.status, jsonLine(json.stdout)]).toEqual([
    0,
    { ok: true, code: "ok", job: expect.objectContaining({ id: ID, code: "prover_crashed" }) },
  ]);
});

test("retry shows the job that waits again", async () => {
  const run = await runCommand(jobsRetry, [ID, ...asAdmin(), "--json"]);
  expect([run.status, jsonLine(run.stdout)]).toEqual([0, expect.objectContaining({ ok: true })]);
});

test.each([
  [jobsList, ["--limit", "0"], ADMIN_KEY, 2, "usage"],
  [jobsList, ["extra"], ADMIN_KEY, 2, "usage"],
  [jobsList, ["--kind", "other"], ADMIN_KEY, 1, "request_invalid"],
  [jobsList, [], KEY, 1, "scope_missing"],
  [jobsShow, [], ADMIN_KEY, 2, "usage"],
  [jobsShow, [UNKNOWN], ADMIN_KEY, 1, "job_not_found"],
  [jobsRetry, [UNKNOWN], ADMIN_KEY, 1, "job_not_found"],
  [jobsCancel, [ID], ADMIN_KEY, 1, "job_ended"],
])("is refused with its code %#", async (command, words, key, status, code) => {
  const run = await runCommand(command, [...words, "--url", url, "--key", key, "--json"]);
  expect([run.status, jsonLine(run.stdout)]).toEqual([status, expect.objectContaining({ ok: false, code })]);
});
