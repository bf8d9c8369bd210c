/**
 * How far the outputs of two runs of one model lie apart, element by element: what a re-execution on other hardware can
 * say where the bits differ. A tolerance is the model's own (`tolerance` of its manifest); being within it makes two runs
 * close, not the same. Browser-safe.
 */
import type { Datatype, Tensor } from "../receipts/index.ts";
import type { Manifest } from "./manifest.ts";
import { fromHalfBits } from "./oip/half.ts";

export type Tolerance = NonNullable<Manifest["tolerance"]>;

/** The `difference` of a statement in which nothing was compared. */
export const NOT_COMPARED = 2n ** 64n - 1n;
/** Whatever is larger, and a NaN or an infinity that only one run has. */
const LARGEST_NANOS = NOT_COMPARED - 1n;
const NANO = 1e9;

export interface OutputDifference {
  name: string;
  /** Infinity where one run has a NaN or an infinity that the other has not, or other bytes in a BYTES output. */
  maxAbsolute: number;
  /** Of the first run's magnitude, over the elements that it has not as zero. */
  maxRelative: number;
  /** Elements outside the tolerance; 0 without one. */
  outside: number;
}

export interface Difference {
  /** Largest absolute difference in units of 10^-9, rounded up: 0 only where all numbers are equal. */
  largestNanos: bigint;
  /** Whether each element is within absolute + relative · |first|; undefined without a tolerance. */
  within: boolean | undefined;
  /** Empty where names, datatypes or shapes differ: then `largestNanos` is `NOT_COMPARED`. */
  outputs: OutputDifference[];
}

/** The tolerance as a statement carries it: its absolute part in units of 10^-9, rounded down. */
export function toleranceNanos({ absolute }: Tolerance): bigint {
  return absolute * NANO < Number(LARGEST_NANOS) ? BigInt(Math.floor(absolute * NANO)) : LARGEST_NANOS;
}

/** @param first the run that was signed; relative differences are relative to it */
export function compareOutputs(
  first: readonly Tensor[],
  second: readonly Tensor[],
  tolerance?: Tolerance,
): Difference {
  const alike =
    first.length === second.length && first.every((tensor, index) => isAlike(tensor, second[index]!));
  if (!alike) return { largestNanos: NOT_COMPARED, within: tolerance && false, outputs: [] };
  const outputs = first.map((tensor, index) => compare(tensor, second[index]!, tolerance));
  const largest = Math.max(0, ...outputs.map(({ maxAbsolute }) => maxAbsolute));
  return {
    largestNanos: toNanos(largest),
    within: tolerance && outputs.every(({ outside }) => outside === 0),
    outputs,
  };
}

function isAlike(a: Tensor, b: Tensor): boolean {
  if (a.name !== b.name || a.datatype !== b.datatype || a.shape.length !== b.shape.length) return false;
  return a.shape.every((size, axis) => size === b.shape[axis]);
}

function toNanos(difference: number): bigint {
  const nanos = Math.ceil(difference * NANO);
  return nanos < Number(LARGEST_NANOS) ? BigInt(nanos) : LARGEST_NANOS;
}

function compare(
  a: Tensor,
  b: Tensor,
  tolerance: Tolerance = { absolute: 0, relative: 0 },
): OutputDifference {
  const found = { name: a.name, maxAbsolute: 0, maxRelative: 0, outside: 0 };
  if (a.datatype === "BYTES") {
    const same = a.data.length === b.data.length && a.data.every((byte, index) => byte === b.data[index]);
    return same ? found : { ...found, maxAbsolute: Infinity, maxRelative: Infinity, outside: 1 };
  }
  const [left, right] = [numbersOf(a), numbersOf(b)];
  for (let i = 0; i < left.length; i++) {
    const difference = distance(left[i]!, right[i]!);
    if (difference === 0) continue;
    const magnitude = Math.abs(Number(left[i]!));
    found.maxAbsolute = Math.max(found.maxAbsolute, difference);
    if (magnitude > 0) found.maxRelative = Math.max(found.maxRelative, difference / magnitude);
    // An infinite bound (of an infinite first element) is none.
    const isNear = difference <= tolerance.absolute + tolerance.relative * magnitude;
    if (!isNear || difference === Infinity) found.outside++;
  }
  return found;
}

function distance(a: number | bigint, b: number | bigint): number {
  if (typeof a === "bigint" || typeof b === "bigint") {
    const difference = BigInt(a) - BigInt(b);
    return Number(difference < 0n ? -difference : difference);
  }
  if (a === b || (Number.isNaN(a) && Number.isNaN(b))) return 0;
  const difference = Math.abs(a - b);
  return Number.isNaN(difference) ? Infinity : difference;
}

type Numbers = ArrayLike<number> | ArrayLike<bigint>;

const READERS: Record<Exclude<Datatype, "BYTES">, (buffer: ArrayBuffer) => Numbers> = {
  BOOL: (buffer) => new Uint8Array(buffer),
  UINT8: (buffer) => new Uint8Array(buffer),
  UINT16: (buffer) => new Uint16Array(buffer),
  UINT32: (buffer) => new Uint32Array(buffer),
  UINT64: (buffer) => new BigUint64Array(buffer),
  INT8: (buffer) => new Int8Array(buffer),
  INT16: (buffer) => new Int16Array(buffer),
  INT32: (buffer) => new Int32Array(buffer),
  INT64: (buffer) => new BigInt64Array(buffer),
  FP16: (buffer) => Float64Array.from(new Uint16Array(buffer), fromHalfBits),
  FP32: (buffer) => new Float32Array(buffer),
  FP64: (buffer) => new Float64Array(buffer),
};

/** A copy, so that any alignment will do; `slice` of a Buffer makes none. */
function numbersOf({ datatype, data }: Tensor): Numbers {
  return READERS[datatype as Exclude<Datatype, "BYTES">](new Uint8Array(data).buffer);
}
