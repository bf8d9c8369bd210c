/** API keys: `Authorization: Bearer KEY` or `X-API-Key: KEY`, and what each may do. */
import type { MiddlewareHandler } from "hono";
import { equal, sha256, toHex, utf8 } from "../../codec/index.ts";
import { ServiceError } from "../problem.ts";
import type { Account, KeyHolder, Keys, Scope, Services } from "../services.ts";
import type { AppContext, AppEnv } from "./env.ts";

const KEY = /^[\x21-\x7e]{16,256}$/;
const BEARER = /^bearer +([\x21-\x7e]+) *$/i;
const MAX_CACHED = 10_000;

/** `any` is for what tells a key about itself alone. */
export type Permission = Scope | "any";

export interface Authenticator {
  /** Middleware: only a key with this scope passes. */
  requires(permission: Permission): MiddlewareHandler<AppEnv>;
  /** @throws ServiceError `unauthenticated`, `api_key_invalid`, `tenant_suspended`, `scope_missing` */
  account(c: AppContext, permission: Permission): Promise<Account>;
  /**
   * Whose key came, where one came: for what shows more to those who have one.
   * @throws ServiceError `api_key_invalid`, `tenant_suspended`
   */
  tenant(c: AppContext): Promise<string | undefined>;
}

export function createAuthenticator(services: Services): Authenticator {
  const find = cached(services.keys, services.limits.keyCacheMs, services.nowMs);
  async function account(c: AppContext, permission: Permission): Promise<Account> {
    const key = readKey(c);
    if (key === undefined) {
      throw new ServiceError(
        "unauthenticated",
        "send an API key as Authorization: Bearer KEY, or as X-API-Key: KEY",
      );
    }
    const holder = KEY.test(key) ? await find(sha256(utf8(key))) : undefined;
    if (holder === undefined) throw new ServiceError("api_key_invalid");
    await services.tenants.requireActive(holder.account.tenantId);
    c.set("account", holder.account);
    if (permission !== "any" && !holder.scopes.includes(permission)) {
      throw new ServiceError("scope_missing", `this needs an API key with the scope ${permission}`);
    }
    return holder.account;
  }
  return {
    account,
    tenant: async (c) => (readKey(c) === undefined ? undefined : (await account(c, "any")).tenantId),
    requires: (permission) => async (c, next) => {
      await account(c, permission);
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
): (digest: Uint8Array) => Promise<KeyHolder | undefined> {
  const entries = new Map<string, { holder: KeyHolder; untilMs: number }>();
  return async (digest) => {
    const name = toHex(digest);
    const entry = entries.get(name);
    if (entry !== undefined && entry.untilMs > nowMs()) return entry.holder;
    entries.delete(name);
    const found = await keys.find(digest);
    if (found === undefined || !equal(found.digest, digest)) return undefined;
    if (entries.size >= MAX_CACHED) entries.delete(entries.keys().next().value!);
    entries.set(name, { holder: found, untilMs: nowMs() + cacheMs });
    return found;
  };
}
