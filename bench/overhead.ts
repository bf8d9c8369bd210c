/**
 * What a receipt costs: the whole road (keyset, signature, log, database) over the same HTTP application and engines
 * without it. Both run at the same time, and each sample is a pair of neighbours. What the receipt's other forms (AIR,
 * ACI, dstack) add is in the figures that end in `_forms`.
 */
import { closeSync, fdatasyncSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { encodeInferRequest, parseInferRequest } from "../models/index.ts";
import type { Tensor } from "../receipts/index.ts";
import { Connection, postBytes, type Answer } from "./connection.ts";
import { figure, type Figure, type Report } from "./report.ts";
import { startSides, type Side, type Sides } from "./servers.ts";

type Name = "whole" | "forms" | "bare";

export interface Load {
  model: string;
  /** Sends and asks for tensors as raw bytes. */
  binary: boolean;
  /** Instead of the model's example. */
  inputs?: Tensor[];
}

const TINY: Load = { model: "breast-cancer", binary: false };
const DIGITS: Load = { model: "digits", binary: false };
const LARGEST: Load = { model: "ocr", binary: true };

const CONNECTIONS = 64;
const SLICE_MS = 1000;
const SLICE_PAIRS = 16;
const WARM_UP_SLICES = 8;
const FLUSHES = 200;
const WAL_PAGE_BYTES = 8192;

const LOWER = { unit: "ratio", better: "lower" } as const;

export async function run(): Promise<Report> {
  const sides = await startSides();
  try {
    progress("throughput");
    const throughput = await compareThroughput(sides, "whole");
    progress("throughput with the receipt's other forms");
    const throughputForms = await compareThroughput(sides, "forms");
    progress("latency: breast-cancer");
    const tiny = await compareLatency(sides, TINY, { warmUps: 300, pairs: 1500 });
    progress("latency: digits");
    const digits = await compareLatency(sides, DIGITS, { warmUps: 300, pairs: 1500 });
    progress("latency: ocr");
    const largest = await compareLatency(sides, LARGEST, { warmUps: 5, pairs: 150 });
    progress("latency: ocr with the receipt's other forms");
    const largestForms = await compareLatency({ ...sides, whole: sides.forms }, LARGEST, {
      warmUps: 5,
      pairs: 100,
    });
    progress("flushes to disk");
    const flushes = flushTimes(join(sides.whole.directory, "data"));
    const figures: Figure[] = [
      figure("p50.tiny", tiny.map(durable), LOWER),
      figure("p50.digits", digits.map(durable), LOWER),
      figure("p50.largest", largest.map(withoutCommit), { ...LOWER, aim: 1.01 }),
      figure("p50.largest_durable", largest.map(durable), LOWER),
      figure("p50.largest_forms", largestForms.map(withoutCommit), LOWER),
      figure("throughput.tiny", throughput, { unit: "ratio", better: "higher", aim: 0.6 }),
      figure("throughput.tiny_forms", throughputForms, { unit: "ratio", better: "higher" }),
      figure("fsync_ms", flushes, { unit: "ms", better: "lower" }),
    ];
    return { bench: "overhead", figures, notMeasured: [] };
  } finally {
    await sides.stop();
  }
}

function progress(text: string): void {
  process.stderr.write(`${text}\n`);
}

function requestOf(side: Side, { model, binary, inputs: own }: Load): Buffer {
  const example = readFileSync(new URL(`../models/zoo/${model}/example.json`, import.meta.url));
  const inputs = own ?? parseInferRequest(example).inputs;
  const { body, headerLength, contentType } = encodeInferRequest({ inputs }, { binary });
  const headers: Record<string, string> = {
    authorization: `Bearer ${side.apiKey}`,
    "content-type": contentType,
  };
  if (headerLength !== undefined) headers["inference-header-content-length"] = String(headerLength);
  return postBytes(side.url, `/v2/models/${model}/infer`, headers, body);
}

/** A bench of refusals, or of answers without their receipt, would look fast. */
function check(name: Name, { status, head, body }: Answer): void {
  if (status !== 200) throw new Error(`${name}: ${status} ${body.toString().slice(0, 300)}`);
  if (head.includes("\r\naffidavit-receipt:") !== (name !== "bare"))
    throw new Error(`${name}: the receipt is where it should not be, or missing`);
}

interface Pair {
  wholeMs: number;
  /** Of `wholeMs`, waiting for the statement's commit. */
  commitMs: number;
  bareMs: number;
}

const durable = ({ wholeMs, bareMs }: Pair): number => wholeMs / bareMs;
export const withoutCommit = ({ wholeMs, commitMs, bareMs }: Pair): number => (wholeMs - commitMs) / bareMs;

export async function compareLatency(
  sides: { whole: Side; bare: Side },
  load: Load,
  { warmUps, pairs }: { warmUps: number; pairs: number },
): Promise<Pair[]> {
  const wholes = await Connection.open(sides.whole.url);
  const bares = await Connection.open(sides.bare.url);
  const connections = { whole: wholes, bare: bares };
  const requests = { whole: requestOf(sides.whole, load), bare: requestOf(sides.bare, load) };
  const timed = async (name: "whole" | "bare"): Promise<{ tookMs: number; answer: Answer }> => {
    const begunMs = performance.now();
    const answer = await connections[name].send(requests[name]);
    const tookMs = performance.now() - begunMs;
    check(name, answer);
    return { tookMs, answer };
  };
  const samples: Pair[] = [];
  for (let i = -warmUps; i < pairs; i++) {
    // Alternate order: what one leaves in caches and frequencies is met by both.
    const firstBare = i % 2 === 0 ? await timed("bare") : undefined;
    const whole = await timed("whole");
    const bare = firstBare ?? (await timed("bare"));
    if (i >= 0)
      samples.push({ wholeMs: whole.tookMs, commitMs: commitOf(whole.answer), bareMs: bare.tookMs });
  }
  wholes.close();
  bares.close();
  return samples;
}

function commitOf({ head }: Answer): number {
  const text = /\r\nserver-timing:[^\r]*\bappend;dur=([0-9.]+)/.exec(head)?.[1];
  if (text === undefined) throw new Error("the service did not say how long the commit took");
  return Number(text);
}

function openAll(side: Side): Promise<Connection[]> {
  return Promise.all(Array.from({ length: CONNECTIONS }, () => Connection.open(side.url)));
}

/** Whole over bare, by pairs of slices in which the other side rests. */
export async function compareThroughput(
  sides: Sides,
  wholeName: "whole" | "forms",
  load: Load = TINY,
): Promise<number[]> {
  const wholes = { side: sides[wholeName], connections: await openAll(sides[wholeName]) };
  const bares = { side: sides.bare, connections: await openAll(sides.bare) };
  const slice = (name: Name): Promise<number> => {
    const { side, connections } = name === "bare" ? bares : wholes;
    return perSecond(name, connections, requestOf(side, load));
  };
  const ratios: number[] = [];
  for (let i = -WARM_UP_SLICES; i < SLICE_PAIRS; i++) {
    const firstBare = i % 2 === 0 ? await slice("bare") : undefined;
    const whole = await slice(wholeName);
    const bare = firstBare ?? (await slice("bare"));
    if (i < 0) continue;
    ratios.push(whole / bare);
    progress(`  ${Math.round(whole)} over ${Math.round(bare)} a second`);
  }
  for (const connection of [...wholes.connections, ...bares.connections]) connection.close();
  return ratios;
}

/** Answers a second with every connection always waiting for one. */
async function perSecond(name: Name, connections: Connection[], request: Buffer): Promise<number> {
  const begunMs = performance.now();
  let answered = 0;
  const work = async (connection: Connection): Promise<void> => {
    while (performance.now() - begunMs < SLICE_MS) {
      check(name, await connection.send(request));
      answered++;
    }
  };
  await Promise.all(connections.map(work));
  return (answered * 1000) / (performance.now() - begunMs);
}

/** What one page of a write-ahead log costs to reach the disk under the service's data directory. */
function flushTimes(directory: string): number[] {
  const file = openSync(join(directory, "flush-probe"), "wx", 0o600);
  const page = Buffer.alloc(WAL_PAGE_BYTES, 1);
  const timesMs: number[] = [];
  try {
    for (let i = 0; i < FLUSHES; i++) {
      const begunMs = performance.now();
      // Over the same pages again, as a log's recycled segments are.
      writeSync(file, page, 0, page.length, (i % 16) * page.length);
      fdatasyncSync(file);
      if (i >= 16) timesMs.push(performance.now() - begunMs);
    }
  } finally {
    closeSync(file);
  }
  return timesMs;
}
