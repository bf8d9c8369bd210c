/** Endorsements for evidence of any kind, simulated ones included, which nobody publishes. */
import type { Json } from "../../codec/index.ts";
import { cachedAsk } from "../endorsements/fetch-cache.ts";
import { createAsk } from "../endorsements/fetch-http.ts";
import {
  fetchEndorsements,
  PUBLIC_SOURCES,
  type EndorsedEvidence,
  type EndorsementSources,
} from "../endorsements/fetch.ts";
import { createDiskStore } from "./endorsement-store.ts";
import { isSimulatedGpuEvidence } from "./gpu.ts";
import { isSimulatedEvidence } from "./origin.ts";
import { simulatedGpuEndorsements } from "./simulated-nvidia.ts";
import { simulatedCollateral } from "./simulated-platform.ts";

export interface EndorsementOptions {
  /** Where fetched ones are kept. */
  readonly directory: string;
  readonly sources?: EndorsementSources;
  readonly fetch?: typeof globalThis.fetch;
  readonly timeoutMs?: number;
  readonly nowMs?: () => number;
}

/** @throws by each call EndorsementError, AttestationError, X509Error */
export function endorsementsBy(options: EndorsementOptions): {
  of(evidence: EndorsedEvidence): Promise<Json>;
  settled(): Promise<void>;
} {
  const { directory, sources = PUBLIC_SOURCES, nowMs = Date.now } = options;
  const cached = cachedAsk(createAsk(options), { store: createDiskStore({ directory }), nowMs });
  return {
    async of(evidence) {
      const { type, quote } = evidence;
      if (type === "nvidia-gpu" && isSimulatedGpuEvidence(quote)) return simulatedGpuEndorsements();
      if (isSimulatedEvidence(type, quote)) return simulatedCollateral(new Date(nowMs())) as Json;
      return await fetchEndorsements(evidence, cached.ask, sources);
    },
    settled: () => cached.settled(),
  };
}
