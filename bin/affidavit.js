#!/usr/bin/env node
/** Starts the command: TypeScript sources in a clone, compiled files in a package. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const source = fileURLToPath(new URL("../client/cli/main.ts", import.meta.url));
const compiled = fileURLToPath(new URL("../client/cli/main.js", import.meta.url));
process.argv.splice(2, 0, existsSync(source) ? source : compiled);
await import("./node24.js");
