/** Building NVIDIA's attestation reports from their parts, by the layout that `parse/nvidia-spdm.ts` reads. */
import { concat } from "../../codec/index.ts";

export interface SpdmContent {
  /** 32 bytes. */
  readonly nonce: Uint8Array;
  /** Values of blocks 1, 2, 3…, 48 bytes each. */
  readonly measurements: readonly Uint8Array[];
  /** The device's own nonce, 32 bytes. */
  readonly responseNonce: Uint8Array;
  /** NVIDIA's fields by type. */
  readonly opaque: ReadonlyMap<number, Uint8Array>;
}

export function littleEndian(value: number, byteLength: number): Uint8Array {
  return Uint8Array.from({ length: byteLength }, (_, i) => Math.floor(value / 256 ** i) % 256);
}

function opaqueField(type: number, value: Uint8Array): Uint8Array {
  return concat(littleEndian(type, 2), littleEndian(value.length, 2), value);
}

/** A block of DMTF's form: an immutable ROM's digest. */
export function measurementBlock(index: number, value: Uint8Array): Uint8Array {
  const body = concat(Uint8Array.of(1), littleEndian(value.length, 2), value);
  return concat(Uint8Array.of(index, 1), littleEndian(body.length, 2), body);
}

/** GET_MEASUREMENTS and MEASUREMENTS up to the signature (DMTF DSP0274 1.1.1, section 10.11). */
export function unsignedSpdm({ nonce, measurements, responseNonce, opaque }: SpdmContent): Uint8Array {
  const record = concat(...measurements.map((value, i) => measurementBlock(i + 1, value)));
  const fields = concat(...[...opaque].map(([type, value]) => opaqueField(type, value)));
  return concat(
    Uint8Array.of(0x11, 0xe0, 0x01, 0xff),
    nonce,
    Uint8Array.of(0),
    Uint8Array.of(0x11, 0x60, 0, 0, measurements.length),
    littleEndian(record.length, 3),
    record,
    responseNonce,
    littleEndian(fields.length, 2),
    fields,
  );
}
