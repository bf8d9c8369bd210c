/** Attesters: what makes evidence. Node only; verifiers are in `attestation/index.ts`. */
import type { Json } from "../../codec/index.ts";
import type { EvidenceType } from "../appraise/appraisal.ts";
import { AttestationError } from "../error.ts";
import { createSimulatedAttester } from "./simulated.ts";

export interface Attester {
  readonly type: EvidenceType;
  readonly name: string;
  /** Whether the evidence proves nothing, being made without hardware. */
  readonly simulated: boolean;
  /** Evidence over 64 bytes of report data. @throws AttestationError `report_data_size` */
  quote(reportData: Uint8Array): Promise<Uint8Array>;
  /** What a verifier needs beside the evidence to check it at `now`. */
  endorsements(now: Date): Promise<Json>;
}

/** `auto`, or an attester's name. */
export type AttesterKind = "auto" | "simulated";

/**
 * The attester of this name, or with `auto` that of the hardware found. A simulated one is only made when asked for.
 * @throws AttestationError `attester_unavailable`
 */
export function createAttester(kind: AttesterKind): Attester {
  if (kind === "simulated") return createSimulatedAttester();
  throw new AttestationError(
    "attester_unavailable",
    "no attestation hardware that this version can use was found; ask for the simulated TEE by name to go without",
  );
}
