#!/usr/bin/env node
/**
 * The Solidity compiler of npm behind the command line that forge speaks. forge reads a platform from the version, and
 * knows none called Emscripten; it also leaves out of its input what an import of a package reaches by a relative path.
 */
const { readFileSync } = require("node:fs");
const solc = require("solc");

function read(path) {
  try {
    return { contents: readFileSync(path, "utf8") };
  } catch (error) {
    return { error: String(error) };
  }
}

if (process.argv.includes("--version")) {
  const version = solc.version().replace(".Emscripten.clang", ".Linux.g++");
  process.stdout.write(`solc, the solidity compiler commandline interface\nVersion: ${version}\n`);
} else {
  process.stdout.write(solc.compile(readFileSync(0, "utf8"), { import: read }));
}
