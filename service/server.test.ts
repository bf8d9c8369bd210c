/** Over a real socket: what `app.request()` cannot show. */
import { once } from "node:events";
import { connect } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { serve } from "@hono/node-server";
import { afterEach, describe, expect, test } from "vitest";
import { encodeInferRequest } from "../models/client.ts";
import type { Tensor } from "../receipts/index.ts";
import { createTestBench, KEY } from "./routes/testing/services.ts";
import type { TestBench, TestOptions } from "./routes/testing/services.ts";

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function start(options: TestOptions = {}): Promise<{ bench: TestBench; port: number; url: string }> {
  const bench = createTestBench(options);
  const server = serve({ fetch: bench.app.fetch, port: 0, hostname: "127.0.0.1" });
  await once(server, "listening");
  closing.push(async () => {
    server.close();
    if ("closeAllConnections" in server) server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  return { bench, port, url: `http://127.0.0.1:${port}/v2/models/double/infer` };
}

const x: Tensor = { name: "x", datatype: "FP32", shape: [2], data: new Uint8Array(8) };
const json = encodeInferRequest({ inputs: [x] }).body as Uint8Array<ArrayBuffer>;
const headers = { authorization: `Bearer ${KEY}` };

function head(extra: string): string {
  return `POST /v2/models/double/infer HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${KEY}\r\n${extra}\r\n\r\n`;
}

async function readAll(socket: Socket): Promise<string> {
  let text = "";
  socket.setEncoding("latin1").on("data", (part) => (text += part));
  await once(socket, "close");
  return text;
}

describe("over a socket", () => {
  test("an inference, its length exact and its body uncompressed", async () => {
    const { url } = await start();
    const response = await fetch(url, { method: "POST", body: json, headers });
    expect(response.status).toBe(200);
    expect(response.headers.get("content-encoding")).toBeNull();
    const body = await response.arrayBuffer();
    expect(response.headers.get("content-length")).toBe(String(body.byteLength));
    expect(response.headers.get("transfer-encoding")).toBeNull();
  });

  test("the signal fires when the caller hangs up during the run", async () => {
    const entered = Promise.withResolvers<AbortSignal>();
    const { url, bench } = await start({
      infer: (call) => {
        entered.resolve(call.signal);
        return new Promise((_, reject) => {
          call.signal.addEventListener("abort", () => reject(call.signal.reason as Error));
        });
      },
    });
    const caller = new AbortController();
    const response = fetch(url, { method: "POST", body: json, headers, signal: caller.signal });
    const signal = await entered.promise;
    expect(signal.aborted).toBe(false);
    caller.abort();
    await expect(response).rejects.toThrow();
    if (!signal.aborted) await once(signal, "abort");
    expect(signal.reason).toMatchObject({ code: "caller_gone" });
    await expect.poll(() => bench.logged()).toContain('"problem":"caller_gone"');
    expect(await bench.services.lifecycle.drain(1000)).toBe(true);
  });

  test("a caller that hangs up amid its body leaves nothing behind", async () => {
    const { port, bench } = await start({ limits: { maxHeldBodyBytes: 2000 } });
    const socket = connect(port, "127.0.0.1");
    socket.write(head("Content-Length: 1900") + "x".repeat(1000));
    await expect.poll(() => bench.services.lifecycle.running).toBe(1);
    socket.destroy();
    await expect.poll(() => bench.services.lifecycle.running).toBe(0);
    expect(bench.calls).toHaveLength(0);
    const whole = await bench.infer("x".repeat(1900));
    expect(((await whole.json()) as { code: string }).code).toBe("oip_not_json");
  });

  test("a body that never ends is cut off at the limit", async () => {
    const { port } = await start({ limits: { maxBodyBytes: 10_000 } });
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => undefined);
    const answer = readAll(socket);
    socket.write(head("Transfer-Encoding: chunked"));
    const chunk = `1000\r\n${"x".repeat(4096)}\r\n`;
    const pour = setInterval(() => socket.writable && socket.write(chunk), 1);
    const text = await answer;
    clearInterval(pour);
    expect(text).toContain("413 ");
    expect(text).toContain("request_body_too_large");
  });

  test("a body that trickles ends with the time limit", async () => {
    const { port } = await start({ limits: { requestTimeoutMs: 50 } });
    const socket = connect(port, "127.0.0.1");
    const answer = readAll(socket);
    socket.write(head("Content-Length: 100") + "x");
    expect(await answer).toContain("request_timeout");
  });

  test("during shutdown the connection is closed", async () => {
    const { bench, url } = await start();
    await bench.services.lifecycle.drain(1000);
    const response = await fetch(url, { method: "POST", body: json, headers });
    expect(response.status).toBe(503);
    expect(response.headers.get("connection")).toBe("close");
  });
});
