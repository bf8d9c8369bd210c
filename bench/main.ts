/** `npm run bench -- NAME [--json]` */
import { print, type Report } from "./report.ts";

const BENCHES: Record<string, () => Promise<{ run(): Promise<Report> }>> = {
  overhead: () => import("./overhead.ts"),
  log: () => import("./log.ts"),
  gpu: () => import("./gpu.ts"),
  sealed: () => import("./sealed.ts"),
  attestation: () => import("./attestation.ts"),
  gas: () => import("./gas.ts"),
  balances: () => import("./balances.ts"),
  proofs: () => import("./proofs.ts"),
};

const words = process.argv.slice(2);
const json = words.includes("--json");
const name = words.find((word) => !word.startsWith("--"));
const load = name !== undefined && Object.hasOwn(BENCHES, name) ? BENCHES[name] : undefined;
if (!load) {
  process.stderr.write(`usage: npm run bench -- ${Object.keys(BENCHES).join("|")} [--json]\n`);
  process.exitCode = 2;
} else {
  const bench = await load();
  print(await bench.run(), json);
}
