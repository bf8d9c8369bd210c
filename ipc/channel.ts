/** Requests and replies over one duplex byte stream between a process and its child. */
import type { Duplex } from "node:stream";
import { ChannelError } from "./error.ts";
import { FrameParser, REPLY_BIT, type Frame, type RawFrame } from "./frame.ts";
import { Outbox, payloadBytes, type Payload } from "./outbox.ts";

/** The reply kind of a handler that threw; not for callers. */
const FAILED_KIND = 255;

export interface Reply {
  /** 0 to 254. */
  readonly kind: number;
  readonly payload: Payload;
}

export interface ChannelOptions {
  /** The largest payload in either direction, in bytes. */
  maxFrameBytes: number;
  /** Answers the peer's requests; without it a request from the peer closes the channel. */
  serve?: (frame: Frame) => Reply | Promise<Reply>;
  /** Requests that may wait for a reply at one time (4,096). */
  maxInFlight?: number;
  /** Requests of the peer in work at one time (1,024); above it the stream is not read. */
  maxServing?: number;
}

export interface Channel {
  /**
   * Sends one request and resolves with its reply. Large parts are not copied: leave them unchanged until then.
   * A reply's payload may be a view of a larger buffer at any byte offset.
   * @throws ChannelError every code but `protocol`
   */
  request(kind: number, payload: Payload, options?: { signal?: AbortSignal | undefined }): Promise<Frame>;
  /** Ends the stream at once; waiting requests reject with `closed`. */
  close(): void;
  /** Resolves when the stream has ended, whoever ended it. */
  readonly closed: Promise<void>;
}

interface Waiting {
  resolve(frame: Frame): void;
  reject(error: ChannelError): void;
}

/**
 * Speaks frames over a stream. The stream belongs to the channel from here on. Where both ends serve, neither may
 * make its own reply wait for a request to the other: both could then stop reading.
 */
export function connect(stream: Duplex, options: ChannelOptions): Channel {
  return new StreamChannel(stream, options);
}

class StreamChannel implements Channel {
  readonly closed: Promise<void>;
  readonly #stream: Duplex;
  readonly #options: ChannelOptions;
  readonly #maxInFlight: number;
  readonly #maxServing: number;
  readonly #parser: FrameParser;
  readonly #outbox: Outbox;
  /** An abandoned request keeps its place (undefined) until its reply comes, which is then dropped. */
  readonly #waiting = new Map<number, Waiting | undefined>();
  #nextId = 0;
  #serving = 0;
  #failure: ChannelError | undefined;

  constructor(stream: Duplex, options: ChannelOptions) {
    this.#stream = stream;
    this.#options = options;
    this.#maxInFlight = options.maxInFlight ?? 4096;
    this.#maxServing = options.maxServing ?? 1024;
    this.#parser = new FrameParser(options.maxFrameBytes);
    this.#outbox = new Outbox(stream);
    this.closed = new Promise((resolve) => stream.once("close", () => resolve()));
    stream.on("data", (chunk: Buffer) => this.#receive(chunk));
    stream.on("error", (cause) =>
      this.#fail(new ChannelError("closed", "the stream to the peer failed", { cause })),
    );
    stream.on("end", () => this.#fail(new ChannelError("closed", "the peer closed the channel")));
    stream.on("close", () => this.#fail(new ChannelError("closed", "the channel is closed")));
  }

  request(
    kind: number,
    payload: Payload,
    options: { signal?: AbortSignal | undefined } = {},
  ): Promise<Frame> {
    const refusal = this.#refusal(kind, payload, options.signal);
    if (refusal) return Promise.reject(refusal);
    const id = this.#takeId();
    const signal = options.signal;
    return new Promise<Frame>((resolve, reject) => {
      const onAbort = () => {
        this.#waiting.set(id, undefined);
        reject(new ChannelError("aborted", "the request was aborted"));
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      const settle = () => signal?.removeEventListener("abort", onAbort);
      this.#waiting.set(id, {
        resolve: (frame) => (settle(), resolve(frame)),
        reject: (error) => (settle(), reject(error)),
      });
      this.#outbox.push(id, kind, payload);
    });
  }

  close(): void {
    this.#fail(new ChannelError("closed", "the channel was closed here"));
  }

  #refusal(kind: number, payload: Payload, signal: AbortSignal | undefined): ChannelError | undefined {
    if (this.#failure) return this.#failure;
    if (!Number.isInteger(kind) || kind < 0 || kind >= FAILED_KIND) {
      return new ChannelError("protocol", "kinds are 0 to 254");
    }
    if (payloadBytes(payload) > this.#options.maxFrameBytes) {
      return new ChannelError("frame_too_large", "the payload is above the channel's limit");
    }
    if (signal?.aborted) return new ChannelError("aborted", "the request was aborted");
    if (this.#waiting.size >= this.#maxInFlight) {
      return new ChannelError("busy", "too many requests are waiting");
    }
    return undefined;
  }

  #takeId(): number {
    do this.#nextId = (this.#nextId + 1) % REPLY_BIT;
    while (this.#waiting.has(this.#nextId));
    return this.#nextId;
  }

  #receive(chunk: Buffer): void {
    if (this.#failure) return;
    try {
      this.#parser.push(chunk, (frame) => this.#accept(frame));
    } catch (error) {
      this.#fail(
        error instanceof ChannelError
          ? error
          : new ChannelError("closed", "reading a frame failed", { cause: error }),
      );
    }
  }

  #accept(frame: RawFrame): void {
    if (this.#failure) return;
    if (frame.id >= REPLY_BIT) this.#acceptReply(frame);
    else this.#acceptRequest(frame);
  }

  #acceptReply(frame: RawFrame): void {
    const id = frame.id - REPLY_BIT;
    if (!this.#waiting.has(id)) {
      throw new ChannelError("protocol", "the peer answered a request that was not made");
    }
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (frame.kind === FAILED_KIND) waiting?.reject(new ChannelError("failed", "the peer's handler failed"));
    else waiting?.resolve({ kind: frame.kind, payload: frame.payload });
  }

  #acceptRequest(frame: RawFrame): void {
    const serve = this.#options.serve;
    if (!serve || frame.kind === FAILED_KIND) {
      throw new ChannelError("protocol", "the peer sent a request of a kind that is not served");
    }
    this.#serving++;
    if (this.#serving >= this.#maxServing) this.#stream.pause();
    // A handler that answers at once gets its reply into this turn's write.
    let reply: Reply | Promise<Reply>;
    try {
      reply = serve({ kind: frame.kind, payload: frame.payload });
    } catch {
      this.#reply(frame.id, undefined);
      return;
    }
    if (reply instanceof Promise) {
      reply.then(
        (value) => this.#reply(frame.id, value),
        () => this.#reply(frame.id, undefined),
      );
    } else this.#reply(frame.id, reply);
  }

  #reply(id: number, reply: Reply | undefined): void {
    if (this.#failure) return;
    const fits = reply !== undefined && payloadBytes(reply.payload) <= this.#options.maxFrameBytes;
    this.#outbox.push(
      id + REPLY_BIT,
      fits ? reply.kind : FAILED_KIND,
      fits ? reply.payload : new Uint8Array(0),
      () => {
        this.#serving--;
        if (this.#serving < this.#maxServing && this.#stream.isPaused()) this.#stream.resume();
      },
    );
  }

  #fail(error: ChannelError): void {
    if (this.#failure) return;
    this.#failure = error;
    this.#outbox.drop();
    this.#stream.destroy();
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const request of waiting) request?.reject(error);
  }
}
