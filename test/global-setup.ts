/** Starts one PostgreSQL for all test files of a run. */
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { startEmbedded } from "../service/db/embedded/index.ts";

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const path = mkdtempSync(join(tmpdir(), "affidavit-test-"));
  // As root the server runs as another user, which must be able to enter.
  chmodSync(path, 0o711);
  const server = await startEmbedded({
    dataDirectory: join(path, "data"),
    sharedDirectory: join(path, "shared"),
  });
  project.provide("postgres", server.administration);
  return async () => {
    await server.stop();
    rmSync(path, { recursive: true, force: true });
  };
}
