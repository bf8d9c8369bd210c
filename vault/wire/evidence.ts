/** The layouts of evidence and of what is collected and measured with it. */
import { MAX_GPU_EVIDENCE_BYTES, MAX_MEASURED_MODELS, type MeasuredModels } from "../../receipts/index.ts";
import { block, bytes, flag, list, nullable, record, text, type Shape } from "./shape.ts";

/** What makes evidence. */
export interface AttesterInfo {
  type: string;
  name: string;
  simulated: boolean;
}

/** Evidence for the installed keyset. */
export interface QuotedEvidence {
  type: string;
  quote: Uint8Array;
  /** DER, as the host gave them beside the quote; not verified. */
  certificates: readonly Uint8Array[];
  /** Of the GPUs, over the keyset's GPU nonce; null where none are attested. */
  gpu: { type: string; quote: Uint8Array } | null;
  /** Models in the register that the quote shows; null where there are none, or somebody else extended it too. */
  measuredModels: MeasuredModels | null;
}

export const attesterInfo = record<AttesterInfo>({ type: text(64), name: text(256), simulated: flag });

const MAX_CERTIFICATE_BYTES = 16_384;

/** One register so far: RTMR3. */
const measured = record<Omit<MeasuredModels, "register">>({
  before: bytes(48),
  modelIds: list(bytes(32), MAX_MEASURED_MODELS),
});

const measuredModels: Shape<MeasuredModels> = {
  write: (parts, value) => measured.write(parts, value),
  read: (cursor) => ({ register: 3, ...measured.read(cursor) }),
};

export const quotedEvidence = record<QuotedEvidence>({
  type: text(64),
  quote: block(128 * 1024),
  certificates: list(block(MAX_CERTIFICATE_BYTES), 8),
  gpu: nullable(
    record<{ type: string; quote: Uint8Array }>({ type: text(64), quote: block(MAX_GPU_EVIDENCE_BYTES) }),
  ),
  measuredModels: nullable(measuredModels),
});
