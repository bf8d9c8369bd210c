/** A number's exact value times a power of ten, rounded half to even. Every FP16, FP32 and FP64 is a dyadic rational. */
import { ReceiptError } from "./error.ts";

const POWERS = Array.from({ length: 77 }, (_, scale) => 10n ** BigInt(scale));
const DOUBLE_POWERS = Array.from({ length: 13 }, (_, scale) => 10 ** scale);
const TWO_TO_52 = 2 ** 52;
const scratch = new DataView(new ArrayBuffer(8));

/** The value of an IEEE 754 binary16 from its 16 bits. */
export function fp16Value(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

function roundQuotient(numerator: bigint, shift: bigint): bigint {
  const quotient = numerator >> shift;
  const rest = numerator - (quotient << shift);
  const half = 1n << (shift - 1n);
  if (rest < half) return quotient;
  if (rest > half) return quotient + 1n;
  return quotient + (quotient & 1n);
}

/** By mantissa and exponent, for any finite double and any scale. */
export function roundScaledExact(value: number, scale: number): bigint {
  scratch.setFloat64(0, value);
  const bits = scratch.getBigUint64(0);
  const biased = Number((bits >> 52n) & 0x7ffn);
  const fraction = bits & (2n ** 52n - 1n);
  const mantissa = biased === 0 ? fraction : fraction | (2n ** 52n);
  const exponent = (biased === 0 ? 1 : biased) - 1075;
  const scaled = mantissa * POWERS[scale]!;
  const magnitude = exponent >= 0 ? scaled << BigInt(exponent) : roundQuotient(scaled, BigInt(-exponent));
  return value < 0 ? -magnitude : magnitude;
}

/**
 * A product of at most 24 + 28 significant bits (24 of an FP32, 28 of 5^12) is exact in a double, and so are its floor
 * and remainder: no big integers are needed up to scale 12.
 */
function roundScaledSingle(value: number, scale: number): bigint {
  const product = value * DOUBLE_POWERS[scale]!;
  if (Math.abs(product) >= TWO_TO_52) return BigInt(product);
  const floor = Math.floor(product);
  const rest = product - floor;
  if (rest < 0.5) return BigInt(floor);
  if (rest > 0.5) return BigInt(floor + 1);
  return BigInt(floor % 2 === 0 ? floor : floor + 1);
}

/**
 * @param value an integer, or a double
 * @param scale from 0 to 76
 * @param single the value is one of an FP32, FP16 or an integer of at most 32 bits
 * @throws ReceiptError `output_not_finite`
 */
export function roundScaled(value: number | bigint, scale: number, single: boolean): bigint {
  if (typeof value === "bigint") return value * POWERS[scale]!;
  if (!Number.isFinite(value))
    throw new ReceiptError("output_not_finite", "NaN or infinity has no fixed-point value");
  if (Number.isInteger(value) && Math.abs(value) < TWO_TO_52) return BigInt(value) * POWERS[scale]!;
  if (single && scale < DOUBLE_POWERS.length) return roundScaledSingle(value, scale);
  return roundScaledExact(value, scale);
}
