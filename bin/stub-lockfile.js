/**
 * Adds to package-lock.json a stub for each optional platform package that the registry at hand does not carry:
 * without it `npm ci` of npm 10 stops with "Missing … from lock file". Run after every change of the lock file.
 */
import { readFileSync, writeFileSync } from "node:fs";

const file = new URL("../package-lock.json", import.meta.url);
const lock = JSON.parse(readFileSync(file, "utf8"));
const SYSTEMS = [
  "aix",
  "android",
  "darwin",
  "freebsd",
  "linux",
  "netbsd",
  "openbsd",
  "openharmony",
  "sunos",
  "win32",
];
const PROCESSORS = [
  "arm64",
  "arm",
  "ia32",
  "loong64",
  "mips64el",
  "ppc64",
  "riscv64",
  "s390x",
  "x64",
  "wasm32",
];

let added = 0;
for (const [path, entry] of Object.entries({ ...lock.packages })) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const here = path === "" ? `node_modules/${name}` : `${path}/node_modules/${name}`;
    if (lock.packages[here] || lock.packages[`node_modules/${name}`]) continue;
    const system = SYSTEMS.find((candidate) => name.includes(candidate));
    const processor = PROCESSORS.find((candidate) => name.includes(candidate));
    if (!system || !processor) throw new Error(`cannot tell the platform of ${name}`);
    const stub = { version, os: [system], cpu: [processor], optional: true };
    if (name.includes("musl")) stub.libc = ["musl"];
    lock.packages[`node_modules/${name}`] = stub;
    added++;
  }
}
lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)));
writeFileSync(file, JSON.stringify(lock, null, 2) + "\n");
console.log(`${added} stubs added`);
