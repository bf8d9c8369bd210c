#!/usr/bin/env node
/** Starts the service: TypeScript sources in a clone, compiled files in a package. */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const require = createRequire(import.meta.url);
const source = fileURLToPath(new URL("../service/main.ts", import.meta.url));
const compiled = fileURLToPath(new URL("../service/main.js", import.meta.url));

/** A service runs without these: it signs more slowly, leaves encrypting to callers, or runs on the Node that is there. */
const DISPENSABLE = /^(secp256k1|node-tfhe|node-linux-.*)$/;

/** npm leaves an optional package out, and says nothing, where its install script fails: onnxruntime-node's downloads. */
function requireWhole() {
  const { optionalDependencies } = require("../package.json");
  const missing = Object.entries(optionalDependencies)
    .filter(([name]) => !DISPENSABLE.test(name))
    .filter(([name]) => !require.resolve.paths(name).some((folder) => existsSync(join(folder, name))))
    .map(([name, version]) => `${name}@${version}`);
  if (missing.length === 0) return;
  process.stderr.write(
    `A service needs packages that are not installed. Install them with:\n  ONNXRUNTIME_NODE_INSTALL=skip npm install ${missing.join(" ")}\n`,
  );
  process.exit(3);
}

requireWhole();
process.argv.splice(2, 0, existsSync(source) ? source : compiled);
await import("./node24.js");
