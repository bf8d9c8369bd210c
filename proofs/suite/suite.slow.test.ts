/** EZKL's four suite models, an attention block and the zoo's two: each becomes a circuit, proves, and is verified. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { hasProver, openProver, proverCache, WITHOUT_PROVER } from "../testing/prover.ts";
import type { EzklSystem } from "../index.ts";
import { measure, SUITE } from "./measure.ts";

describe.skipIf(!hasProver)(`the suite${WITHOUT_PROVER}`, () => {
  const directory = mkdtempSync(join(tmpdir(), "affidavit-suite-"));
  const systems: EzklSystem[] = [];
  afterAll(async () => {
    await Promise.all(systems.map((system) => system.close()));
    rmSync(directory, { recursive: true, force: true });
  });

  it.each([...SUITE, "breast-cancer", "digits"] as const)("%s", async (name) => {
    // One each: the peak of memory is a worker's own.
    const system = openProver({ timeoutMs: 900_000 });
    systems.push(system);
    const measured = await measure(system, name, { cache: proverCache, directory });
    process.stdout.write(`${JSON.stringify(measured)}\n`);
    expect(2 * measured.difference).toBeLessThanOrEqual(measured.bound);
    expect(measured.proofBytes).toBeGreaterThan(1000);
  });
});
