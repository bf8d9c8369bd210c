/** API keys: `Authorization: Bearer KEY` or `X-API-Key: KEY`. */
import type { MiddlewareHandler } from "hono";
import { equal, sha256, toHex, utf8 } from "../../codec/index.ts";
import { ServiceError } from "../problem.ts";
import type { Account, Keys, Services } from "../services.ts";
import type { AppContext, AppEnv } from "./env.ts";

const KEY = /^[\x21-\x7e]{16,256}$/;
const BEARER = /^bearer +([\x21-\x7e]+) *$/i;
const MAX_CACHED = 10_000;

export interface Authenticator {
  /** Requires a key. */
  required: MiddlewareHandler<AppEnv>;
  /** The account of the key, undefined where none was sent. @throws ServiceError `api_key_invalid` */
  account(c: AppContext): Promise<Account | undefined>;
}

export function createAuthenticator(services: Services): Authenticator {
  const find = cached(services.keys, services.limits.keyCacheMs, services.nowMs);
  async function account(c: AppContext): Promise<Account | undefined> {
    const key = readKey(c);
    if (key === undefined) return undefined;
    const found = KEY.test(key) ? await find(sha256(utf8(key))) : undefined;
    if (found === undefined) throw new ServiceError("api_key_invalid");
    c.set("account", found);
    return found;
  }
  return {
    account,
    async required(c, next) {
      if ((await account(c)) === undefined) {
        throw new ServiceError(
          "unauthenticated",
          "send an API key as Authorization: Bearer KEY, or as X-API-Key: KEY",
        );
      }
      await next();
    },
  };
}

function readKey(c: AppContext): string | undefined {
  const authorization = c.req.header("authorization");
  const plain = c.req.header("x-api-key");
  if (authorization === undefined) return plain;
  const bearer = BEARER.exec(authorization)?.[1];
  // Two keys, or a scheme that nobody here reads, must not fall back to the weaker reading.
  if (bearer === undefined || plain !== undefined)
    throw new ServiceError("api_key_invalid", "send one API key, in one header");
  return bearer;
}

/**
 * Look-ups by digest, kept for a short time. Comparing digests of a secret in an index tells nothing about the secret;
 * what the store hands back is compared once more in constant time, so that a loose query cannot let a key in.
 */
function cached(
  keys: Keys,
  cacheMs: number,
  nowMs: () => number,
): (digest: Uint8Array) => Promise<Account | undefined> {
  const entries = new Map<string, { account: Account; untilMs: number }>();
  return async (digest) => {
    const name = toHex(digest);
    const entry = entries.get(name);
    if (entry !== undefined && entry.untilMs > nowMs()) return entry.account;
    entries.delete(name);
    const found = await keys.find(digest);
    if (found === undefined || !equal(found.digest, digest)) return undefined;
    if (entries.size >= MAX_CACHED) entries.delete(entries.keys().next().value!);
    entries.set(name, { account: found.account, untilMs: nowMs() + cacheMs });
    return found.account;
  };
}
