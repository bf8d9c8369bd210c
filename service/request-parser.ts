/**
 * Reads infer requests so that none holds the others up: V8 takes half a second for 32 MiB of numbers, and cannot be
 * interrupted meanwhile, so what is long is read on another thread. A thread shares the process's fate where memory
 * ends; that it does not is for the codec, which bounds what JSON text may unfold to.
 */
import { Worker } from "node:worker_threads";
import { OipError, parseInferRequest, type InferRequest } from "../models/client.ts";
import type { ParseReply } from "./request-parser-worker.ts";

/** JSON up to here is read at once, in a few milliseconds. */
const MAX_INLINE_JSON_BYTES = 256 * 1024;

export interface Unparsed {
  body: Uint8Array;
  headerLength: number | undefined;
  /** Ends the reading; whoever waits gets its reason. */
  signal: AbortSignal;
}

export class RequestParser {
  #worker: Worker | undefined;
  /** One at a time, so that what long requests take together is what one takes. */
  #turn: Promise<unknown> = Promise.resolve();

  /** @throws OipError */
  async parse(request: Unparsed): Promise<InferRequest> {
    const { body, headerLength, signal } = request;
    if ((headerLength ?? body.length) <= MAX_INLINE_JSON_BYTES) return parseInferRequest(body, headerLength);
    const parsed = this.#turn.then(() => {
      signal.throwIfAborted();
      return this.#inWorker(request);
    });
    this.#turn = parsed.catch(() => undefined);
    return await parsed;
  }

  async #inWorker({ body, headerLength, signal }: Unparsed): Promise<InferRequest> {
    const worker = (this.#worker ??= startWorker());
    const listening = new AbortController();
    try {
      const copy = new Uint8Array(body);
      worker.postMessage({ body: copy, headerLength }, [copy.buffer]);
      const reply = await replyOf(worker, signal, listening.signal);
      if ("request" in reply) return reply.request;
      throw new OipError(reply.code, reply.message);
    } catch (error) {
      // One that was given up still works; the next request waits for its end, or abandoned ones would pile up.
      if (!(error instanceof OipError)) await this.#end(worker);
      throw error;
    } finally {
      listening.abort();
    }
  }

  async #end(worker: Worker): Promise<void> {
    this.#worker = undefined;
    await worker.terminate();
  }
}

function startWorker(): Worker {
  const own = import.meta.url.endsWith(".ts") ? "./request-parser-worker.ts" : "./request-parser-worker.js";
  const worker = new Worker(new URL(own, import.meta.url), {
    env: {},
  });
  // An error between two requests is seen by the next one, as an exit; here it must not end the process.
  worker.on("error", () => undefined);
  worker.unref();
  return worker;
}

function replyOf(worker: Worker, given: AbortSignal, listening: AbortSignal): Promise<ParseReply> {
  const { promise, resolve, reject } = Promise.withResolvers<ParseReply>();
  const onExit = (): void => reject(new Error("the thread that reads requests ended"));
  const onGone = (): void => reject(given.reason as Error);
  worker.once("message", resolve).once("error", reject).once("exit", onExit);
  given.addEventListener("abort", onGone, { once: true });
  listening.addEventListener("abort", () => {
    worker.off("message", resolve).off("error", reject).off("exit", onExit);
    given.removeEventListener("abort", onGone);
  });
  return promise;
}
