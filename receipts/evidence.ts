/**
 * What a `Keyset` statement's `evidenceDigest` is of: the quote alone, or, where more was collected with it, an index that
 * names all of it. Parsing trusts nothing.
 */
import { CodecError, fromUtf8, jcs, sha256, sha384, toHex, utf8, type Json } from "../codec/index.ts";
import { Shape } from "./shape.ts";

/** Models that were measured into a register of the TEE, from what it held before. */
export interface MeasuredModels {
  /** RTMR3 on TDX. */
  readonly register: 3;
  /** What the register held before the first: 48 bytes. */
  readonly before: Uint8Array;
  /** In order, 32 bytes each. */
  readonly modelIds: readonly Uint8Array[];
}

export interface EvidenceParts {
  readonly quote: Uint8Array;
  /** Of the machine's GPUs, over `gpuNonce`: NVIDIA's evidence list for `nvidia-gpu`. */
  readonly gpu?: { readonly type: string; readonly quote: Uint8Array } | undefined;
  readonly measuredModels?: MeasuredModels | undefined;
}

export const MAX_GPU_EVIDENCE_BYTES = 1024 * 1024;
export const MAX_MEASURED_MODELS = 256;
const MAX_INDEX_LENGTH = 32 * 1024;
const START = '{"affidavit":"evidence.v1",';

/** The event that a model is measured by: sha384("affidavit.model.v1" ‖ modelId), 48 bytes. */
export function modelEventDigest(modelId: Uint8Array): Uint8Array {
  return sha384(utf8("affidavit.model.v1"), modelId);
}

/** What the register holds after them: each extends it by SHA-384 of its value and the event's digest; 48 bytes. */
export function replayMeasuredModels({ before, modelIds }: MeasuredModels): Uint8Array {
  return modelIds.reduce((value, modelId) => sha384(value, modelEventDigest(modelId)), before);
}

/** The index's bytes, JCS; undefined where the quote is all there is. */
export function evidenceIndex({ quote, gpu, measuredModels }: EvidenceParts): Uint8Array | undefined {
  if (!gpu && !measuredModels) return undefined;
  const index: Json = {
    affidavit: "evidence.v1",
    gpu: gpu ? { sha256: toHex(sha256(gpu.quote)), type: gpu.type } : null,
    measuredModels: measuredModels ? measuredToJson(measuredModels) : null,
    quote: toHex(sha256(quote)),
  };
  return utf8(jcs(index));
}

/** sha256 of the index, or of the quote where there is none: 32 bytes. */
export function evidenceDigest(parts: EvidenceParts): Uint8Array {
  return sha256(evidenceIndex(parts) ?? parts.quote);
}

export interface EvidenceIndex {
  /** SHA-256 of the quote: 32 bytes. */
  readonly quote: Uint8Array;
  readonly gpu: { readonly type: string; readonly sha256: Uint8Array } | undefined;
  readonly measuredModels: MeasuredModels | undefined;
}

/**
 * A stored document that an `evidenceDigest` names.
 * @returns undefined where it is no index, but a quote
 * @throws ReceiptError `bundle_invalid`
 */
export function parseEvidenceIndex(bytes: Uint8Array): EvidenceIndex | undefined {
  const start = utf8(START);
  if (!start.every((byte, i) => bytes[i] === byte)) return undefined;
  const shape: Shape = new Shape("bundle_invalid");
  const document = shape.json(textOf(shape, bytes), MAX_INDEX_LENGTH);
  const index = shape.object(document, ["affidavit", "gpu", "measuredModels", "quote"], "evidence index");
  const gpu = index.gpu === null ? undefined : shape.object(index.gpu, ["sha256", "type"], "gpu");
  return {
    quote: shape.hex(index.quote, 32, "quote", ""),
    gpu: gpu && {
      type: shape.token(gpu.type, 32, "gpu.type"),
      sha256: shape.hex(gpu.sha256, 32, "gpu.sha256", ""),
    },
    measuredModels:
      index.measuredModels === null ? undefined : readMeasured(shape, index.measuredModels, "measuredModels"),
  };
}

function textOf(shape: Shape, bytes: Uint8Array): string {
  try {
    return fromUtf8(bytes);
  } catch (error) {
    if (error instanceof CodecError) shape.fail("evidence index", error.message);
    throw error;
  }
}

export function measuredToJson({ register, before, modelIds }: MeasuredModels): { [member: string]: Json } {
  return { before: toHex(before), modelIds: modelIds.map(toHex), register };
}

export function readMeasured(shape: Shape, value: unknown, path: string): MeasuredModels {
  const members = shape.object(value, ["before", "modelIds", "register"], path);
  if (members.register !== 3) shape.fail(`${path}.register`, "not 3");
  return {
    register: 3,
    before: shape.hex(members.before, 48, `${path}.before`, ""),
    modelIds: shape
      .list(members.modelIds, MAX_MEASURED_MODELS, `${path}.modelIds`)
      .map((id) => shape.hex(id, 32, `${path}.modelIds`, "")),
  };
}
