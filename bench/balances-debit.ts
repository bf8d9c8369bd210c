/** An encrypted debit through the addon beside the same three operations in plain Rust, and what it does to the event loop. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { homedir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import {
  addonDirectory,
  balanceKeyFromSeed,
  DEFAULT_THREADS,
  generateFheKeys,
  loadAddon,
  openEvaluator,
  type Addon,
} from "../balances/index.ts";
import { figure, type Figure } from "./report.ts";

const PAIRS = 10;
const WARM_UPS = 1;
const TICK_MS = 1;

function progress(text: string): void {
  process.stderr.write(`${text}\n`);
}

function cacheDirectory(): string {
  return join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "affidavit");
}

/** Builds the addon at the first run. */
export function builtAddon(): Addon {
  const setup = fileURLToPath(new URL("../balances/setup.ts", import.meta.url));
  const { status } = spawnSync(process.execPath, [setup], { stdio: ["ignore", 2, 2] });
  if (status !== 0) throw new Error("the addon of balances could not be built");
  return loadAddon(cacheDirectory());
}

interface Cost {
  elapsedMs: number;
  /** Processor time of all threads: what other work on the machine changes least. */
  cpuMs: number;
}

/** The crate's own program: a line in starts one debit, a line out says its nanoseconds, passed and computed. */
async function startRaw(threads: number) {
  const program = join(addonDirectory(cacheDirectory()), "raw-operations");
  const child = spawn(program, [String(threads)], { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async debit(): Promise<Cost> {
      child.stdin.write("\n");
      const { value, done } = await lines.next();
      if (done) throw new Error("raw-operations ended");
      const [elapsedMs = NaN, cpuMs = NaN] = value.split(" ").map((nanos) => Number(nanos) / 1e6);
      return { elapsedMs, cpuMs };
    },
    async stop(): Promise<void> {
      child.stdin.end();
      if (child.exitCode === null) await once(child, "exit");
    },
  };
}

/** The longest time between two ticks of a timer while `work` runs. */
async function longestGapMs(work: () => Promise<unknown>): Promise<number> {
  let lastMs = performance.now();
  let longestMs = 0;
  const timer = setInterval(() => {
    const nowMs = performance.now();
    longestMs = Math.max(longestMs, nowMs - lastMs - TICK_MS);
    lastMs = nowMs;
  }, TICK_MS);
  try {
    await work();
  } finally {
    clearInterval(timer);
  }
  return longestMs;
}

export async function debitFigures(): Promise<Figure[]> {
  const addon = builtAddon();
  const threads = DEFAULT_THREADS;
  progress("keys");
  const seed = new Uint8Array(32).fill(9);
  const keys = await generateFheKeys(addon, seed);
  const key = await balanceKeyFromSeed(addon, seed);
  const evaluator = await openEvaluator(addon, keys, { threads, niceness: 0 });
  const asServed = await openEvaluator(addon, keys, { threads });
  const [balance, amount] = await Promise.all([key.encrypt(2n ** 40n), key.encrypt(1000n)]);
  const raw = await startRaw(threads);
  const debit = async (): Promise<Cost> => {
    const [begunMs, begun] = [performance.now(), process.cpuUsage()];
    await evaluator.debit(balance, amount);
    const { user, system } = process.cpuUsage(begun);
    return { elapsedMs: performance.now() - begunMs, cpuMs: (user + system) / 1000 };
  };
  try {
    const pairs: { ours: Cost; theirs: Cost }[] = [];
    for (let i = -WARM_UPS; i < PAIRS; i++) {
      // Alternate order: what one leaves in caches and frequencies is met by both.
      const rawFirst = i % 2 === 0 ? await raw.debit() : undefined;
      const ours = await debit();
      const theirs = rawFirst ?? (await raw.debit());
      progress(`debit: ${Math.round(ours.elapsedMs)} ms, in plain Rust ${Math.round(theirs.elapsedMs)} ms`);
      if (i >= 0) pairs.push({ ours, theirs });
    }
    const ratios = (cost: keyof Cost) => pairs.map(({ ours, theirs }) => ours[cost] / theirs[cost]);
    const gaps: number[] = [];
    for (let i = 0; i < PAIRS; i++) gaps.push(await longestGapMs(() => asServed.debit(balance, amount)));
    return [
      figure("debit.vs_raw", ratios("elapsedMs"), { unit: "ratio", better: "lower", aim: 1.05 }),
      figure("debit.cpu_vs_raw", ratios("cpuMs"), { unit: "ratio", better: "lower", aim: 1.05 }),
      figure(
        "debit_ms",
        pairs.map(({ ours }) => ours.elapsedMs),
        { unit: "ms", better: "lower" },
      ),
      figure("event_loop_gap_ms", gaps, { unit: "ms", better: "lower", aim: 20 }),
    ];
  } finally {
    await raw.stop();
  }
}
