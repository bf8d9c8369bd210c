/** The scalar field of BN254, over which the circuits are: elements are 32 bytes, below the modulus. Browser-safe. */
import { fromHex, toHex } from "../codec/index.ts";

/** EIP-196: the order of the group, the modulus of instances. */
export const FIELD_MODULUS: bigint =
  21888242871839275222246405745257275088548364400416034343698204186575808495617n;

const HALF = FIELD_MODULUS >> 1n;

/** 32 bytes big-endian: the form of `circuitInput`. */
export function toBigEndian(element: bigint): Uint8Array {
  return fromHex(element.toString(16).padStart(64, "0"));
}

/** 32 bytes little-endian: the form of instances. */
export function toLittleEndian(element: bigint): Uint8Array {
  return toBigEndian(element).toReversed();
}

export function fromBigEndian(bytes: Uint8Array): bigint {
  return BigInt(`0x${toHex(bytes)}`);
}

export function fromLittleEndian(bytes: Uint8Array): bigint {
  return fromBigEndian(bytes.toReversed());
}

/** The element that stands for an integer; a negative one is the modulus less its amount. */
export function fromInteger(value: bigint): bigint {
  return value < 0n ? value + FIELD_MODULUS : value;
}

/** The integer that an element below the modulus stands for: the upper half are the negative ones. */
export function toInteger(element: bigint): bigint {
  return element > HALF ? element - FIELD_MODULUS : element;
}
