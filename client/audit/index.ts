/** Audit bundles, and the disclosure of single fields. */
export { AuditError, type AuditErrorCode } from "./error.ts";
export {
  disclose,
  DISCLOSED_FIELDS,
  opens,
  parseDisclosure,
  serializeDisclosure,
  type DisclosedField,
  type Disclosure,
} from "./disclosure.ts";
export { exportAudit, type ExportOptions } from "./export.ts";
export { readTar, writeTar, type TarFile } from "./tar.ts";
export { verifyAudit, type Audit, type AuditedReceipt, type AuditOptions } from "./verify.ts";
