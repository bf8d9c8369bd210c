import * as fc from "fast-check";
import { test } from "vitest";
import { createFuzzCheck, fuzzCase } from "../testing/fuzz.ts";

/** `npm run fuzz` does the same at length. */
const RUNS = 10_000;

test(`${RUNS} pieces of edited evidence get a verdict, soon`, { timeout: 300_000 }, () => {
  fc.assert(fc.property(fuzzCase, createFuzzCheck()), { numRuns: RUNS });
});
