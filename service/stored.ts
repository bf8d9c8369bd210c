/** Reading back what was stored. */
import { CodecError } from "../codec/index.ts";
import { ReceiptError } from "../receipts/index.ts";
import { DatabaseError } from "./db/index.ts";

/**
 * Runs `read` over stored rows, which are as hostile as any input: that one of them is malformed is not the fault of
 * whoever asked, as the same error would be of what a caller sent.
 * @throws DatabaseError `log_corrupt`; whatever else `read` throws
 */
export async function readingStored<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof ReceiptError || error instanceof CodecError)) throw error;
    throw new DatabaseError("log_corrupt", `a stored record is malformed (${error.code})`);
  }
}
