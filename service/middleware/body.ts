/** Request bodies as bytes, bounded while they arrive and while they inflate. */
import type { IncomingMessage } from "node:http";
import { promisify } from "node:util";
import { gunzip, inflate } from "node:zlib";
import { ServiceError } from "../problem.ts";
import type { BodyOpener } from "../sealed/body-opener.ts";
import type { AppContext } from "./env.ts";
import type { Budget } from "./lifecycle.ts";

export interface BodyLimits {
  /** As received, and again after inflating. */
  maxBytes: number;
  /** Inflated to received bytes. */
  maxInflateRatio: number;
  /** Shared by all requests; what a body took is given back by {@link HeldBody.release}. */
  budget: Budget;
}

export interface HeldBody {
  /** Unsealed, identity content-coding. */
  bytes: Uint8Array;
  release(): void;
}

/** A small body may inflate to this much whatever the ratio. */
const FREE_INFLATED_BYTES = 64 * 1024;
const inflaters = { gzip: promisify(gunzip), deflate: promisify(inflate) };

/**
 * The whole body.
 * @throws ServiceError `request_body_too_large`, `request_body_incomplete`, `request_encoding_unsupported`,
 *   `request_encoding_invalid`, `request_inflates_too_much`, `request_header_invalid`, `service_overloaded`,
 *   `sealing_unsupported`, `sealed_key_unknown`, `sealed_body_invalid`
 */
export async function readBody(c: AppContext, limits: BodyLimits): Promise<HeldBody> {
  const encoding = readEncoding(c.req.header("content-encoding"));
  const announced = readLength(c.req.header("content-length"));
  if (announced !== undefined && announced > limits.maxBytes) throw tooLarge(limits.maxBytes);
  const opener = openerOf(c);
  if (opener && encoding !== "identity")
    throw new ServiceError("request_encoding_unsupported", "a sealed body is sent without Content-Encoding");
  const hold = new Hold(limits.budget);
  try {
    const { received, length } = await receive(c, limits.maxBytes, hold, opener);
    if (announced !== undefined && length !== announced) throw new ServiceError("request_body_incomplete");
    const bytes = encoding === "identity" ? received : await inflated(received, encoding, limits, hold);
    return { bytes, release: () => hold.release() };
  } catch (error) {
    hold.release();
    throw error;
  }
}

/** What one request holds of the budget. */
class Hold {
  #budget: Budget;
  #held = 0;
  constructor(budget: Budget) {
    this.#budget = budget;
  }
  take(amount: number): void {
    this.#budget.take(amount);
    this.#held += amount;
  }
  giveBack(amount: number): void {
    this.#budget.giveBack(amount);
    this.#held -= amount;
  }
  release(): void {
    this.giveBack(this.#held);
  }
}

function readEncoding(text: string | undefined): "identity" | "gzip" | "deflate" {
  const name = text?.trim().toLowerCase() ?? "identity";
  if (name === "identity" || name === "gzip" || name === "deflate") return name;
  if (name === "x-gzip") return "gzip";
  throw new ServiceError("request_encoding_unsupported", "send identity, gzip or deflate", {
    headers: { "accept-encoding": "gzip, deflate" },
  });
}

function readLength(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^[0-9]{1,15}$/.test(text)) return Number(text);
  throw new ServiceError("request_header_invalid", "Content-Length is not a number of bytes");
}

/** A sealed body must not be taken for a plain one. */
function openerOf(c: AppContext): Pick<BodyOpener, "push" | "end"> | undefined {
  if (c.var.sealed) return c.var.sealed.bodyOpener();
  if (c.req.header("ehbp-encapsulated-key") === undefined) return undefined;
  throw new ServiceError("sealing_unsupported");
}

/** What came, unsealed where there is an opener, and how long it was on its way. */
async function receive(
  c: AppContext,
  maxBytes: number,
  hold: Hold,
  opener: ReturnType<typeof openerOf>,
): Promise<{ received: Uint8Array; length: number }> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  const onChunk = (chunk: Uint8Array): void => {
    length += chunk.length;
    if (length > maxBytes) throw tooLarge(maxBytes);
    hold.take(chunk.length);
    // Opened as it comes: decryption overlaps with arrival, and no sealed copy is kept.
    if (opener) opener.push(chunk, chunks);
    else chunks.push(chunk);
  };
  // Under Node's server the socket's own stream costs half of what a web stream does.
  if (c.env?.incoming !== undefined) await readIncoming(c.env.incoming as IncomingMessage, onChunk);
  else if (c.req.raw.body !== null) await readStream(c.req.raw.body, onChunk);
  opener?.end();
  const whole = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
  return { received: new Uint8Array(whole.buffer, whole.byteOffset, whole.length), length };
}

function readIncoming(incoming: IncomingMessage, onChunk: (chunk: Uint8Array) => void): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onData = (chunk: Uint8Array): void => {
    try {
      onChunk(chunk);
    } catch (error) {
      reject(error as Error);
    }
  };
  let ended = false;
  const onEnd = (): void => {
    ended = true;
    resolve();
  };
  const onClose = (): void => {
    if (!ended) reject(new ServiceError("request_body_incomplete"));
  };
  incoming.on("data", onData).on("end", onEnd).on("close", onClose).on("error", onClose);
  if (incoming.destroyed) onClose();
  return promise.finally(() => {
    incoming.pause();
    // The error listener stays: a socket that breaks later must not end the process.
    incoming.off("data", onData).off("end", onEnd).off("close", onClose);
  });
}

async function readStream(
  stream: ReadableStream<Uint8Array>,
  onChunk: (chunk: Uint8Array) => void,
): Promise<void> {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      onChunk(value);
    }
  } catch (error) {
    await reader.cancel().catch(() => undefined);
    throw error;
  }
}

async function inflated(
  received: Uint8Array,
  encoding: "gzip" | "deflate",
  limits: BodyLimits,
  hold: Hold,
): Promise<Uint8Array> {
  const byRatio = received.length * limits.maxInflateRatio + FREE_INFLATED_BYTES;
  const maxOutputLength = Math.min(limits.maxBytes, byRatio);
  // Taken before it is known how much is needed: inflaters at work together must fit too.
  hold.take(maxOutputLength);
  try {
    const whole = await inflaters[encoding](received, { maxOutputLength });
    hold.giveBack(maxOutputLength - whole.length);
    return new Uint8Array(whole.buffer, whole.byteOffset, whole.length);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE") {
      throw new ServiceError(
        "request_inflates_too_much",
        `the body inflates to more than ${maxOutputLength} bytes`,
      );
    }
    throw new ServiceError("request_encoding_invalid", `the body is not ${encoding}`);
  }
}

function tooLarge(maxBytes: number): ServiceError {
  return new ServiceError("request_body_too_large", `the most is ${maxBytes} bytes`);
}
