/** Files that a command leaves. */
import { rename, rm, writeFile } from "node:fs/promises";
import { UsageError } from "./command.ts";

/**
 * A new file in place of any older one, whose mode or link would otherwise stay.
 * @throws UsageError `file_unreadable`
 */
export async function replaceFile(path: string, text: string, mode: number): Promise<void> {
  const partial = `${path}.${process.pid}.partial`;
  try {
    await writeFile(partial, text, { mode, flag: "wx" });
    await rename(partial, path);
  } catch (cause) {
    await rm(partial, { force: true });
    throw new UsageError(`cannot write ${path}: ${(cause as Error).message}`, "file_unreadable");
  }
}
