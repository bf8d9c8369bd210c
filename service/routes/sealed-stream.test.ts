/** Streamed answers under seal, read by npm's `ehbp`. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { getRequestListener } from "@hono/node-server";
import { createTransport } from "ehbp";
import { afterAll, beforeAll, expect, test } from "vitest";
import { utf8 } from "../../codec/index.ts";
import { readBody } from "../middleware/body.ts";
import { Budget } from "../middleware/lifecycle.ts";
import { sealable } from "../middleware/sealable.ts";
import { createTestBench } from "./testing/services.ts";

const MIB = 1024 * 1024;
const bench = createTestBench();
let server: Server;
let url: string;
let next = Promise.withResolvers<void>();
let cancelled = false;

bench.app.post("/events", sealable(bench.services), () => {
  let sent = 0;
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (sent === 3) return controller.close();
      await next.promise;
      next = Promise.withResolvers();
      controller.enqueue(utf8(`data: ${++sent}\n\n`));
    },
    cancel: () => void (cancelled = true),
  });
  return new Response(body, { headers: { "content-type": "text/event-stream" } });
});
bench.app.post("/echo", sealable(bench.services), async (c) => {
  const budget = new Budget(64 * MIB, "bytes");
  const { bytes } = await readBody(c, { maxBytes: 32 * MIB, maxInflateRatio: 1, budget });
  return c.body(bytes as Uint8Array<ArrayBuffer>, 200, { "content-length": String(bytes.length) });
});

beforeAll(async () => {
  server = createServer(getRequestListener(bench.app.fetch));
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

test("arrive event by event, each opened by itself", async () => {
  const transport = await createTransport(url);
  const answer = transport.post(`${url}/events`, "{}");
  next.resolve();
  const reader = (await answer).body!.getReader();
  for (const wanted of ["1", "2", "3"]) {
    const { value } = await reader.read();
    expect(new TextDecoder().decode(value)).toBe(`data: ${wanted}\n\n`);
    next.resolve();
  }
  expect((await reader.read()).done).toBe(true);
});

test("end at the source where the caller leaves", async () => {
  next = Promise.withResolvers();
  const transport = await createTransport(url);
  const answer = transport.post(`${url}/events`, "{}");
  next.resolve();
  const reader = (await answer).body!.getReader();
  await reader.read();
  await reader.cancel();
  next.resolve();
  await expect.poll(() => cancelled).toBe(true);
});

test("large bodies come whole, both ways", async () => {
  const body = new Uint8Array(9 * MIB).map((_, i) => i * 31);
  const transport = await createTransport(url);
  const answer = await transport.post(`${url}/echo`, body);
  const opened = Buffer.from(await answer.arrayBuffer());
  expect(opened.equals(body)).toBe(true);
});
