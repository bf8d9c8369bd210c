/**
 * Runs a script on a Node that strips types: the running one where it is new enough, else the one that npm
 * installed (`node-linux-*`). Its own link in `.bin` cannot be relied on: npm 10 drops it.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { constants } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { WIPE_FREED } from "./wipe-freed.js";

function findNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major > 22 || (major === 22 && minor >= 18)) return process.execPath;
  const name = `node-${process.platform}-${process.arch}`;
  // In a clone it lies below the project, in an installed package beside it or further up.
  for (const folder of createRequire(import.meta.url).resolve.paths(name)) {
    const installed = join(folder, name, "bin", "node");
    if (existsSync(installed)) return installed;
  }
  process.stderr.write(
    `Node 24 is needed, this is ${process.versions.node}: install Node 24, or the package ${name}\n`,
  );
  process.exit(3);
}

const node = findNode();
const isService = /service[\\/]main\.[jt]s$/.test(process.argv[2] ?? "");
const child = spawn(node, process.argv.slice(2), {
  stdio: "inherit",
  env: { ...(isService && WIPE_FREED), ...process.env, PATH: dirname(node) + delimiter + process.env.PATH },
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
// npm tells a signal to its shell, which dies of it and says nothing: without this a stopped `npm start` would serve on.
if (process.env.npm_lifecycle_event !== undefined) {
  const parent = process.ppid;
  setInterval(() => process.ppid !== parent && child.kill("SIGTERM"), 500).unref();
}
child.on("exit", (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)));
