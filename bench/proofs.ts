/**
 * What proofs cost: EZKL's default settings beside the searched ones, the service's road from queue to bundle beside the raw
 * library, and what an inference waits for while a proof is made.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { toHex } from "../codec/index.ts";
import { manifestText, modelId, parseManifest } from "../models/client.ts";
import {
  buildCircuit,
  cacheDirectory,
  createEzklSystem,
  setUpProofSystem,
  signCircuitBinding,
  storeBinding,
  type EzklSystem,
  type StoredCircuit,
} from "../proofs/index.ts";
import { circuitElements } from "../proofs/commit.ts";
import { zooModel } from "../proofs/testing/models.ts";
import { temporaryDirectory } from "../test/folder.ts";
import { infer, smallCall } from "../test/service-load.ts";
import { startService, type RunningService } from "../test/service-process.ts";
import { figure, type Report } from "./report.ts";

const MODEL = "breast-cancer";
const DEFAULT_PAIRS = 3;
const ROAD_PAIRS = 15;
const SLICE_PAIRS = 7;
const SLICE_MS = 3000;
const OWNER_SECRET = new Uint8Array(32).fill(0x29);
const SALT = new Uint8Array(16).fill(1);
/** What EZKL's calibration starts from where nobody says otherwise. */
const DEFAULTS = { parameters: "fixed", scale: 7, decompositionBase: 16_384, decompositionLegs: 2 } as const;

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

interface Raw {
  witnessAndProveMs: number;
}

/** The library alone, in a worker of ours, at the priority that the service's provers have: what is compared is the road. */
async function raw(system: EzklSystem, directory: string, scale: number, elements: number[]): Promise<Raw> {
  const { stagesMs } = await system.proveIn(directory, scale, elements);
  return { witnessAndProveMs: stagesMs.witness! + stagesMs.prove! };
}

function elementsOf(inputScale: number): number[] {
  const { graph, samples } = zooModel(MODEL);
  const form = { inputs: graph.inputs, inputScale, inputRange: 2n ** 40n };
  return circuitElements(form, samples[0]!.inputs, SALT);
}

async function compareSettings(system: EzklSystem, tuned: StoredCircuit, folder: string): Promise<number[]> {
  const compiled = await system.compile(folder, zooModel(MODEL).graph, DEFAULTS);
  say(`EZKL's defaults: 2^${compiled.logrows} rows; searched: 2^${tuned.circuit.logrows}`);
  await system.generateSrs(join(folder, "kzg.srs"), compiled.logrows);
  await system.setup(folder);
  const ratios: number[] = [];
  for (let pair = 0; pair < DEFAULT_PAIRS; pair++) {
    const plain = await raw(system, folder, compiled.inputScale, elementsOf(compiled.inputScale));
    const { inputScale } = tuned.circuit;
    const searched = await raw(system, tuned.directory, inputScale, elementsOf(inputScale));
    ratios.push(plain.witnessAndProveMs / searched.witnessAndProveMs);
    say(`  ${Math.round(plain.witnessAndProveMs)} ms against ${Math.round(searched.witnessAndProveMs)} ms`);
  }
  return ratios;
}

interface Road {
  wholeMs: number;
  /** Of it, from the stage `witness` to `verify`, as the caller sees them: the library's two calls in this very proof. */
  libraryMs: number;
}

/** From the answer that promised the proof to its bundle in the caller's hands. */
async function road(service: RunningService): Promise<Road> {
  const call = smallCall(MODEL);
  const authorization = `Bearer ${service.apiKey}`;
  const answer = await fetch(`${service.url}/v2/models/${MODEL}/infer`, {
    method: "POST",
    headers: { authorization, "content-type": "application/json", "affidavit-assurance": "tee+zk" },
    body: new Uint8Array(call.body),
  });
  const id = answer.headers.get("affidavit-proof-id");
  if (!answer.ok || !id) throw new Error(`no proof was promised: ${answer.status} ${await answer.text()}`);
  const started = performance.now();
  const stream = await fetch(`${service.url}/v1/proofs/${id}/events`, { headers: { authorization } });
  const seenMs = new Map<string, number>();
  let events = "";
  for await (const part of stream.body as unknown as AsyncIterable<Uint8Array>) {
    const text = Buffer.from(part).toString();
    events += text;
    for (const [, stage] of text.matchAll(/"stage":"(\w+)"/g))
      if (!seenMs.has(stage!)) seenMs.set(stage!, performance.now() - started);
  }
  const bundle = await fetch(`${service.url}/v1/proofs/${id}/bundle`, { headers: { authorization } });
  if (!bundle.ok) throw new Error(`no bundle: ${bundle.status} ${events.slice(-500)}`);
  await bundle.text();
  // A stage that another event overtook was over at once.
  const libraryMs = seenMs.get("verify")! - (seenMs.get("witness") ?? seenMs.get("prove")!);
  return { wholeMs: performance.now() - started, libraryMs };
}

async function compareRoads(
  system: EzklSystem,
  tuned: StoredCircuit,
  service: RunningService,
): Promise<{ vsRaw: number[]; vsOwn: number[] }> {
  const { inputScale } = tuned.circuit;
  const elements = elementsOf(inputScale);
  const library = async () => (await raw(system, tuned.directory, inputScale, elements)).witnessAndProveMs;
  await road(service);
  await library();
  const [vsRaw, vsOwn]: [number[], number[]] = [[], []];
  let before = await library();
  for (let pair = 0; pair < ROAD_PAIRS; pair++) {
    const { wholeMs, libraryMs } = await road(service);
    const after = await library();
    // Before and after: what drifts weighs on both sides.
    const rawMs = (before + after) / 2;
    before = after;
    vsRaw.push(wholeMs / rawMs);
    vsOwn.push(wholeMs / libraryMs);
    const shown = [wholeMs, libraryMs, rawMs].map(Math.round);
    say(
      `  ${shown[0]} ms by the service, ${shown[1]} of them in the library; ${shown[2]} ms by the library alone`,
    );
  }
  return { vsRaw, vsOwn };
}

/** The 99th percentile of one caller's inferences, one after another. */
async function slice(service: RunningService): Promise<number> {
  const times: number[] = [];
  const end = performance.now() + SLICE_MS;
  while (performance.now() < end) {
    const started = performance.now();
    await infer(service, smallCall(MODEL));
    times.push(performance.now() - started);
  }
  times.sort((a, b) => a - b);
  return times[Math.floor(times.length * 0.99)]!;
}

async function proveUntil(service: RunningService, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) await road(service);
}

async function compareLatency(service: RunningService): Promise<number[]> {
  await slice(service);
  const ratios: number[] = [];
  for (let pair = 0; pair < SLICE_PAIRS; pair++) {
    const idleMs = await slice(service);
    const stop = new AbortController();
    const proofs = proveUntil(service, stop.signal);
    const provingMs = await slice(service);
    stop.abort();
    await proofs;
    ratios.push(provingMs / idleMs);
    say(`  p99 ${provingMs.toFixed(1)} ms while proving, ${idleMs.toFixed(1)} ms idle`);
  }
  return ratios;
}

async function start(folder: string, tuned: StoredCircuit, cache: string): Promise<RunningService> {
  await storeBinding(tuned, signCircuitBinding(tuned.circuit, BigInt(Date.now()), OWNER_SECRET));
  const config = join(folder, "config");
  mkdirSync(config, { mode: 0o700 });
  writeFileSync(join(config, "owner.key"), `${toHex(OWNER_SECRET)}\n`, { mode: 0o600 });
  const environment = {
    AFFIDAVIT_CACHE_DIR: cache,
    AFFIDAVIT_CIRCUITS_DIR: join(folder, "circuits"),
    AFFIDAVIT_PROVERS: "1",
  };
  return await startService({ directory: folder, environment });
}

export async function run(): Promise<Report> {
  const cache = cacheDirectory(process.env);
  const python = await setUpProofSystem(cache, { onProgress: say });
  const system = createEzklSystem({ python, workers: 1 });
  const folder = temporaryDirectory();
  try {
    say("building the circuit");
    const manifest = readFileSync(new URL(`../models/zoo/${MODEL}/manifest.json`, import.meta.url), "utf8");
    const { graph, samples } = zooModel(MODEL);
    const { stored } = await buildCircuit(system, {
      model: graph,
      modelId: modelId(manifestText(parseManifest(manifest))),
      parameters: "fixed",
      bound: 20_000_000n,
      inputRange: 8,
      samples,
      cache,
      directory: join(folder.path, "circuits"),
    });
    const plain = join(folder.path, "defaults");
    mkdirSync(plain);
    const settings = await compareSettings(system, stored, plain);
    const service = await start(folder.path, stored, cache);
    try {
      say("from queue to bundle");
      const roads = await compareRoads(system, stored, service);
      say("inferences while proving");
      const latency = await compareLatency(service);
      return {
        bench: "proofs",
        figures: [
          figure("prove.default_over_tuned", settings, { unit: "ratio", better: "higher", aim: 4 }),
          figure("prove.vs_raw", roads.vsRaw, { unit: "ratio", better: "lower", aim: 1.05 }),
          figure("prove.vs_own_stages", roads.vsOwn, { unit: "ratio", better: "lower", aim: 1.05 }),
          figure("inference.p99_under_proving", latency, { unit: "ratio", better: "lower", aim: 2 }),
        ],
        notMeasured: [],
      };
    } finally {
      await service.stop();
    }
  } finally {
    await system.close();
    folder.remove();
  }
}
