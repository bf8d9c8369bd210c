import { createRoute, z } from "@hono/zod-openapi";
import { equal, sha256, utf8 } from "../../codec/index.ts";
import type { Authenticator } from "../middleware/authenticate.ts";
import type { App, AppContext } from "../middleware/env.ts";
import { ServiceError } from "../problem.ts";
import type { Services } from "../services.ts";
import { KEY_SECURITY, problems, receiptParams } from "./schemas.ts";

const RECEIPT_MEDIA_TYPE = "application/vnd.affidavit.receipt+json";

/** The longest wait of a long poll; a checkpoint comes about every second. */
const LONGEST_WAIT_MS = 10_000;

const octets = z.string().openapi({ format: "binary" });

export const readerQuery = z.object({
  token: z
    .string()
    .regex(/^[A-Za-z0-9_-]{43}$/, "a link's token")
    .optional(),
  wait: z
    .literal("inclusion")
    .optional()
    .openapi({ description: "Answer once a signed checkpoint covers the statement, or after 10 seconds" }),
});
const bundleQuery = readerQuery.extend({
  format: z.enum(["bundle", "air", "cose", "scitt"]).default("bundle").openapi({
    description:
      "air: an AIR v1 receipt; cose: the inclusion proof as a COSE receipt (RFC 9942); scitt: as a transparent statement (RFC 9943)",
  }),
});
const BINARY_MEDIA_TYPES = {
  air: 'application/eat+cwt; eat_profile="https://spec.cyntrisec.com/air/v1"',
  cose: "application/scitt-receipt+cose",
  scitt: "application/scitt-statement+cose",
} as const;

const route = createRoute({
  method: "get",
  path: "/v1/receipts/{id}",
  tags: ["Receipts"],
  summary: "A receipt, for offline verification",
  description:
    "For the account that made the request, or anyone with a link's token; `format=air`, which holds unsalted hashes, for the account alone.",
  security: [...KEY_SECURITY, {}],
  request: { params: receiptParams, query: bundleQuery },
  responses: {
    200: {
      description: "The bundle: statement, signature, keyset, evidence, endorsements, log proof",
      content: {
        [RECEIPT_MEDIA_TYPE]: { schema: z.looseObject({ formatVersion: z.literal(1) }).openapi("Receipt") },
        "application/eat+cwt": { schema: octets },
        "application/scitt-receipt+cose": { schema: octets },
        "application/scitt-statement+cose": { schema: octets },
      },
    },
    ...problems(
      "unauthenticated",
      "api_key_invalid",
      "scope_missing",
      "receipt_not_found",
      "receipt_form_unavailable",
      "inclusion_pending",
      "link_expired",
      "request_invalid",
    ),
  },
});

export function receipt(app: App, services: Services, authenticator: Authenticator): void {
  app.openapi(route, async (c) => {
    const { id } = c.req.valid("param");
    const { token, wait, format } = c.req.valid("query");
    // A link shows the receipt to others; what holds unsalted hashes is not theirs.
    await requireReader(c, services, authenticator, { id, token: format === "air" ? undefined : token });
    if (wait) await waitForInclusion(c, services, id);
    if (format !== "bundle") {
      const { receipts } = services;
      const bytes = format === "air" ? await receipts.forms.air(id) : await receipts.cose(id, format);
      return c.body(bytes as Uint8Array<ArrayBuffer>, 200, {
        "content-type": BINARY_MEDIA_TYPES[format],
        "cache-control": "private, no-store",
      }) as never;
    }
    const bundle = await services.receipts.bundle(id);
    if (bundle === undefined) throw new ServiceError("receipt_not_found");
    return c.body(bundle, 200, {
      "content-type": RECEIPT_MEDIA_TYPE,
      "cache-control": "private, no-store",
    }) as never;
  });
}

/**
 * The receipt's owner, or whoever holds a link's token.
 * @throws ServiceError `unauthenticated`, `api_key_invalid`, `receipt_not_found`, `link_expired`
 */
export async function requireReader(
  c: AppContext,
  services: Services,
  authenticator: Authenticator,
  { id, token }: { id: string; token: string | undefined },
): Promise<void> {
  if (token === undefined) await requireOwner(c, services, authenticator, id);
  else await requireLink(services, id, token);
}

/** Returns when a checkpoint covers the statement, or when the wait is over without one. */
export async function waitForInclusion(c: AppContext, services: Services, receiptId: string): Promise<void> {
  const longestMs = Math.min(LONGEST_WAIT_MS, services.limits.requestTimeoutMs / 2);
  await services.transparencyLog.covered(receiptId, longestMs, c.req.raw.signal);
}

/**
 * A receipt of somebody else is as if it were not there.
 * @throws ServiceError `unauthenticated`, `api_key_invalid`, `scope_missing`, `receipt_not_found`
 */
export async function requireOwner(
  c: AppContext,
  services: Services,
  authenticator: Authenticator,
  receiptId: string,
): Promise<void> {
  const account = await authenticator.account(c, "infer");
  const owner = await services.receipts.owner(receiptId);
  if (owner?.accountId !== account.accountId || owner.tenantId !== account.tenantId) {
    throw new ServiceError("receipt_not_found");
  }
}

async function requireLink(services: Services, receiptId: string, token: string): Promise<void> {
  const digest = sha256(utf8(token));
  const link = await services.receipts.findLink(digest);
  if (link === undefined || !equal(link.tokenDigest, digest) || link.receiptId !== receiptId) {
    throw new ServiceError("receipt_not_found");
  }
  if (link.expiresAtMs <= services.nowMs()) throw new ServiceError("link_expired");
}
