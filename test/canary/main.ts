/**
 * Follows marks through a service: inputs, outputs, salts, weights, private keys. A workload of sealed requests with a crash in
 * it, then a search of everything that the vault's and the callers' memory do not hold: nothing may be found. And a search
 * that must find, since one that never finds anything shows nothing.
 */
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { temporaryDirectory } from "../folder.ts";
import { openStore } from "../service-store.ts";
import { findRole } from "../service-tree.ts";
import { Inspector } from "./inspector.ts";
import { clusterKeyMarks } from "./keys.ts";
import { patternsOf, type Mark } from "./marks.ts";
import { searchMemory } from "./memory.ts";
import { countHits, Search } from "./search.ts";
import { checkSearch } from "./self-check.ts";
import { plant, searchRows } from "./store.ts";
import { Workload } from "./workload.ts";

const faults: string[] = [];
const say = (line: string): void => void process.stdout.write(`${line}\n`);

function expectNone(what: string, search: Search): void {
  say(`${what}: ${search.hits.length} hits in ${(search.searchedBytes / 2 ** 20).toFixed(1)} MiB`);
  if (search.searchedBytes === 0) faults.push(`${what}: nothing was searched`);
  for (const [hit, count] of Object.entries(countHits(search.hits)))
    faults.push(`${what}: ${count} × ${hit}`);
}

function expectSome(what: string, search: Search): void {
  say(`control, ${what}: ${search.hits.length} hits`);
  if (search.hits.length === 0) faults.push(`${what}: the search did not find what is there`);
}

const searchFor = (marks: readonly Mark[]): Search => new Search(marks.flatMap(patternsOf));

/** The middle of the zoo's weights: in the service's process and its model folder, and nowhere else. */
function weightsMark(): Mark {
  const weights = readFileSync(new URL("../../models/zoo/digits/model.onnx", import.meta.url));
  const middle = Math.floor(weights.length / 2);
  return { name: "weights", bytes: weights.subarray(middle, middle + 64) };
}

function databaseFolder(directory: string): string[] {
  const data = join(directory, "data");
  const pointer = join(data, "postgres.place");
  return existsSync(pointer) ? [data, readFileSync(pointer, "utf8").trim()] : [data];
}

/** @returns the marks that stored bytes, logs and metrics must not hold */
async function searchStores(workload: Workload, directory: string, marks: readonly Mark[]): Promise<void> {
  const rows = searchFor(marks);
  const store = openStore(directory);
  try {
    await searchRows(store, rows);
    expectNone("database rows, job payloads among them", rows);
    const files = searchFor(marks);
    for (const folder of databaseFolder(directory)) files.folder(folder);
    expectNone("data directory and write-ahead log", files);

    const planted = { name: "planted", bytes: randomBytes(32) };
    await plant(store, planted.bytes);
    const controls = [searchFor([planted]), searchFor([planted])] as const;
    await searchRows(store, controls[0]);
    expectSome("a planted row", controls[0]);
    for (const folder of databaseFolder(directory)) controls[1].folder(folder);
    expectSome("a planted row in the files", controls[1]);
  } finally {
    await store.end();
  }
  const logs = searchFor(marks);
  logs.bytes(Buffer.from(workload.logs), "log");
  expectNone("log at level trace", logs);
  const metrics = searchFor(marks);
  metrics.bytes(Buffer.from(await (await fetch(`${workload.service.url}/metrics`)).text()), "metrics");
  expectNone("metrics", metrics);
}

async function searchCapture(workload: Workload, marks: readonly Mark[]): Promise<void> {
  // EHBP leaves headers in the clear, the API key among them.
  const sealed = searchFor(marks.filter(({ name }) => name !== "API key"));
  for (const flow of workload.captured()) sealed.bytes(flow, "capture");
  expectNone("capture of the hop without TLS", sealed);
  await workload.askInTheClear();
  const clear = searchFor(workload.marks.filter(({ name }) => name.startsWith("clear")));
  for (const flow of workload.captured()) clear.bytes(flow, "capture");
  expectSome("a request in the clear", clear);
}

/** Inputs and outputs are counted, and refused where they came by the sealed binary road. Keys must not be there at all. */
async function searchProcess(
  workload: Workload,
  keys: readonly Mark[],
  marks: readonly Mark[],
): Promise<void> {
  const { child } = workload.service;
  if (process.platform !== "linux" || process.geteuid!() !== 0) {
    say("memory: skipped, reading another process's memory takes Linux and root");
    return;
  }
  const inspector = await Inspector.of(workload.service.output());
  await inspector.collectGarbage();
  const found = searchFor(keys);
  searchMemory(child.pid!, found);
  expectNone("private keys in the service's memory", found);
  const vault = searchFor(keys);
  searchMemory(findRole(child.pid!, "vault"), vault);
  expectSome("private keys in the vault's memory", vault);

  const counted = searchFor(marks);
  searchMemory(child.pid!, counted);
  const strings = await inspector.liveStrings();
  inspector.close();
  for (const [hit, count] of Object.entries(countHits(counted.hits)))
    say(`counted, memory: ${count} × ${hit}`);
  let live = 0;
  for (const { name, bytes } of marks) {
    const text = Buffer.from(bytes).toString("latin1");
    const holders = strings.filter((string) => string.includes(text)).length;
    live += holders;
    if (holders > 0) say(`counted, memory: ${name} in ${holders} live strings`);
  }
  const binary = counted.hits.filter(({ mark }) => mark.startsWith("binary")).length;
  say(`inputs and outputs in the service's memory after collection: ${counted.hits.length}`);
  say(`of them ${binary} of the sealed binary road; held by live strings: ${live}`);
  if (binary > 0) faults.push(`the service's memory: ${binary} × of the sealed binary road`);
}

const folder = temporaryDirectory();
const workload = new Workload(folder.path);
try {
  checkSearch(faults);
  await workload.start();
  await workload.work();
  await workload.crash();
  await workload.work();
  const keys = clusterKeyMarks(join(folder.path, "vault"));
  const marks = [...workload.marks];
  await searchProcess(
    workload,
    keys,
    marks.filter(({ name }) => / (in|out)put/.test(name)),
  );
  await searchStores(workload, folder.path, [...marks, ...keys, weightsMark()]);
  await searchCapture(workload, [...marks, ...keys, weightsMark()]);
} catch (error) {
  faults.push(error instanceof Error ? error.stack! : String(error));
} finally {
  await workload.stop().catch((error: unknown) => faults.push(String(error)));
  folder.remove();
}
for (const fault of faults) process.stderr.write(`${fault}\n`);
say(faults.length === 0 ? "nothing leaked where it must not" : `${faults.length} faults`);
process.exitCode = faults.length === 0 ? 0 : 1;
