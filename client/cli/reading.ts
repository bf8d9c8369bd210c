/** Files whose content is not what it should be. */
import { CodecError } from "../../codec/index.ts";
import { ReceiptError } from "../../receipts/index.ts";
import { AuditError } from "../audit/index.ts";
import { UsageError } from "./command.ts";

/** @throws UsageError where a given file cannot be used */
export function readingFiles<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof ReceiptError || error instanceof AuditError || error instanceof CodecError)
      throw new UsageError(`${error.message} [${error.code}]`, "file_unreadable");
    throw error;
  }
}
