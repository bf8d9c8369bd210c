/** Where the service gets what a verifier needs beside its evidence: the publishers, by a cache on disk. */
import { join } from "node:path";
import { endorsementsBy, PUBLIC_SOURCES } from "../attestation/attest/index.ts";
import type { EvidenceType } from "../attestation/index.ts";
import type { Json } from "../codec/index.ts";
import type { VaultEvidence } from "../vault/index.ts";
import type { Config } from "./config.ts";

type Source = (evidence: VaultEvidence) => Promise<Json>;

/** @param fetch in place of the network's own */
export function endorsementSource(
  config: Pick<Config, "dataDirectory" | "pccsUrl" | "pcsKey">,
  fetch?: typeof globalThis.fetch,
): Source {
  const directory = join(config.dataDirectory, "endorsements");
  const { of } = endorsementsBy({ directory, sources: sourcesOf(config), ...(fetch && { fetch }) });
  return async ({ type, quote, certificates, gpu }) => {
    const cpu = await of({ type: type as EvidenceType, quote, certificates });
    return gpu ? { cpu, gpu: await of({ type: gpu.type as EvidenceType, quote: gpu.quote }) } : cpu;
  };
}

/** A PCCS answers for the root's CRL too, and wants no key. */
function sourcesOf({ pccsUrl, pcsKey }: Pick<Config, "pccsUrl" | "pcsKey">): typeof PUBLIC_SOURCES {
  const dcap =
    pccsUrl === undefined
      ? { ...PUBLIC_SOURCES.dcap, subscriptionKey: pcsKey }
      : { pcs: pccsUrl.replace(/\/$/, ""), rootCrl: undefined };
  return { ...PUBLIC_SOURCES, dcap };
}
