/** A witness behind HTTP: `POST /add-checkpoint`, and `GET /checkpoint/<sha256 of the origin>` for what it holds. */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { MAX_ADD_CHECKPOINT_LENGTH, type NoteKey } from "../../receipts/index.ts";
import { WitnessError } from "./error.ts";
import { Witness, type WitnessOptions } from "./witness.ts";

/** A character of a name takes up to three bytes; everything else is ASCII. */
const MAX_BODY_BYTES = MAX_ADD_CHECKPOINT_LENGTH + 64 * 1024;
const REQUEST_TIMEOUT_MS = 10_000;
const MAX_CONNECTIONS = 256;

export interface WitnessEvent {
  kind: "cosigned" | "refused" | "failed";
  status: number;
  /** Why it was refused. */
  reason?: string;
}

export interface RunningWitness {
  url: string;
  verifierKey: string;
  close(): Promise<void>;
}

export interface WitnessServerOptions extends WitnessOptions {
  host?: string;
  /** 0 takes a free one. */
  port: number;
  onEvent?: (event: WitnessEvent) => void;
}

/** @throws WitnessError `state_unwritable`, `state_invalid`, `listen_failed` */
export async function startWitness(options: WitnessServerOptions): Promise<RunningWitness> {
  const witness = await Witness.open(options);
  const host = options.host ?? "127.0.0.1";
  const onEvent = options.onEvent ?? (() => {});
  const server = createServer(
    { requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: REQUEST_TIMEOUT_MS },
    (request, response) => {
      answer(witness, options.logs, request, response, onEvent).catch(() => {
        onEvent({ kind: "failed", status: 500 });
        if (!response.headersSent) send(response, 500, "the witness failed and signed nothing\n");
        else response.destroy();
      });
    },
  );
  server.maxConnections = MAX_CONNECTIONS;
  await listen(server, host, options.port);
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : options.port;
  return {
    url: `http://${host.includes(":") ? `[${host}]` : host}:${port}`,
    verifierKey: witness.verifierKey,
    async close() {
      const closed = new Promise((done) => server.close(done));
      server.closeAllConnections();
      await closed;
    },
  };
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  try {
    await new Promise<void>((done, failed) => {
      server.once("error", failed);
      server.listen(port, host, done);
    });
  } catch (cause) {
    throw new WitnessError("listen_failed", `cannot listen on ${host} port ${port}`, { cause });
  }
}

/** @param contentType of the body */
function send(
  response: ServerResponse,
  status: number,
  body: string,
  contentType = "text/plain; charset=utf-8",
): void {
  response.writeHead(status, {
    "content-type": contentType,
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
  });
  response.end(body);
}

async function answer(
  witness: Witness,
  logs: readonly NoteKey[],
  request: IncomingMessage,
  response: ServerResponse,
  onEvent: (event: WitnessEvent) => void,
): Promise<void> {
  if (request.url === "/add-checkpoint") {
    if (request.method !== "POST") {
      response.setHeader("allow", "POST");
      return send(response, 405, "POST a checkpoint\n");
    }
    const body = await readBody(request);
    if (body === undefined) {
      response.setHeader("connection", "close");
      return send(response, 413, "the body is too long\n");
    }
    const { status, body: text, contentType, refusal } = await witness.addCheckpoint(body);
    onEvent(refusal ? { kind: "refused", status, reason: refusal } : { kind: "cosigned", status });
    return send(response, status, text, contentType);
  }
  const origin = logs.find(({ name }) => request.url === `/checkpoint/${originDigest(name)}`)?.name;
  const held = origin !== undefined && request.method === "GET" ? await witness.held(origin) : undefined;
  if (held === undefined) return send(response, 404, "not found\n");
  return send(response, 200, held);
}

/** Lower-case hex of the origin's SHA-256: the name of a log in the witness's paths. */
export function originDigest(origin: string): string {
  return createHash("sha256").update(origin).digest("hex");
}

/** @returns undefined where it is too long */
async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of request) {
    length += (part as Buffer).length;
    if (length > MAX_BODY_BYTES) return undefined;
    parts.push(part as Buffer);
  }
  return new TextDecoder("utf-8", { fatal: false, ignoreBOM: true }).decode(Buffer.concat(parts));
}
