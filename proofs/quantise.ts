/**
 * Real numbers and the integers that stand for them in a circuit (docs/spec/proofs.md): q is the real value x 2^scale,
 * rounded to the nearest integer, halves away from zero. Browser-safe.
 */

/** Exact where |value| x 2^scale stays below 2^53. */
export function quantise(value: number, scale: number): number {
  const scaled = value * 2 ** scale;
  const whole = Math.trunc(scaled);
  const rounded = Math.abs(scaled - whole) >= 0.5 ? whole + Math.sign(scaled) : whole;
  return rounded + 0; // -0 is 0
}

/** The fixed-point units in which bounds and differences are counted: 10^-9. */
const NANO = 1_000_000_000n;
export const MAX_DIFFERENCE: bigint = 2n ** 64n - 2n;

/** A finite double as an exact fraction with a denominator of a power of two. */
function asFraction(value: number): { numerator: bigint; exponent: number } {
  let exponent = 0;
  let scaled = value;
  while (!Number.isInteger(scaled)) {
    scaled *= 2;
    exponent++;
  }
  return { numerator: BigInt(scaled), exponent };
}

/**
 * How far a float output lies from the circuit's: |value - q / 2^scale| in units of 10^-9, exact, rounded up; at most
 * 2^64 - 2. NaN and infinity are as far as can be.
 */
export function difference(value: number, q: bigint, scale: number): bigint {
  if (!Number.isFinite(value)) return MAX_DIFFERENCE;
  const { numerator, exponent } = asFraction(value);
  const denominator = 2n ** BigInt(exponent + scale);
  const signed = numerator * 2n ** BigInt(scale) - q * 2n ** BigInt(exponent);
  const amount = (signed < 0n ? -signed : signed) * NANO;
  const units = (amount + denominator - 1n) / denominator;
  return units > MAX_DIFFERENCE ? MAX_DIFFERENCE : units;
}
