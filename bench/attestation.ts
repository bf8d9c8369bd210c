/**
 * How long one TDX quote takes to verify, against the Rust verifier of the PyPI package dcap-qvl and the JavaScript one
 * of the npm package of the same makers. All verify the same quote with the same collateral, in turns.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { appraise, CollateralCache } from "../attestation/index.ts";
import { toHex } from "../codec/index.ts";
import { pythonWith } from "../test/interop/python.ts";
import { subject, type Subject } from "./attestation-subject.ts";
import { loadPackage } from "./npm-package.ts";
import { figure, type Figure, type Report } from "./report.ts";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

const ROUNDS = 300;
const WARM_UP_ROUNDS = 100;
const CALLS = 8;
/** The slow one needs fewer to be timed as well. */
const NPM_CALLS = 3;
const NPM_PACKAGE = "@phala/dcap-qvl";
const NPM_VERSION = "0.3.9";

/** Makes a number of calls, and gives the milliseconds of the fastest: a busy machine delays some, not all. */
type Contender = (calls: number) => Promise<number>;
type Name = "cold" | "warm" | "rust" | "npm";

export async function run(): Promise<Report> {
  const quote = subject();
  process.stderr.write(`verifying ${quote.name}\n`);
  const rust = await startRust(quote);
  try {
    const contenders: Record<Name, Contender> = {
      cold: ours(quote, undefined),
      warm: ours(quote, new CollateralCache()),
      rust: rust.time,
      npm: npm(quote),
    };
    return { bench: "attestation", figures: figuresOf(await rounds(contenders)), notMeasured: [] };
  } finally {
    rust.stop();
  }
}

function ours(
  { quote, collateral, policy, nowSeconds }: Subject,
  cache: CollateralCache | undefined,
): Contender {
  const now = new Date(nowSeconds * 1000);
  return (calls) =>
    timed(calls, () => {
      const { verdict, code } = appraise({ type: "tdx", quote }, collateral, { now, policy, cache });
      if (verdict !== "accepted") throw new Error(`ours: ${code}`);
    });
}

interface NpmPackage {
  QuoteVerifier: {
    newWithRootCa(root: Uint8Array): {
      verify(quote: Uint8Array, collateral: unknown, nowSeconds: number): { status: string };
    };
  };
}

function npm({ quote, collateral, root, nowSeconds }: Subject): Contender {
  const { QuoteVerifier } = loadPackage(NPM_PACKAGE, NPM_VERSION) as NpmPackage;
  const verifier = QuoteVerifier.newWithRootCa(Buffer.from(root));
  const bytes = Buffer.from(quote);
  return (calls) =>
    timed(calls, () => {
      const { status } = verifier.verify(bytes, collateral, nowSeconds);
      if (status !== "UpToDate") throw new Error(`npm: ${status}`);
    });
}

function timed(calls: number, call: () => void): Promise<number> {
  let fastestMs = Infinity;
  for (let i = 0; i < calls; i++) {
    const begunMs = performance.now();
    call();
    fastestMs = Math.min(fastestMs, performance.now() - begunMs);
  }
  return Promise.resolve(fastestMs);
}

async function startRust({ quotePath, collateralPath, root, nowSeconds }: Subject) {
  const python = pythonWith(here("attestation-requirements.txt"));
  const child = spawn(python, [here("attestation-oracle.py")], { stdio: ["pipe", "pipe", "inherit"] });
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const setup = { quote: quotePath, collateral: collateralPath, root: toHex(root), now: nowSeconds };
  child.stdin.write(`${JSON.stringify(setup)}\n`);
  await once(child, "spawn");
  const ask: Contender = async (calls) => {
    child.stdin.write(`${calls}\n`);
    const { value, done } = await answers.next();
    if (done === true) throw new Error("the Rust verifier ended");
    const { ms, status } = JSON.parse(value) as { ms: number; status: string };
    if (status !== "UpToDate") throw new Error(`Rust: ${status}`);
    return ms;
  };
  return { time: ask, stop: () => child.stdin.end() };
}

type Samples = Record<Name, number[]>;

/** Each round measures all, in an order that turns: what one leaves in caches is met by every other. */
async function rounds(contenders: Record<Name, Contender>): Promise<Samples> {
  const names = Object.keys(contenders) as Name[];
  const samples: Samples = { cold: [], warm: [], rust: [], npm: [] };
  for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round++) {
    const first = Math.abs(round) % names.length;
    for (const name of [...names.slice(first), ...names.slice(0, first)]) {
      const ms = await contenders[name](name === "npm" ? NPM_CALLS : CALLS);
      if (round >= 0) samples[name].push(ms);
    }
  }
  return samples;
}

function ratio(name: string, over: number[], under: number[], aim: number): Figure {
  const ratios = over.map((ms, i) => ms / under[i]!);
  return figure(name, ratios, { unit: "ratio", better: "lower", aim });
}

function time(name: string, samples: number[]): Figure {
  return figure(name, samples, { unit: "ms", better: "lower" });
}

function figuresOf({ cold, warm, rust, npm: npmTimes }: Samples): Figure[] {
  return [
    ratio("tdx.cold_vs_rust", cold, rust, 1.5),
    ratio("tdx.warm_vs_rust", warm, rust, 1),
    ratio("tdx.vs_npm", cold, npmTimes, 0.5),
    time("tdx.cold_ms", cold),
    time("tdx.warm_ms", warm),
    time("tdx.rust_ms", rust),
    time("tdx.npm_ms", npmTimes),
  ];
}
