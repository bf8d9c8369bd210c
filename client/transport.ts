/** HTTP to one service: time limits, problems as errors, nothing sent twice. */
import { AffidavitError, type AffidavitErrorCode } from "./errors.ts";
import type { ClientOptions } from "./client.ts";
import type { SealedMessage } from "./sealed-exchange.ts";

const DEFAULT_TIMEOUT_MS = 120_000;
const MAX_ANSWER_BYTES = 256 * 1024 * 1024;

export interface Exchange {
  method?: string;
  headers?: Record<string, string>;
  body?: Uint8Array<ArrayBuffer>;
  signal?: AbortSignal | undefined;
  /** The one status that is an answer: 200 where left out. */
  expectedStatus?: number;
  /** What was sealed of it: adds its headers, sends its body, and opens the answer. */
  sealed?: SealedMessage | undefined;
  /** The longest body that is read, where it is less than what any answer may have. */
  maxBytes?: number;
}

export interface Answer {
  status: number;
  headers: Headers;
  body: Uint8Array;
}

export class Transport {
  /** Without a slash at its end. */
  readonly base: string;
  readonly #apiKey: string | undefined;
  readonly #fetch: typeof fetch;
  readonly #timeoutMs: number;

  /** @throws TypeError, AffidavitError as `createClient` says */
  constructor({ url, apiKey, fetch: given, timeoutMs }: ClientOptions) {
    this.base = baseOf(url);
    // Said here, since what an HTTP library says of a header that it refuses quotes it.
    if (apiKey !== undefined && !/^[\x21-\x7e]{1,512}$/.test(apiKey)) {
      throw new AffidavitError("unauthorized", "the API key is not of visible ASCII characters");
    }
    this.#apiKey = apiKey;
    // A browser's `fetch` refuses to be called as another object's method.
    this.#fetch = given ?? ((input, init) => fetch(input, init));
    this.#timeoutMs = timeoutMs ?? DEFAULT_TIMEOUT_MS;
  }

  /**
   * One exchange; only the expected status is an answer.
   * @throws AffidavitError `server_unreachable`, `server_timeout`, `cancelled`, `unauthorized`, `request_rejected`,
   *   `server_error`, `server_response_invalid`
   */
  async send(path: string, exchange: Exchange): Promise<Answer> {
    const {
      method = "GET",
      sealed,
      headers = {},
      body = sealed?.body,
      signal,
      expectedStatus = 200,
      maxBytes = MAX_ANSWER_BYTES,
    } = exchange;
    const timeout = AbortSignal.timeout(this.#timeoutMs);
    const sent = headersOf({ ...headers, ...sealed?.headers });
    if (this.#apiKey !== undefined) sent.set("Authorization", `Bearer ${this.#apiKey}`);
    try {
      const response = await this.#fetch(this.base + path, {
        method,
        headers: sent,
        body: body ?? null,
        redirect: "error",
        signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      });
      const received = await readBounded(response, maxBytes);
      const bytes = sealed ? await sealed.open(response.status, response.headers, received) : received;
      if (response.status !== expectedStatus) throw problemOf(response.status, bytes);
      return { status: response.status, headers: response.headers, body: bytes };
    } catch (cause) {
      throw cause instanceof AffidavitError ? cause : failureOf(cause, { signal, timeout, base: this.base });
    }
  }
}

function baseOf(text: string): string {
  const url = new URL(text);
  if (url.protocol !== "http:" && url.protocol !== "https:")
    throw new TypeError("the URL is not of http or https");
  if (url.username || url.password || url.search || url.hash) {
    throw new TypeError("the URL has credentials, a query or a fragment");
  }
  return url.href.replace(/\/+$/, "");
}

/** @throws AffidavitError `request_rejected` */
function headersOf(headers: Record<string, string>): Headers {
  try {
    return new Headers(headers);
  } catch {
    throw new AffidavitError("request_rejected", "a header of the request cannot be sent", {
      detail: "header_invalid",
    });
  }
}

async function readBounded(response: Response, maxBytes: number): Promise<Uint8Array> {
  if (!response.body) return new Uint8Array(0);
  const parts: Uint8Array[] = [];
  let length = 0;
  const reader = response.body.getReader();
  for (;;) {
    const { done, value: part } = await reader.read();
    if (done) break;
    length += part.length;
    if (length > maxBytes) {
      await reader.cancel();
      throw new AffidavitError("server_response_invalid", `the answer is longer than ${maxBytes} bytes`);
    }
    parts.push(part);
  }
  const whole = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

/** An RFC 9457 problem, as far as it is one; its words are the server's and are shown as such. */
function problemOf(status: number, body: Uint8Array): AffidavitError {
  let detail: string | undefined;
  let message = `the server answered ${status}`;
  try {
    const problem = JSON.parse(new TextDecoder().decode(body)) as { code?: unknown; detail?: unknown };
    if (typeof problem.code === "string" && /^\w{1,64}$/.test(problem.code)) detail = problem.code;
    if (typeof problem.detail === "string") message += `: ${problem.detail.slice(0, 500)}`;
  } catch {
    // Not JSON: the status alone is told.
  }
  return new AffidavitError(codeOf(status), message, detail === undefined ? {} : { detail });
}

function codeOf(status: number): AffidavitErrorCode {
  if (status === 401 || status === 403) return "unauthorized";
  if (status >= 400 && status < 500 && status !== 429) return "request_rejected";
  return status === 429 || status >= 500 ? "server_error" : "server_response_invalid";
}

function failureOf(
  cause: unknown,
  { signal, timeout, base }: { signal: AbortSignal | undefined; timeout: AbortSignal; base: string },
): AffidavitError {
  if (signal?.aborted) return new AffidavitError("cancelled", "the call was cancelled", { cause });
  if (timeout.aborted)
    return new AffidavitError("server_timeout", `${base} did not answer in time`, { cause });
  return new AffidavitError("server_unreachable", `${base} cannot be reached`, { cause });
}
