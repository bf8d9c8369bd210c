/**
 * A cache in front of endorsement services. What is fresh is used as it is; what is stale is used too, and asked for anew
 * meanwhile; what is older is used only where the service fails. Verifiers look at dates, the cache does not.
 */
import { concat, sha256, toHex, utf8 } from "../../codec/index.ts";
import type { Ask, EndorsementAnswer, EndorsementRequest } from "./fetch-http.ts";

export interface CacheEntry extends EndorsementAnswer {
  readonly fetchedAtMs: number;
  /** For people. */
  readonly url: string;
}

/** Where entries are kept; a store that fails is one that has nothing. */
export interface EndorsementStore {
  read(key: string): Promise<CacheEntry | undefined>;
  write(key: string, entry: CacheEntry): Promise<void>;
}

export interface CacheOptions {
  readonly store: EndorsementStore;
  readonly nowMs?: () => number;
  /** Younger answers are not asked for again (one hour). */
  readonly freshMs?: number;
  /** Younger ones are used while they are asked for again (one day). */
  readonly staleMs?: number;
  /** Younger ones are used where the service fails (seven days). */
  readonly failingMs?: number;
}

const HOUR_MS = 3_600_000;

/** What an answer is kept under: SHA-256 of the address and what was sent to it. */
export function cacheKey({ url, body }: EndorsementRequest): string {
  return toHex(sha256(utf8(url), new Uint8Array(1), concat(body ?? new Uint8Array(0))));
}

export interface CachedAsk {
  readonly ask: Ask;
  /** Resolves when what is being asked for anew has come or failed. */
  settled(): Promise<void>;
}

export function cachedAsk(ask: Ask, options: CacheOptions): CachedAsk {
  const { store, nowMs = Date.now } = options;
  const { freshMs = HOUR_MS, staleMs = 24 * HOUR_MS, failingMs = 7 * 24 * HOUR_MS } = options;
  const running = new Map<string, Promise<EndorsementAnswer>>();

  /** One request at a time for one answer. */
  function askNow(key: string, request: EndorsementRequest): Promise<EndorsementAnswer> {
    const under = running.get(key);
    if (under) return under;
    const asked = (async () => {
      const answer = await ask(request);
      await store.write(key, { ...answer, url: request.url, fetchedAtMs: nowMs() });
      return answer;
    })().finally(() => running.delete(key));
    running.set(key, asked);
    return asked;
  }

  return {
    async ask(request) {
      const key = cacheKey(request);
      const kept = await store.read(key);
      // A clock that went back makes nothing fresh.
      const ageMs = kept ? Math.abs(nowMs() - kept.fetchedAtMs) : Number.POSITIVE_INFINITY;
      const isRight = kept !== undefined && kept.body.length <= request.maxBytes;
      if (isRight && ageMs < freshMs) return kept;
      const asked = askNow(key, request);
      if (isRight && ageMs < staleMs) {
        asked.catch(() => undefined);
        return kept;
      }
      try {
        return await asked;
      } catch (error) {
        if (isRight && ageMs < failingMs) return kept;
        throw error;
      }
    },
    async settled() {
      await Promise.allSettled(running.values());
    },
  };
}
