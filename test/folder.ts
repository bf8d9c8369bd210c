/** Folders that end with their test. */
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** As root, one that the embedded database's user can enter: its files then stay inside, and end with the folder. */
export function temporaryDirectory(mode = 0o711): { path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), "affidavit-test-"));
  chmodSync(path, mode);
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}
