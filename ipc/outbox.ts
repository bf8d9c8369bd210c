/** Frames on their way out: one write a turn of the event loop, none while the stream is full. */
import type { Duplex } from "node:stream";
import { encodeHeader } from "./frame.ts";

export type Payload = Uint8Array | readonly Uint8Array[];

/** Parts at least this long are written as they are; shorter neighbours are joined into one buffer. */
const JOIN_BELOW_BYTES = 16 * 1024;

export function payloadBytes(payload: Payload): number {
  if (payload instanceof Uint8Array) return payload.length;
  return payload.reduce((sum, part) => sum + part.length, 0);
}

export class Outbox {
  readonly #stream: Duplex;
  #parts: Uint8Array[] = [];
  #sent: (() => void)[] = [];
  #scheduled = false;

  constructor(stream: Duplex) {
    this.#stream = stream;
    stream.on("drain", () => this.#flush());
  }

  /** Queues one frame. `onSent` runs when it was handed to the stream. */
  push(id: number, kind: number, payload: Payload, onSent?: () => void): void {
    this.#parts.push(encodeHeader(payloadBytes(payload), id, kind));
    if (payload instanceof Uint8Array) this.#parts.push(payload);
    else for (const part of payload) this.#parts.push(part);
    if (onSent) this.#sent.push(onSent);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#flush());
  }

  drop(): void {
    this.#parts = [];
    this.#sent = [];
  }

  #flush(): void {
    this.#scheduled = false;
    if (this.#parts.length === 0 || this.#stream.destroyed || this.#stream.writableNeedDrain) return;
    const parts = this.#parts;
    const sent = this.#sent;
    this.#parts = [];
    this.#sent = [];
    this.#stream.cork();
    for (const buffer of joinSmall(parts)) this.#stream.write(buffer);
    this.#stream.uncork();
    for (const onSent of sent) onSent();
  }
}

function joinSmall(parts: Uint8Array[]): Uint8Array[] {
  const joined: Uint8Array[] = [];
  let run: Uint8Array[] = [];
  const endRun = () => {
    if (run.length > 0) joined.push(Buffer.concat(run));
    run = [];
  };
  for (const part of parts) {
    if (part.length < JOIN_BELOW_BYTES) {
      run.push(part);
      continue;
    }
    endRun();
    joined.push(part);
  }
  endRun();
  return joined;
}
