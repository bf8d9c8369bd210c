/** JSON from files. */
import { CodecError, fromUtf8 } from "../../codec/index.ts";
import { readInput, UsageError } from "./command.ts";

const BYTE_ORDER_MARK = "\uFEFF";

/** @throws UsageError `file_unreadable` (no JSON either), `file_too_large` */
export async function readJson(path: string, maxBytes: number): Promise<unknown> {
  const bytes = await readInput(path, maxBytes);
  try {
    const text = fromUtf8(bytes);
    return JSON.parse(text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text);
  } catch (error) {
    if (error instanceof CodecError || error instanceof SyntaxError) {
      throw new UsageError(`${path} is not JSON: ${error.message}`, "file_unreadable");
    }
    throw error;
  }
}
