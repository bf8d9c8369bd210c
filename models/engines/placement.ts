/** Which host a waiting run goes to. Pure: looks, and changes nothing. */
import type { Limits } from "./options.ts";
import type { Run } from "./run.ts";
import type { HostSlot } from "./slot.ts";

/** Runs are sent ahead only while a host's expected work stays below this. */
const PIPELINE_MS = 4;

export type Placement =
  /** To this host, which has the model. */
  | { kind: "send"; slot: HostSlot }
  /** This host is free: load the model, then look again. */
  | { kind: "load"; slot: HostSlot }
  /** Nothing now, and nothing behind it for the same hosts may pass: the next free one is this run's. */
  | { kind: "wait" }
  /** Nothing now for this model; others may pass. */
  | { kind: "pass" };

export function place(run: Run, slots: readonly HostSlot[], nowMs: number, limits: Limits): Placement {
  const { state } = run;
  const stalls = slots.some(
    (slot) => slot.head?.state === state && nowMs - slot.headSinceMs > limits.stallMs,
  );
  let free: HostSlot | undefined;
  let rested: HostSlot | undefined;
  let pipelined: HostSlot | undefined;
  let loading = false;
  let barred = false;
  for (const slot of slots) {
    if (!slot.serves(state)) continue;
    if (slot.loading === state) loading = true;
    if (!slot.ready || slot.loading || slot.killedFor || nowMs < slot.restsUntilMs) continue;
    if (slot.spare && stalls) {
      barred = true;
      continue;
    }
    const loaded = slot.usable(state, nowMs) !== undefined;
    if (slot.outstanding.length === 0) {
      if (!loaded) free ??= slot;
      else if (slot.device === undefined) return { kind: "send", slot };
      // Of several devices the one that has rested longest, so that all get their share.
      else if (rested === undefined || slot.idleSinceMs < rested.idleSinceMs) rested = slot;
    } else if (loaded && takesAhead(slot, run, nowMs, limits)) pipelined ??= slot;
  }
  if (rested) return { kind: "send", slot: rested };
  if (pipelined) return { kind: "send", slot: pipelined };
  if (loading) return { kind: "pass" };
  if (free) return { kind: "load", slot: free };
  return { kind: barred ? "pass" : "wait" };
}

/** A run may wait inside a host only behind known, short runs, so that it loses little where one of them hangs. */
function takesAhead(slot: HostSlot, run: Run, nowMs: number, limits: Limits): boolean {
  if (slot.outstanding.length >= limits.pipelineDepth) return false;
  if (nowMs - slot.headSinceMs > limits.stallMs) return false;
  let expectedMs = run.state.estimateMs ?? Infinity;
  for (const { state } of slot.outstanding) expectedMs += state.estimateMs ?? Infinity;
  return expectedMs <= PIPELINE_MS;
}
