/** How far two outputs lie from each other, in the units of a statement: 10^-9. */
import { equal } from "../../codec/index.ts";
import { encodeOutput, NOT_COMPARED, ReceiptError, type Tensor } from "../../receipts/index.ts";

const DECIMALS = 9;
/** Where the values of abi.encode(int256[]) start. */
const VALUES_OFFSET = 64;
const LARGEST = NOT_COMPARED - 1n;

/**
 * The largest difference of two values in the same place, at least 1 where any bit differs; `NOT_COMPARED` where they have not
 * the same tensors, or one is text, not finite, too large or one of too many to be a number of such units.
 */
export function outputsDifference(a: readonly Tensor[], b: readonly Tensor[]): bigint {
  if (a.length !== b.length) return NOT_COMPARED;
  let largest = 0n;
  for (const [i, one] of a.entries()) {
    const other = b[i]!;
    if (!sameForm(one, other)) return NOT_COMPARED;
    if (equal(one.data, other.data)) continue;
    const difference = valuesDifference(one, other);
    if (difference === undefined) return NOT_COMPARED;
    if (difference > largest) largest = difference;
  }
  return largest > LARGEST ? LARGEST : largest;
}

function sameForm(a: Tensor, b: Tensor): boolean {
  return a.name === b.name && a.datatype === b.datatype && a.shape.join() === b.shape.join();
}

function valuesDifference(a: Tensor, b: Tensor): bigint | undefined {
  const [left, right] = [fixedPoint(a), fixedPoint(b)];
  if (!left || !right) return undefined;
  let largest = 1n;
  for (const [i, value] of left.entries()) {
    const difference = value - right[i]!;
    const distance = difference < 0n ? -difference : difference;
    if (distance > largest) largest = distance;
  }
  return largest;
}

function fixedPoint(tensor: Tensor): bigint[] | undefined {
  try {
    const encoded = encodeOutput({ kind: "fixedPoint", scale: DECIMALS }, [tensor]);
    return int256s(encoded.subarray(VALUES_OFFSET));
  } catch (error) {
    if (error instanceof ReceiptError) return undefined;
    throw error;
  }
}

function int256s(bytes: Uint8Array): bigint[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Array.from({ length: bytes.length / 32 }, (_, i) => {
    const words = [0, 8, 16, 24].map((offset) => view.getBigUint64(32 * i + offset));
    return BigInt.asIntN(
      256,
      words.reduce((value, word) => (value << 64n) | word, 0n),
    );
  });
}
