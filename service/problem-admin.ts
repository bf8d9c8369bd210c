/** Problems of administrators' requests. */
import type { AdminErrorCode } from "../administration/index.ts";
import type { ProblemRow } from "./problem-row.ts";

export const ADMIN_PROBLEMS = {
  admin_off: [403, "No administrator's key is configured"],
  admin_request_malformed: [400, "The request is not signed as an administrator's must be"],
  admin_key_unknown: [403, "The key that signed is no administrator's"],
  admin_signature_invalid: [403, "The signature is not of this request"],
  admin_request_expired: [403, "The signed request has ended"],
  admin_expiry_too_far: [403, "The signed request would be good for too long"],
  admin_request_replayed: [409, "The signed request came before: sign it anew"],
} as const satisfies Record<AdminErrorCode, ProblemRow>;
