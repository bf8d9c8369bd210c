/** The pool's limits with their defaults filled in. */
import type { EnginePoolOptions } from "./engine.ts";

const MIB = 1024 * 1024;

const DEFAULTS = {
  hosts: 1,
  spareHosts: 1,
  maxQueued: 1024,
  maxHeldBytes: 256 * MIB,
  maxWaitMs: 30_000,
  pipelineDepth: 8,
  stallMs: 250,
  loadTimeoutMs: 120_000,
  maxModelBytes: 2048 * MIB,
  maxHostBytes: 4096 * MIB,
  maxOutputBytes: 64 * MIB,
  devices: [],
  executionProviders: ["cpu"],
  threads: 1,
  environment: {},
  breakerFailures: 3,
} as const satisfies EnginePoolOptions;

export type Limits = Required<EnginePoolOptions>;

export function fillOptions(options: EnginePoolOptions): Limits {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return { ...DEFAULTS, ...(Object.fromEntries(given) as EnginePoolOptions) };
}
