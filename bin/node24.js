/**
 * Runs a script on a Node that strips types: the running one where it is new enough, else the one that npm
 * installed (`node-linux-*`). Its own link in `.bin` cannot be relied on: npm 10 drops it.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { constants } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

function findNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major > 22 || (major === 22 && minor >= 18)) return process.execPath;
  const bundled = join(root, "node_modules", `node-${process.platform}-${process.arch}`, "bin", "node");
  if (existsSync(bundled)) return bundled;
  process.stderr.write(
    `Node 24 is needed, this is ${process.versions.node}: run npm ci, or install Node 24\n`,
  );
  process.exit(3);
}

const node = findNode();
const child = spawn(node, process.argv.slice(2), {
  stdio: "inherit",
  env: { ...process.env, PATH: dirname(node) + delimiter + process.env.PATH },
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
child.on("exit", (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)));
