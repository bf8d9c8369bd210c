/** What middleware leaves for routes. */
import type { HttpBindings } from "@hono/node-server";
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { Context } from "hono";
import type { SealedExchange } from "../sealed/exchange.ts";
import type { AdminCall } from "../admin/contract.ts";
import type { Account } from "../services.ts";

export interface AppEnv {
  /** Empty where the app is called without a server. */
  Bindings: Partial<HttpBindings> & {
    /** The request came out of an encapsulated one: a binding, since a caller could write any header. */
    viaOhttp?: true;
  };
  Variables: {
    /** Names the request in answers and logs. */
    traceId: string;
    /** Set by `authenticate`. */
    account: Account;
    /** Set by `signed`. */
    admin: AdminCall;
    /** Code of the problem that was answered. */
    problem: string | undefined;
    /** Set by `sealable` where the caller sealed the request. */
    sealed: SealedExchange | undefined;
  };
}

export type App = OpenAPIHono<AppEnv>;
export type AppContext = Context<AppEnv>;
