/** Where the service gets what a verifier needs beside its evidence: the publishers, by a cache on disk. */
import { join } from "node:path";
import { endorsementsBy, PUBLIC_SOURCES } from "../attestation/attest/index.ts";
import type { EvidenceType } from "../attestation/index.ts";
import type { Json } from "../codec/index.ts";
import type { VaultEvidence } from "../vault/index.ts";
import type { Config } from "./config.ts";

type Source = (evidence: VaultEvidence) => Promise<Json>;

export function endorsementSource(config: Pick<Config, "dataDirectory" | "pccsUrl">): Source {
  const { pccsUrl } = config;
  const sources = pccsUrl === undefined ? PUBLIC_SOURCES : withPccs(pccsUrl);
  const { of } = endorsementsBy({ directory: join(config.dataDirectory, "endorsements"), sources });
  return async ({ type, quote, certificates, gpu }) => {
    const cpu = await of({ type: type as EvidenceType, quote, certificates });
    return gpu ? { cpu, gpu: await of({ type: gpu.type as EvidenceType, quote: gpu.quote }) } : cpu;
  };
}

/** A PCCS answers for the root's CRL too. */
function withPccs(url: string): typeof PUBLIC_SOURCES {
  return { ...PUBLIC_SOURCES, dcap: { pcs: url.replace(/\/$/, ""), rootCrl: undefined } };
}
