/** Prometheus metrics in a registry of their own. Labels come from fixed lists and manifests, never from a caller. */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import type { Engine } from "../models/index.ts";
import { registerEngineMetrics } from "./engine-metrics.ts";

const METHODS = new Set(["GET", "HEAD", "POST", "OPTIONS"]);
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

export interface Metrics {
  readonly registry: Registry;
  /** `route` is the pattern of a registered route, or `unmatched`. */
  request(method: string, route: string, status: number, seconds: number): void;
  /** `model` and `version` are a manifest's, or `unknown`; `outcome` is `ok` or a problem's code. */
  inference(model: string, version: string, outcome: string): void;
  inFlight(count: number): void;
  /** A tenant's limit refused a request; whose is not told. */
  limited(limit: "rate" | "concurrency" | "month"): void;
}

/**
 * @param options.process adds Node's own figures (memory, event loop, garbage collection)
 * @param options.engine adds the engine's: hosts, models, runs and failures, by provider and adapter
 */
export function createMetrics(options: { process: boolean; engine?: Pick<Engine, "stats"> }): Metrics {
  const registry = new Registry();
  const registers = [registry];
  if (options.process) collectDefaultMetrics({ register: registry, prefix: "affidavit_" });
  const { engine } = options;
  if (engine) registerEngineMetrics(registry, () => engine.stats());
  const requests = new Counter({
    name: "affidavit_http_requests_total",
    help: "HTTP requests answered",
    labelNames: ["method", "route", "status"],
    registers,
  });
  const durations = new Histogram({
    name: "affidavit_http_request_duration_seconds",
    help: "Time from a request's head to its answer",
    labelNames: ["route"],
    buckets: SECONDS,
    registers,
  });
  const inferences = new Counter({
    name: "affidavit_inferences_total",
    help: "Inferences by model and outcome",
    labelNames: ["model", "version", "outcome"],
    registers,
  });
  const limited = new Counter({
    name: "affidavit_limited_total",
    help: "Requests that a tenant's limit refused",
    labelNames: ["limit"],
    registers,
  });
  const inFlight = new Gauge({ name: "affidavit_http_in_flight", help: "HTTP requests running", registers });
  return {
    registry,
    request(method, route, status, seconds) {
      requests.inc({ method: METHODS.has(method) ? method : "other", route, status });
      durations.observe({ route }, seconds);
    },
    inference: (model, version, outcome) => inferences.inc({ model, version, outcome }),
    inFlight: (count) => inFlight.set(count),
    limited: (limit) => limited.inc({ limit }),
  };
}
