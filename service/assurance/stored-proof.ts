/** A proof as it is kept: `instance count u32 ‖ instances (32 each) ‖ proof`, the count little-endian; sealed, since instances tell the output. */
import { concat } from "../../codec/index.ts";

export interface KeptProof {
  proof: Uint8Array;
  /** 32 bytes each, little-endian. */
  instances: readonly Uint8Array[];
}

export function encodeProof({ proof, instances }: KeptProof): Uint8Array {
  const count = new Uint8Array(4);
  new DataView(count.buffer).setUint32(0, instances.length, true);
  return concat(count, ...instances, proof);
}

/** Of bytes that `encodeProof` made, which their seal shows. */
export function decodeProof(bytes: Uint8Array): KeptProof {
  const count = new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint32(0, true);
  const end = 4 + 32 * count;
  const instances = Array.from({ length: count }, (_, i) => bytes.slice(4 + 32 * i, 36 + 32 * i));
  return { instances, proof: bytes.slice(end) };
}
