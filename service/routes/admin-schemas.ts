/** What the administrators' endpoints share. */
import { createRoute, z, type RouteConfig } from "@hono/zod-openapi";
import { refuseInvalid } from "../middleware/failure.ts";
import type { AppContext } from "../middleware/env.ts";
import type { ProblemCode } from "../problem.ts";
import { problems } from "./schemas.ts";

export const NO_STORE = { "cache-control": "no-store" };
export const tenantParams = z.object({ tenantId: z.uuid() });

// Control characters would reach the terminals of whoever lists them.
export const label = z
  .string()
  .regex(/^[^\p{C}]{1,100}$/u, "1 to 100 characters, none of them a control character");

const HEADERS = z.object({
  "affidavit-admin-key": z.string().openapi({ description: "secp256k1:0x<address> or ed25519:0x<key>" }),
  "affidavit-admin-nonce": z.string().openapi({ description: "32 random bytes: 0x and hex" }),
  "affidavit-admin-expires": z
    .string()
    .openapi({ description: "Milliseconds since 1970: at most 120 s ahead" }),
  "affidavit-admin-signature": z
    .string()
    .openapi({ description: "Of the EIP-712 struct of docs/spec/administration.md: 0x and hex" }),
});

/** An endpoint for signed requests. */
export function adminRoute(
  route: Pick<RouteConfig, "method" | "path" | "summary" | "description"> & {
    request?: Pick<NonNullable<RouteConfig["request"]>, "params" | "query" | "body">;
    answer: { status: 200 | 201 | 204; description: string; schema?: z.ZodType };
    codes?: ProblemCode[];
  },
) {
  const { request, answer, codes = [], ...rest } = route;
  const content = answer.schema && { content: { "application/json": { schema: answer.schema } } };
  return createRoute({
    ...rest,
    tags: ["Administration"],
    request: { ...request, headers: HEADERS },
    responses: {
      [answer.status]: { description: answer.description, ...content },
      ...problems(
        "admin_off",
        "admin_request_malformed",
        "admin_key_unknown",
        "admin_signature_invalid",
        "admin_request_expired",
        "admin_expiry_too_far",
        "admin_request_replayed",
        "request_invalid",
        ...codes,
      ),
    },
  });
}

export const jsonBody = (schema: z.ZodType) => ({
  required: true,
  content: { "application/json": { schema } },
});

/** @throws ServiceError `request_invalid` */
export function readParams<Schema extends z.ZodType>(c: AppContext, schema: Schema): z.infer<Schema> {
  const read = schema.safeParse(c.req.param());
  refuseInvalid({ ...read, target: "param" });
  return read.data as z.infer<Schema>;
}
