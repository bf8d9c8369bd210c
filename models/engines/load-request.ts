/** The announcement of a model as the host reads it. Written by hand: a schema library would double the host's start. */
import type { ExecutionProvider, Reduction } from "../manifest.ts";
import { HostError } from "./failure.ts";
import { MAX_TENSORS_BYTES } from "./wire.ts";
import type { LoadRequest } from "./wire.ts";

const MAX_REQUEST_BYTES = 64 * 1024;
const MAX_WEIGHTS_BYTES = 2 ** 31 - 1;
const MAX_THREADS = 1024;
const MAX_REDUCTIONS = 16;
const MAX_NAME_LENGTH = 128;

/** As in the manifest, whose module the host does not load; the type holds the two together. */
const PROVIDERS: Record<ExecutionProvider, true> = {
  cpu: true,
  cuda: true,
  tensorrt: true,
  webgpu: true,
  dml: true,
  coreml: true,
  qnn: true,
};
const MEMBERS = ["model", "bytes", "executionProviders", "threads", "maxOutputBytes", "reductions"];
const REDUCTION_MEMBERS = ["output", "op", "index", "value"];

/** @throws HostError `engine_failed` where the pool would not write this */
export function parseLoadRequest(payload: Uint8Array): LoadRequest {
  if (payload.length > MAX_REQUEST_BYTES) throw refuse("is too long");
  const value = parseJson(payload);
  if (!hasExactly(value, MEMBERS)) throw refuse("has not its members");
  const { model, bytes, executionProviders, threads, maxOutputBytes, reductions } = value;
  return {
    model: integer("model", model, 0, 2 ** 32 - 1),
    bytes: integer("bytes", bytes, 1, MAX_WEIGHTS_BYTES),
    executionProviders: providers(executionProviders),
    threads: integer("threads", threads, 0, MAX_THREADS),
    maxOutputBytes: integer("maxOutputBytes", maxOutputBytes, 0, MAX_TENSORS_BYTES),
    reductions: parseReductions(reductions),
  };
}

function parseReductions(value: unknown): Reduction[] {
  if (!Array.isArray(value) || value.length > MAX_REDUCTIONS)
    throw refuse("has too many reductions, or none");
  const reductions = value.map((one: unknown): Reduction => {
    if (!hasExactly(one, REDUCTION_MEMBERS) || one.op !== "bestOfLast")
      throw refuse("has an unknown reduction");
    return { output: name(one.output), op: one.op, index: name(one.index), value: name(one.value) };
  });
  const names = reductions.flatMap(({ output, index, value: best }) => [output, index, best]);
  if (new Set(names).size !== names.length) throw refuse("names a reduced tensor twice");
  return reductions;
}

function parseJson(payload: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(payload).toString());
  } catch {
    throw refuse("is not JSON");
  }
}

function hasExactly(value: unknown, members: readonly string[]): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const found = Object.keys(value);
  return found.length === members.length && members.every((member) => Object.hasOwn(value, member));
}

function integer(member: string, value: unknown, least: number, most: number): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= least && value <= most) return value;
  throw refuse(`has a bad ${member}`);
}

function providers(value: unknown): ExecutionProvider[] {
  const known = (one: unknown): one is ExecutionProvider =>
    typeof one === "string" && Object.hasOwn(PROVIDERS, one);
  if (!Array.isArray(value) || value.length === 0 || value.length > Object.keys(PROVIDERS).length) {
    throw refuse("has a bad list of providers");
  }
  if (!value.every(known)) throw refuse("has an unknown provider");
  return value;
}

function name(value: unknown): string {
  if (typeof value === "string" && value.length > 0 && value.length <= MAX_NAME_LENGTH) return value;
  throw refuse("has a bad name in a reduction");
}

function refuse(reason: string): HostError {
  return new HostError("engine_failed", `the announcement of a model ${reason}`);
}
