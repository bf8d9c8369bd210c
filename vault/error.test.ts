import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { errorNumber, errorOfNumber, VaultError } from "./error.ts";

const specification = readFileSync(new URL("../docs/spec/vault.md", import.meta.url), "utf8");
const rows = specification
  .slice(specification.indexOf("## Errors"))
  .split("\n")
  .map((line) => line.split("|").map((cell) => cell.trim()))
  .filter(([, number]) => /^[0-9]+$/.test(number ?? ""))
  .map(([, number, code, meaning]) => [number, code!.replaceAll("`", ""), meaning]);

it("has the numbers and meanings that the specification lists", () => {
  expect(rows.length).toBeGreaterThan(25);
  rows.forEach(([number, code, meaning], index) => {
    expect(Number(number)).toBe(index + 1);
    const error = errorOfNumber(index + 1);
    expect([error.code, error.message]).toEqual([code, meaning]);
    expect(errorNumber(error.code)).toBe(index + 1);
  });
  const outside = expect.objectContaining({ code: "malformed" });
  for (const number of [0, rows.length + 1, 255]) expect(() => errorOfNumber(number)).toThrow(outside);
  expect(new VaultError("busy")).toMatchObject({ name: "VaultError", code: "busy" });
});
