/** A model's way into a host: weights read, room made, sent over, and the graph held against the manifest. */
import { ModelError } from "../errors.ts";
import type { LoadedModel } from "./engine.ts";
import { executionRecord } from "./execution.ts";
import { checkGraph } from "./graph.ts";
import type { Hosts } from "./hosts.ts";
import type { ModelState } from "./model-state.ts";
import type { Limits } from "./options.ts";
import type { HostSlot, Loaded } from "./slot.ts";
import type { Usages } from "./usage.ts";
import { MAX_TENSORS_BYTES } from "./wire.ts";

interface Pool {
  hosts: Pick<Hosts, "makeRoom">;
  limits: Limits;
  usages: Usages;
}

/**
 * @throws ModelError where something about the model is at fault, `graph_mismatch` included; any other error is the
 *   host's
 */
export async function loadInto(slot: HostSlot, state: ModelState, pool: Pool): Promise<Loaded> {
  const { bytes } = state.model.manifest.weights;
  const { limits } = pool;
  if (bytes > limits.maxModelBytes) {
    throw new ModelError("model_unavailable", `${state.label} is larger than an engine host may hold`);
  }
  const weights = await readWeights(state.model);
  try {
    return await send(weights, slot, state, pool);
  } finally {
    if (state.model.sealed) weights.fill(0);
  }
}

async function send(
  weights: Uint8Array,
  slot: HostSlot,
  state: ModelState,
  { hosts, limits, usages }: Pool,
): Promise<Loaded> {
  const { manifest } = state.model;
  const bytes = weights.length;
  if (slot.loaded.delete(state)) await slot.process.unload(state.number);
  await hosts.makeRoom(slot, bytes);
  const nowMs = performance.now();
  const request = {
    model: state.number,
    bytes,
    executionProviders: state.providers(nowMs),
    threads: limits.threads,
    maxOutputBytes: Math.min(limits.maxOutputBytes, MAX_TENSORS_BYTES),
    reductions: manifest.reduce ?? [],
  };
  const reply = await slot.process.load(request, weights);
  checkGraph(manifest, reply);
  const { provider, adapter, cpuOperations } = reply;
  const skipped = [...state.heldBack(nowMs), ...reply.skipped];
  return {
    bytes,
    usedAtMs: performance.now(),
    execution: executionRecord(reply, limits.threads),
    placement: { provider, adapter, cpuOperations, skipped },
    usage: usages.of(provider, adapter),
    retryAtMs: state.retryAtMs(nowMs),
  };
}

async function readWeights(model: LoadedModel): Promise<Uint8Array> {
  try {
    return await model.weights();
  } catch (cause) {
    if (cause instanceof ModelError) throw cause;
    throw new ModelError("model_unavailable", "the model's weights cannot be read", { cause });
  }
}
