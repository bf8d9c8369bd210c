/**
 * Attestation reports of NVIDIA GPUs and NVSwitches: an SPDM 1.1 GET_MEASUREMENTS request and the MEASUREMENTS response to
 * it, one behind the other (DMTF DSP0274 1.1.1, sections 10.11.1 and 10.11.3; NVIDIA's opaque data). Integers are
 * little-endian. Nothing returned here is trusted yet: `verify/nvidia.ts` checks signature and chain.
 */
import { AttestationError } from "../error.ts";
import { ByteReader } from "./byte-reader.ts";
import { parseOpaqueData, type OpaqueData } from "./nvidia-opaque.ts";

/** One measurement block with a DMTF measurement in it. */
export interface SpdmMeasurement {
  /** From 1. */
  readonly index: number;
  /** DMTFSpecMeasurementValueType: bit 7 raw, bits 0 to 6 what is measured. */
  readonly type: number;
  readonly value: Uint8Array;
}

export interface NvidiaReport {
  /** What the verifier sent, 32 bytes; it is signed. */
  readonly requestNonce: Uint8Array;
  readonly slot: number;
  /** The device's own, 32 bytes. */
  readonly responseNonce: Uint8Array;
  readonly measurements: readonly SpdmMeasurement[];
  readonly opaque: OpaqueData;
  /** Request and response up to the signature. */
  readonly signed: Uint8Array;
  /** r ‖ s, 96 bytes. */
  readonly signature: Uint8Array;
  /** Bytes behind the signature: no part of the report. */
  readonly trailing: Uint8Array;
}

export interface SpdmField {
  readonly name: string;
  readonly offset: number;
  readonly byteLength: number;
}

/** The request, 37 bytes. */
export const REQUEST_FIELDS = [
  { name: "requestVersion", offset: 0, byteLength: 1 },
  { name: "requestCode", offset: 1, byteLength: 1 },
  { name: "requestAttributes", offset: 2, byteLength: 1 },
  { name: "measurementOperation", offset: 3, byteLength: 1 },
  { name: "requestNonce", offset: 4, byteLength: 32 },
  { name: "slotId", offset: 36, byteLength: 1 },
] as const satisfies readonly SpdmField[];

/** The head of the response, counted from the report's start. */
export const RESPONSE_FIELDS = [
  { name: "responseVersion", offset: 37, byteLength: 1 },
  { name: "responseCode", offset: 38, byteLength: 1 },
  { name: "responseParam1", offset: 39, byteLength: 1 },
  { name: "responseSlot", offset: 40, byteLength: 1 },
  { name: "numberOfBlocks", offset: 41, byteLength: 1 },
  { name: "measurementRecordLength", offset: 42, byteLength: 3 },
] as const satisfies readonly SpdmField[];

const SPDM_1_1 = 0x11;
const GET_MEASUREMENTS = 0xe0;
const MEASUREMENTS = 0x60;
const SIGNATURE_REQUESTED = 0x01;
const ALL_MEASUREMENTS = 0xff;
const DMTF = 0x01;
const SIGNATURE_BYTES = 96;
const MAX_REPORT_BYTES = 1 << 17;

function malformed(message: string): never {
  throw new AttestationError("spdm_malformed", `report: ${message}`);
}

function readVersion(reader: ByteReader): void {
  if (reader.u8() !== SPDM_1_1) {
    throw new AttestationError("spdm_version_unsupported", "the report is not of SPDM 1.1");
  }
}

function readRequest(reader: ByteReader): Pick<NvidiaReport, "requestNonce" | "slot"> {
  readVersion(reader);
  if (reader.u8() !== GET_MEASUREMENTS) malformed("the request is not GET_MEASUREMENTS");
  if ((reader.u8() & SIGNATURE_REQUESTED) === 0) malformed("no signature was requested");
  if (reader.u8() !== ALL_MEASUREMENTS) malformed("not all measurements were requested");
  const requestNonce = reader.take(32);
  return { requestNonce, slot: reader.u8() & 0x0f };
}

function readBlock(reader: ByteReader): SpdmMeasurement {
  const index = reader.u8();
  if (reader.u8() !== DMTF) malformed("a measurement is not of DMTF's form");
  const block = new ByteReader(reader.take(reader.uint(2)), malformed);
  const type = block.u8();
  const value = block.take(block.uint(2));
  block.finish();
  return { index, type, value };
}

function readMeasurements(reader: ByteReader): readonly SpdmMeasurement[] {
  const count = reader.u8();
  const record = new ByteReader(reader.take(reader.uint(3)), malformed);
  const measurements: SpdmMeasurement[] = [];
  const seen = new Set<number>();
  for (let i = 0; i < count; i++) {
    const measurement = readBlock(record);
    if (measurement.index === 0 || seen.has(measurement.index))
      malformed("a measurement's index is 0, or twice there");
    seen.add(measurement.index);
    measurements.push(measurement);
  }
  record.finish();
  return measurements;
}

/**
 * One report. Bytes behind the signature are handed out apart.
 * @throws AttestationError `spdm_malformed`, `spdm_version_unsupported`, `spdm_opaque_malformed`
 */
export function parseNvidiaReport(bytes: Uint8Array): NvidiaReport {
  if (bytes.length > MAX_REPORT_BYTES) malformed("too large");
  const reader = new ByteReader(bytes, malformed);
  const request = readRequest(reader);
  readVersion(reader);
  if (reader.u8() !== MEASUREMENTS) malformed("the response is not MEASUREMENTS");
  reader.take(2);
  const measurements = readMeasurements(reader);
  const responseNonce = reader.take(32);
  const opaque = parseOpaqueData(reader.take(reader.uint(2)));
  const signed = bytes.subarray(0, reader.offset);
  const signature = reader.take(SIGNATURE_BYTES);
  const trailing = reader.take(reader.left);
  return { ...request, responseNonce, measurements, opaque, signed, signature, trailing };
}
