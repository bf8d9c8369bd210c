/** A look at a graph by an engine host of its own, which dies with the look. */
import { ModelError } from "../errors.ts";
import type { Manifest } from "../manifest.ts";
import { checkGraph } from "./graph.ts";
import { HostProcess } from "./process.ts";

const LIMIT_MS = 120_000;

/**
 * Whether the engine loads the graph and finds the manifest's inputs and outputs in it.
 * @throws ModelError `graph_invalid`, `graph_mismatch`, `engine_crashed`, `engine_timeout`
 */
export async function inspectGraph(manifest: Manifest, onnx: Uint8Array): Promise<void> {
  const host = new HostProcess({});
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    host.kill();
  }, LIMIT_MS);
  try {
    const request = {
      model: 1,
      bytes: onnx.length,
      executionProviders: ["cpu" as const],
      threads: 1,
      maxOutputBytes: 0,
      reductions: manifest.reduce ?? [],
    };
    checkGraph(manifest, await host.load(request, onnx));
  } catch (cause) {
    if (cause instanceof ModelError) throw cause;
    if (late) throw new ModelError("engine_timeout", "the engine did not load the graph in time", { cause });
    throw new ModelError("engine_crashed", "the engine died of the graph", { cause });
  } finally {
    clearTimeout(timer);
    host.kill();
    await host.gone;
  }
}
