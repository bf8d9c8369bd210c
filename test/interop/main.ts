/** Clients that are not ours, against a running service. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { startService } from "../service-process.ts";
import { pythonWith } from "./python.ts";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

const python = pythonWith(here("requirements.txt"));
const service = await startService();
let status = 1;
try {
  const args = [here("triton.py"), new URL(service.url).host, service.apiKey, here("../../models/zoo")];
  status = spawnSync(python, args, { stdio: "inherit", timeout: 120_000 }).status ?? 1;
} finally {
  await service.stop();
}
if (status !== 0) process.stderr.write(service.output());
process.stdout.write(status === 0 ? "1 passed, 0 failed\n" : "0 passed, 1 failed\n");
process.exitCode = status;
