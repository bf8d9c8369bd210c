/** What a chain's contracts want to see of a service, by HTTP. All of it is public, and nothing is believed here. */
import { fromUtf8 } from "../../codec/index.ts";
import { fetchConsistency } from "../audit/consistency.ts";
import { getBytes, httpSource } from "../monitor/source.ts";
import type { CheckpointSource } from "./anchor.ts";
import type { CircuitSource } from "./offered-circuit.ts";
import type { AskAttestation } from "./register.ts";

const MAX_ATTESTATION_BYTES = 4 * 1024 * 1024;
const MAX_STATEMENT_BYTES = 8192;
const MAX_CIRCUITS_BYTES = 4 * 1024 * 1024;

export interface ChainSource extends CheckpointSource, CircuitSource {
  attestation: AskAttestation;
}

/** @throws AffidavitError `server_unreachable`, `server_timeout`, `server_error`, `server_response_invalid` from each */
export function chainSource(url: string, request: typeof fetch = fetch): ChainSource {
  const base = url.replace(/\/$/, "");
  const log = httpSource(url, request);
  const text = async (path: string, maxBytes: number) =>
    fromUtf8(await getBytes(request, `${base}${path}`, maxBytes));
  return {
    attestation: (nonce) => text(`/v1/attestation?nonce=${nonce}`, MAX_ATTESTATION_BYTES),
    checkpoint: () => text("/v1/chain/checkpoint", MAX_STATEMENT_BYTES),
    consistency: (first, second) => fetchConsistency(log, first, second),
    circuits: () => text("/v1/circuits", MAX_CIRCUITS_BYTES),
    document: (digest) => log.document(digest),
    keyset: async (digest) => fromUtf8(await log.document(digest)),
  };
}
