/** One bounded request to an endorsement service. What comes back is as hostile as any input. */
import { concat } from "../../codec/index.ts";
import { EndorsementError } from "./fetch-error.ts";

export interface EndorsementRequest {
  readonly url: string;
  /** Makes it a POST. */
  readonly body?: Uint8Array;
  readonly contentType?: string;
  /** Request headers; no part of what an answer is kept under. */
  readonly send?: Readonly<Record<string, string>>;
  /** The largest answer that is right. */
  readonly maxBytes: number;
  /** Response headers that the answer needs, in lower case. */
  readonly headers?: readonly string[];
}

export interface EndorsementAnswer {
  readonly body: Uint8Array;
  /** By lower-case name; those that were asked for and came. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Asks; tests bring a server of their own by `fetch`, and `fetch-cache.ts` wraps one in a cache. */
export type Ask = (request: EndorsementRequest) => Promise<EndorsementAnswer>;

export interface HttpOptions {
  readonly fetch?: typeof globalThis.fetch;
  readonly timeoutMs?: number;
}

const DEFAULT_TIMEOUT_MS = 10_000;
const MAX_HEADER_LENGTH = 32 * 1024;

async function readBounded(response: Response, url: string, maxBytes: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  const reader = response.body?.getReader();
  for (;;) {
    const read = await reader?.read();
    if (!read || read.done) return concat(...parts);
    const part = read.value as Uint8Array;
    length += part.length;
    if (length > maxBytes) {
      await reader?.cancel();
      throw new EndorsementError("endorsement_too_large", `${url} gave more than ${maxBytes} bytes`);
    }
    parts.push(part);
  }
}

function headersOf(response: Response, { url, headers = [] }: EndorsementRequest): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of headers) {
    const value = response.headers.get(name);
    if (value === null) continue;
    if (value.length > MAX_HEADER_LENGTH) {
      throw new EndorsementError("endorsement_too_large", `${url}: header ${name} is too long`);
    }
    found[name] = value;
  }
  return found;
}

/** The whole exchange ends within `timeoutMs` (10,000). Redirections are refused: the operator named the server. */
export function createAsk(options: HttpOptions = {}): Ask {
  const { fetch = globalThis.fetch, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
  return async (request) => {
    const { url, body, contentType, send, maxBytes } = request;
    const signal = AbortSignal.timeout(timeoutMs);
    try {
      const response = await fetch(url, {
        redirect: "error",
        signal,
        headers: { ...send, ...(body && { "content-type": contentType ?? "application/octet-stream" }) },
        ...(body && { method: "POST", body: body as Uint8Array<ArrayBuffer> }),
      });
      if (response.status === 200) {
        return { headers: headersOf(response, request), body: await readBounded(response, url, maxBytes) };
      }
      await response.body?.cancel();
      const code = response.status === 404 ? "endorsement_not_found" : "endorsement_refused";
      throw new EndorsementError(code, `${url} answered ${response.status}`);
    } catch (cause) {
      if (cause instanceof EndorsementError) throw cause;
      const code = signal.aborted ? "endorsement_timed_out" : "endorsement_unreachable";
      const why = signal.aborted ? `did not answer in ${timeoutMs} ms` : "cannot be reached";
      throw new EndorsementError(code, `${url} ${why}`, { cause });
    }
  };
}
