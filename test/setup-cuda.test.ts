/** The set-up of CUDA, up to what needs no download. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";

const SCRIPT = fileURLToPath(new URL("../bin/setup-cuda.js", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "affidavit-setup-cuda-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const setUp = (...words: string[]) => spawnSync(process.execPath, [SCRIPT, ...words], { encoding: "utf8" });

describe.skipIf(process.platform !== "linux" || process.arch !== "x64")(
  "npm run setup:cuda (Linux x64 only)",
  () => {
    it("is pinned for the engine that is installed, and refuses a wheel with another digest", (context) => {
      const wheel = join(folder, "other.whl");
      writeFileSync(wheel, "no wheel");
      const { status, stdout, stderr } = setUp("--wheel", wheel);
      if (stdout.includes("in place already")) context.skip("the CUDA provider is set up here");
      expect([status, stderr]).toEqual([1, expect.stringContaining("has not the digest that is pinned")]);
    });

    it("says what it does, and takes no flag that it does not know", () => {
      expect(setUp("--help")).toMatchObject({ status: 0, stdout: expect.stringContaining("--remove") });
      expect(setUp("--bogus").status).toBe(2);
    });

    it("names a wheel that is not there, and does not remove where a wheel is given", () => {
      const wheel = join(folder, "missing.whl");
      const missing = { status: 2, stderr: expect.stringContaining("no file") };
      expect(setUp("--wheel", wheel)).toMatchObject(missing);
      expect(setUp("--remove", "--wheel", wheel)).toMatchObject({ status: 2, stdout: "" });
    });
  },
);
