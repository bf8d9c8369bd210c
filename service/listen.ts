/** The HTTP server: opens the port, and closes it so that every answer that was begun is delivered. */
import { createServer, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import { getRequestListener } from "@hono/node-server";
import type { Lifecycle } from "./middleware/lifecycle.ts";

export interface ListenOptions {
  host: string;
  /** 0 takes a free one. */
  port: number;
  requestTimeoutMs: number;
  headersTimeoutMs: number;
  keepAliveTimeoutMs: number;
  /** How long running requests and the delivery of their answers may take at the end. */
  shutdownTimeoutMs: number;
  fetch: Parameters<typeof getRequestListener>[0];
  /** PEM; without it the port speaks plain HTTP. */
  tls?: TlsCertificate | undefined;
  lifecycle: Lifecycle;
}

export interface TlsCertificate {
  key: string;
  cert: string;
}

export interface Listener {
  port: number;
  /** For connections from now on. */
  setCertificate(certificate: TlsCertificate): void;
  /**
   * Lets running requests finish while new ones are told to go elsewhere (a port that refuses connections could not say
   * so, nor tell a supervisor how far it is), then closes the port. What is not over in time is cut off.
   */
  close(): Promise<void>;
}

/** An answer that was just handed to the socket gets this long even where the time is over. */
const LEAST_DELIVERY_MS = 1000;
const LOOK_MS = 10;
const TLS = { minVersion: "TLSv1.3" } as const;

/** @throws the socket's error, such as `EADDRINUSE` */
export async function listen(options: ListenOptions): Promise<Listener> {
  const { requestTimeoutMs, headersTimeoutMs, keepAliveTimeoutMs } = options;
  const answering = new Set<ServerResponse>();
  const timeouts = {
    requestTimeout: requestTimeoutMs,
    // Node refuses a longer one: headers are a part of the request.
    headersTimeout: Math.min(headersTimeoutMs, requestTimeoutMs),
    keepAliveTimeout: keepAliveTimeoutMs,
  };
  const listener = getRequestListener(options.fetch);
  const tls = options.tls && createTlsServer({ ...timeouts, ...options.tls, ...TLS }, listener);
  const server = tls ?? createServer(timeouts, listener);
  server.prependListener("request", (_, response) => {
    answering.add(response);
    response.once("close", () => answering.delete(response));
  });
  await new Promise<void>((done, failed) => {
    server.once("error", failed);
    server.listen(options.port, options.host, done);
  });
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : options.port;
  return {
    port,
    setCertificate: (certificate) => tls?.setSecureContext({ ...certificate, ...TLS }),
    close: () => close(server, answering, options),
  };
}

async function close(server: Server, answering: Set<ServerResponse>, options: ListenOptions): Promise<void> {
  const endMs = performance.now() + options.shutdownTimeoutMs;
  await options.lifecycle.drain(options.shutdownTimeoutMs);
  const closed = new Promise((done) => server.close(done));
  server.closeIdleConnections();
  const deliveredMs = Math.max(endMs, performance.now() + LEAST_DELIVERY_MS);
  while (answering.size > 0 && performance.now() < deliveredMs) await sleep(LOOK_MS);
  server.closeAllConnections();
  await closed;
}
