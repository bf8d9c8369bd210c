/**
 * `npm run fuzz`: edited evidence of every technology through the verifiers, and edited, deep and long input through every
 * parser; a million of each, or as many as `AFFIDAVIT_FUZZ_RUNS` says. `AFFIDAVIT_FUZZ_SEED` repeats a run. Exits 1 with
 * the smallest case that broke a rule.
 */
import * as fc from "fast-check";
import { createFuzzCheck, fuzzCase } from "../attestation/testing/fuzz.ts";
import { createParserCheck, parserCase } from "./fuzz-parsers.ts";

const BATCH = 10_000;

function numberFrom(name: string, fallback: number): number {
  const text = process.env[name];
  if (text === undefined) return fallback;
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  process.stderr.write(`${name} is no positive integer\n`);
  process.exit(2);
}

const runs = numberFrom("AFFIDAVIT_FUZZ_RUNS", 1_000_000);
const firstSeed = numberFrom("AFFIDAVIT_FUZZ_SEED", (Date.now() % 0x7fff_0000) + 1);

function fuzz<Case>(what: string, property: fc.IProperty<[Case]>): void {
  const begunMs = performance.now();
  let done = 0;
  for (let seed = firstSeed; done < runs; seed++) {
    const numRuns = Math.min(BATCH, runs - done);
    const result = fc.check(property, { numRuns, seed });
    if (result.failed) {
      const error = result.errorInstance;
      process.stdout.write(`${fc.defaultReportMessage(result) ?? "failed"}\n`);
      process.stdout.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
      process.exit(1);
    }
    done += numRuns;
    process.stderr.write(`\r${what}: ${done}`);
  }
  process.stderr.write("\n");
  const seconds = Math.round((performance.now() - begunMs) / 1000);
  process.stdout.write(`${done} ${what} in ${seconds} s, seed ${firstSeed}\n`);
}

fuzz(
  "inputs of parsers, each parsed or refused with a code, none too slow",
  fc.property(parserCase, await createParserCheck()),
);
fuzz(
  "pieces of evidence, each with a verdict and a code, none too slow",
  fc.property(fuzzCase, createFuzzCheck()),
);
