import * as fc from "fast-check";
import { expect, test } from "vitest";
import { checkSeeds, createParserCheck, parserCase } from "./fuzz-parsers.ts";

/** `npm run fuzz` does the same at length. */
const RUNS = 10_000;

test("what fuzzing starts from is good input", async () => {
  await expect(checkSeeds()).resolves.toBeUndefined();
});

test(`${RUNS} inputs are parsed, or refused with a code, soon`, { timeout: 300_000 }, async () => {
  fc.assert(fc.property(parserCase, await createParserCheck()), { numRuns: RUNS });
});
