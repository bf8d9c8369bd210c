/**
 * One kept-alive HTTP/1.1 connection with one request at a time, written by hand: on a small machine the client shares the
 * processors with what it measures, and `fetch` would cost as much as the bare service.
 */
import { connect, type Socket } from "node:net";

export interface Answer {
  status: number;
  /** Lower-case names and values as they came, one a line. */
  head: string;
  body: Buffer;
}

const HEAD_END = Buffer.from("\r\n\r\n");

/** The exact bytes of a POST. */
export function postBytes(
  url: string,
  path: string,
  headers: Record<string, string>,
  body: Uint8Array,
): Buffer {
  const lines = [
    `POST ${path} HTTP/1.1`,
    `host: ${new URL(url).host}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    `content-length: ${body.length}`,
  ];
  return Buffer.concat([Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1"), body]);
}

export class Connection {
  readonly #socket: Socket;
  #received: Buffer[] = [];
  #receivedBytes = 0;
  /** Bytes of the whole answer, once its head is here. */
  #wanted: number | undefined;
  #waiting: { resolve(answer: Answer): void; reject(error: Error): void } | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    socket.on("error", (error) => this.#waiting?.reject(error));
    socket.on("close", () => this.#waiting?.reject(new Error("the server closed the connection")));
  }

  static async open(url: string): Promise<Connection> {
    const { hostname, port } = new URL(url);
    const socket = connect({ host: hostname, port: Number(port) });
    await new Promise<void>((done, failed) => socket.once("connect", done).once("error", failed));
    return new Connection(socket);
  }

  send(request: Buffer): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#socket.write(request);
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #receive(chunk: Buffer): void {
    this.#received.push(chunk);
    this.#receivedBytes += chunk.length;
    if (this.#wanted === undefined) this.#readHead();
    if (this.#wanted === undefined || this.#receivedBytes < this.#wanted) return;
    const whole = this.#received.length === 1 ? this.#received[0]! : Buffer.concat(this.#received);
    this.#received = [];
    this.#receivedBytes = 0;
    this.#wanted = undefined;
    const end = whole.indexOf(HEAD_END);
    const head = whole.toString("latin1", 0, end).toLowerCase();
    this.#waiting?.resolve({
      status: Number(head.slice(9, 12)),
      head,
      body: whole.subarray(end + HEAD_END.length),
    });
    this.#waiting = undefined;
  }

  #readHead(): void {
    const begun = this.#received.length === 1 ? this.#received[0]! : Buffer.concat(this.#received);
    const end = begun.indexOf(HEAD_END);
    if (end < 0) return;
    const length = /\r\ncontent-length: *([0-9]+)/.exec(begun.toString("latin1", 0, end).toLowerCase())?.[1];
    if (length === undefined) this.#socket.destroy(new Error("an answer without Content-Length"));
    else this.#wanted = end + HEAD_END.length + Number(length);
  }
}
