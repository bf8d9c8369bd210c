import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fromUtf8 } from "../../codec/index.ts";
import { readAssets, readPackageFile } from "./package-files.ts";
import { readManifest } from "./testing.ts";

let root: string;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "affidavit-packages-"));
  const folder = join(root, "node_modules/@scope/name/data");
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "../package.json"), JSON.stringify({ version: "1.2.3" }));
  await writeFile(join(folder, "words.txt"), "hello");
  await mkdir(join(root, "deep/inside"), { recursive: true });
});

afterAll(() => rm(root, { recursive: true }));

describe("readPackageFile", () => {
  const wanted = { package: "@scope/name", version: "1.2.3", file: "data/words.txt" };

  it("finds a package above the folder it starts from", async () => {
    expect(fromUtf8(await readPackageFile(wanted, 5, join(root, "deep/inside")))).toBe("hello");
  });

  it.each([
    ["package_missing", { package: "absent-package-name" }, 5],
    ["package_version_mismatch", { version: "1.2.4" }, 5],
    ["package_file_invalid", { file: "data/absent.txt" }, 5],
    ["package_file_invalid", { file: "data" }, 5],
    ["package_file_invalid", {}, 4],
  ])("refuses with %s: %j, at most %d bytes", async (code, change, maxBytes) => {
    await expect(readPackageFile({ ...wanted, ...change }, maxBytes, root)).rejects.toMatchObject({ code });
  });
});

describe("readAssets", () => {
  it("finds the recogniser's dictionary, and nothing for a model without one", async () => {
    const { processing } = await readManifest("ocr");
    expect([...(await readAssets(processing)).values()].map(({ length }) => length)).toEqual([26249]);
    expect((await readAssets((await readManifest("vad")).processing)).size).toBe(0);
  });
});
