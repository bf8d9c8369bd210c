/** A device's measurements against the manifests of its driver and VBIOS. */
import { equal } from "../../codec/index.ts";
import { AttestationError } from "../error.ts";
import { OPAQUE } from "../parse/nvidia-opaque.ts";
import type { GoldenMeasurement, Rim } from "../parse/nvidia-rim.ts";
import type { NvidiaReport } from "../parse/nvidia-spdm.ts";

/** Of the video decoder's firmware, which is not measured while the decoder is disabled. */
const NVDEC_INDEX = 35;
const NVDEC_DISABLED = 0x55;

/**
 * The golden measurements of several manifests as one.
 * @throws AttestationError `rim_index_conflict` where two manifests speak of one index
 */
function joined(rims: readonly Rim[]): readonly GoldenMeasurement[] {
  const all = new Map<number, GoldenMeasurement>();
  for (const { measurements } of rims) {
    for (const [index, measurement] of measurements) {
      if (all.has(index)) {
        throw new AttestationError("rim_index_conflict", `two manifests have a measurement ${index}`);
      }
      all.set(index, measurement);
    }
  }
  return [...all.values()];
}

function isDecoderOff({ opaque }: NvidiaReport): boolean {
  const status = opaque.get(OPAQUE.nvdec0);
  return status?.length === 1 && status[0] === NVDEC_DISABLED;
}

/**
 * That each active measurement of the manifests is in the report, with one of its values. A manifest's index i is the
 * report's block i + 1.
 * @returns how many were compared
 * @throws AttestationError `rim_index_conflict`, `rim_measurement_mismatch` naming the first indexes that differ
 */
export function verifyMeasurements(report: NvidiaReport, rims: readonly Rim[]): number {
  const golden = joined(rims);
  const runtime = new Map(report.measurements.map(({ index, value }) => [index - 1, value]));
  const compared = golden.filter(({ index }) => index !== NVDEC_INDEX || !isDecoderOff(report));
  const mismatched = compared.filter(({ index, alternatives }) => {
    const value = runtime.get(index);
    return value === undefined || !alternatives.some((good) => equal(good, value));
  });
  if (mismatched.length > 0) {
    const indexes = mismatched.slice(0, 8).map(({ index }) => index);
    throw new AttestationError(
      "rim_measurement_mismatch",
      `${mismatched.length} measurements differ from the manifests: ${indexes.join(", ")}`,
    );
  }
  return compared.length;
}
