/** A broker behind HTTP. Whoever asks needs no account: evidence is what is asked for. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { toHex } from "../../codec/index.ts";
import {
  MAX_MESSAGE_BYTES,
  ModelError,
  readChallenge,
  readRelease,
  writeReleaseAnswer,
} from "../../models/index.ts";
import type { Broker } from "./broker.ts";
import { BrokerError, EvidenceRefusedError, type BrokerErrorCode } from "./error.ts";

const REQUEST_TIMEOUT_MS = 15_000;
const MAX_CONNECTIONS = 256;

const STATUS: Partial<Record<BrokerErrorCode, number>> = {
  broker_request_malformed: 400,
  challenge_limit: 429,
  model_unknown: 404,
  sealed_weights_malformed: 422,
  sealed_weights_unreadable: 422,
  broker_state_invalid: 500,
  broker_key_invalid: 500,
};

export interface RunningBroker {
  url: string;
  close(): Promise<void>;
}

export interface BrokerServerOptions {
  broker: Broker;
  host?: string;
  /** 0 takes a free one. */
  port: number;
  /** Something failed that is nobody's request. */
  onFault?: (error: unknown) => void;
}

/** @throws BrokerError `listen_failed` */
export async function startBroker(options: BrokerServerOptions): Promise<RunningBroker> {
  const { broker, host = "127.0.0.1", port, onFault = () => {} } = options;
  const server = createServer(
    { requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: REQUEST_TIMEOUT_MS },
    (request, response) => {
      answer(broker, request, response).catch((error: unknown) => refuse(response, error, onFault));
    },
  );
  server.maxConnections = MAX_CONNECTIONS;
  await listen(server, host, port);
  const address = server.address();
  const bound = typeof address === "object" && address ? address.port : port;
  return {
    url: `http://${host.includes(":") ? `[${host}]` : host}:${bound}`,
    async close() {
      const closed = new Promise((done) => server.close(done));
      server.closeAllConnections();
      await closed;
    },
  };
}

async function answer(broker: Broker, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const route = `${request.method} ${request.url}`;
  if (route === "GET /v1/broker") return send(response, 200, { publicKey: toHex(broker.publicKey) });
  if (route !== "POST /v1/challenges" && route !== "POST /v1/releases")
    return send(response, 404, { code: "route_not_found", message: "no such resource" });
  const body = await readBody(request);
  if (route === "POST /v1/challenges") {
    const { nonce, expiresAtMs } = await broker.challenge(readChallenge(body));
    return send(response, 200, { nonce: toHex(nonce), expiresAtMs });
  }
  sendText(response, 200, writeReleaseAnswer(await broker.release(readRelease(body))));
}

function refuse(response: ServerResponse, error: unknown, onFault: (error: unknown) => void): void {
  if (response.headersSent) return void response.destroy();
  if (error instanceof EvidenceRefusedError) {
    const { code, message, ear } = error;
    return send(response, 403, { code, message, ear });
  }
  if (error instanceof ModelError && error.code === "broker_message_malformed")
    return send(response, 400, { code: error.code, message: error.message });
  if (error instanceof BrokerError && error.code !== "broker_state_invalid") {
    const { code, message } = error;
    return send(response, STATUS[code] ?? 403, { code, message });
  }
  onFault(error);
  send(response, 500, { code: "broker_failed", message: "the broker failed and released nothing" });
}

async function readBody(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of request) {
    length += (part as Buffer).length;
    if (length > MAX_MESSAGE_BYTES) throw new ModelError("broker_message_malformed", "the body is too long");
    parts.push(part as Buffer);
  }
  return Buffer.concat(parts).toString("utf8");
}

function send(response: ServerResponse, status: number, body: object): void {
  sendText(response, status, JSON.stringify(body));
}

function sendText(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(text),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    ...(status === 400 && { connection: "close" }),
  });
  response.end(text);
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  try {
    await new Promise<void>((done, failed) => {
      server.once("error", failed);
      server.listen(port, host, done);
    });
  } catch (cause) {
    throw new BrokerError("listen_failed", `cannot listen on ${host} port ${port}`, { cause });
  }
}
