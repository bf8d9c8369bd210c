/** Clients and verifiers that are not ours, against a running service, and beside our verifiers. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { startService } from "../service-process.ts";
import { dcapInterop } from "./dcap.ts";
import { logInterop } from "./log.ts";
import { modelSigningInterop } from "./model-signing.ts";
import { ehbpInterop, ohttpInterop } from "./sealed.ts";
import { pythonWith } from "./python.ts";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

const python = pythonWith(here("requirements.txt"));
const service = await startService();
let passed = 0;
let failed = 0;
let skipped = 0;

function count(outcome: "passed" | "failed" | { skipped: string }, what: string): void {
  if (outcome === "passed") passed++;
  else if (outcome === "failed") failed++;
  else {
    skipped++;
    process.stdout.write(`${what}: skipped, ${outcome.skipped}\n`);
  }
}

try {
  const args = [here("triton.py"), new URL(service.url).host, service.apiKey, here("../../models/zoo")];
  const { status } = spawnSync(python, args, { stdio: "inherit", timeout: 120_000 });
  count(status === 0 ? "passed" : "failed", "tritonclient");
  const cose = spawnSync(
    pythonWith(here("cose-requirements.txt")),
    [here("cose.py"), service.url, service.apiKey, here("../../models/zoo/breast-cancer/example.json")],
    { stdio: "inherit", timeout: 120_000 },
  );
  count(cose.status === 0 ? "passed" : "failed", "pycose");
  count(await logInterop(service), "log");
  count(dcapInterop(), "dcap-qvl");
  count(await modelSigningInterop(), "model-signing");
  const wrong = await ehbpInterop(service);
  if (wrong !== undefined) process.stderr.write(`ehbp: ${wrong}\n`);
  count(wrong === undefined ? "passed" : "failed", "ehbp");
  count(ohttpInterop(service), "ohttp");
} catch (error) {
  failed++;
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
} finally {
  await service.stop();
}
if (failed > 0) process.stderr.write(service.output());
process.stdout.write(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}\n`);
process.exitCode = failed === 0 ? 0 : 1;
