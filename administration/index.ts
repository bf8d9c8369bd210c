/** Requests of administrators: signed by a key that the operator named, for one service, once. Browser-safe. */
export * from "./error.ts";
export {
  ADMIN_REQUEST,
  adminRequestDigest,
  isAdminSignature,
  MAX_ADMIN_VALIDITY_MS,
  readAdminRequest,
  signAdminRequest,
  verifyAdminRequest,
  type AdminRequest,
  type SentRequest,
  type SignedAdminRequest,
} from "./request.ts";
