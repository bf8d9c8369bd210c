/** What a worker makes of a service's answers, of which any may be hostile. */
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Connection } from "./connection.ts";

const ID = "00000000-0000-4000-8000-000000000001";
const task = { id: ID, jobId: ID, circuitId: `0x${"07".repeat(32)}`, timeoutMs: 9 };
const never = new AbortController().signal;

let server: Server;
let connection: Connection;
let answer: (response: ServerResponse) => void;
let seen: { url: string | undefined; authorization: string | undefined }[] = [];

beforeAll(async () => {
  server = createServer((request, response) => {
    seen.push({ url: request.url, authorization: request.headers.authorization });
    request.resume().on("end", () => answer(response));
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  connection = new Connection(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, "the-key");
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((done) => server.close(done));
});

function answering(status: number, body: string, headers: Record<string, string> = {}): void {
  answer = (response) => void response.writeHead(status, headers).end(body);
}

test("tells a sealed task from one in the clear, and none at all", async () => {
  answering(200, JSON.stringify({ ...task, sealed: "AQI=", sealedKey: "00".repeat(80) }));
  expect(await connection.next(ID, never)).toEqual({
    ...task,
    circuitId: new Uint8Array(32).fill(7),
    payload: { sealed: new Uint8Array([1, 2]), sealedKey: new Uint8Array(80) },
  });
  answering(200, JSON.stringify({ ...task, payload: "AQI=" }));
  expect((await connection.next(ID, never))?.payload).toEqual({ clear: new Uint8Array([1, 2]) });
  answering(204, "");
  expect(await connection.next(ID, never)).toBeUndefined();
  expect(new Set(seen.map(({ authorization }) => authorization))).toEqual(new Set(["Bearer the-key"]));
});

test.each([
  ["no JSON", "<html>"],
  ["a task without a payload", JSON.stringify(task)],
  ["a sealed task without its key", JSON.stringify({ ...task, sealed: "AQI=" })],
  ["a key of another length", JSON.stringify({ ...task, sealed: "AQI=", sealedKey: "00" })],
  ["a circuit that is no id", JSON.stringify({ ...task, payload: "AQI=", circuitId: "../../x" })],
  ["a task for ever", JSON.stringify({ ...task, payload: "AQI=", timeoutMs: 1e15 })],
])("takes %s for no answer", async (_, body) => {
  answering(200, body);
  await expect(connection.next(ID, never)).rejects.toMatchObject({ code: "answer_malformed" });
});

test("does not read on for ever, nor follow elsewhere with its key", async () => {
  const part = Buffer.alloc(1024 * 1024, 0x20);
  answer = (response) => {
    const send = (): void => {
      while (!response.destroyed) if (!response.write(part)) return void response.once("drain", send);
    };
    send();
  };
  await expect(connection.next(ID, never)).rejects.toMatchObject({ code: "answer_malformed" });
  seen = [];
  answering(307, "", { location: "/elsewhere" });
  await expect(connection.next(ID, never)).rejects.toMatchObject({ code: "unreachable" });
  expect(seen.map(({ url }) => url)).toEqual([`/v1/workers/${ID}/tasks`]);
});

test("says why the service will not, in words that a terminal can bear", async () => {
  const problem = { code: "worker_paused", detail: "for \u001b[31ma while" };
  answering(403, JSON.stringify(problem), { "retry-after": "7" });
  await expect(connection.next(ID, never)).rejects.toMatchObject({
    code: "worker_paused",
    message: "for ?[31ma while",
    retryAfterMs: 7000,
  });
  answering(502, "<html>");
  await expect(connection.challenge(never)).rejects.toMatchObject({ code: "answer_malformed" });
});
