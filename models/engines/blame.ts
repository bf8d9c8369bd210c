/** Whether a failure is a provider's or its device's rather than the model's. */
import type { ModelError, ModelErrorCode } from "../errors.ts";
import type { ModelState } from "./model-state.ts";
import type { HostSlot } from "./slot.ts";

const PROVIDER_FAULTS = new Set<ModelErrorCode>(["engine_provider_failed", "engine_device_lost"]);

/** Of a run: its host is of no use after it. */
export function isProviderFault({ code }: ModelError): boolean {
  return PROVIDER_FAULTS.has(code);
}

/** Of a load: another device may do better. */
export function isDeviceFault({ code }: ModelError): boolean {
  return PROVIDER_FAULTS.has(code) || code === "engine_adapter_missing";
}

/**
 * Whether a host's death is laid on the provider that it used, and the model's next host leaves that one out. So it is
 * where it was killed for nothing else and another provider is configured.
 */
export function blamesProvider(slot: HostSlot, culprit: ModelState, nowMs: number): boolean {
  // A channel that breaks while something is asked is a death, too.
  if (slot.killedFor !== undefined && slot.killedFor !== "protocol") return false;
  const provider = slot.loaded.get(culprit)?.placement.provider ?? culprit.providers(nowMs)[0];
  return provider !== undefined && provider !== "cpu" && culprit.holdBack(provider, nowMs);
}
