/** IEEE 754 binary16, by hand: `Float16Array` is missing from browsers that are still in use. */

const float64 = new Float64Array(1);
const bits = new BigUint64Array(float64.buffer);

/**
 * The nearest binary16 of a number, ties to even, as its 16 bits; values from 65520 become infinity.
 * Rounds once, from binary64: going through binary32 would round twice.
 */
export function toHalfBits(value: number): number {
  float64[0] = value;
  const sign = Number(bits[0]! >> 63n) << 15;
  if (Number.isNaN(value)) return 0x7e00;
  const magnitude = Math.abs(value);
  if (magnitude >= 65520) return sign | 0x7c00;
  // Below the smallest normal number the unit in the last place stays 2^-24.
  if (magnitude < 2 ** -14) return sign | roundHalfToEven(magnitude * 2 ** 24);
  float64[0] = magnitude;
  const exponent = Number((bits[0]! >> 52n) & 0x7ffn) - 1023;
  const mantissa = roundHalfToEven(magnitude * 2 ** (10 - exponent)) - 1024;
  // A mantissa that rounds up to 1024 carries into the exponent, which is what adding does.
  return sign | (((exponent + 15) << 10) + mantissa);
}

/** The number that 16 bits of binary16 stand for: exact. */
export function fromHalfBits(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 31;
  const mantissa = half & 1023;
  if (exponent === 31) return mantissa === 0 ? sign * Infinity : NaN;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  return sign * (1024 + mantissa) * 2 ** (exponent - 25);
}

function roundHalfToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest < 0.5) return floor;
  if (rest > 0.5) return floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}
