/**
 * The Poseidon hash of the circuits' inputs, as EZKL 21 hashes what is `hashed`: the permutation of Grassi et al. (USENIX
 * Security 2021) over the BN254 scalar field with width 2, x^5, 8 full and 56 partial rounds, constants from the paper's
 * Grain generator, in a sponge of rate 1 whose capacity starts at 2^64 and which pads nothing. Since nothing is padded, a
 * hash commits only to messages of a length known beforehand, which a circuit fixes. Browser-safe.
 */
import { grainGenConstants } from "@noble/curves/abstract/poseidon.js";
import { Field } from "@noble/curves/abstract/modular.js";
import { FIELD_MODULUS } from "./field.ts";

const FULL_ROUNDS = 8;
const PARTIAL_ROUNDS = 56;
const INITIAL_CAPACITY = 2n ** 64n;

interface Constants {
  rounds: readonly (readonly [bigint, bigint])[];
  matrix: readonly [bigint, bigint, bigint, bigint];
}

let generated: Constants | undefined;

/** Made at the first hash: some 30 ms. */
function constants(): Constants {
  if (generated) return generated;
  const { roundConstants, mds } = grainGenConstants({
    Fp: Field(FIELD_MODULUS),
    t: 2,
    roundsFull: FULL_ROUNDS,
    roundsPartial: PARTIAL_ROUNDS,
  });
  generated = {
    rounds: roundConstants.map(([a, b]) => [a!, b!] as const),
    matrix: [mds[0]![0]!, mds[0]![1]!, mds[1]![0]!, mds[1]![1]!],
  };
  return generated;
}

function fifthPower(value: bigint): bigint {
  const square = (value * value) % FIELD_MODULUS;
  return (((square * square) % FIELD_MODULUS) * value) % FIELD_MODULUS;
}

function isFull(round: number): boolean {
  return round < FULL_ROUNDS / 2 || round >= FULL_ROUNDS / 2 + PARTIAL_ROUNDS;
}

/**
 * @param elements each from 0 to the modulus less one
 * @returns an element
 */
export function poseidon(elements: readonly bigint[]): bigint {
  const { rounds, matrix } = constants();
  const [m00, m01, m10, m11] = matrix;
  let rate = 0n;
  let capacity = INITIAL_CAPACITY;
  for (const element of elements) {
    rate += element;
    for (const [round, [rateConstant, capacityConstant]] of rounds.entries()) {
      const a = fifthPower(rate + rateConstant);
      const b = isFull(round) ? fifthPower(capacity + capacityConstant) : capacity + capacityConstant;
      rate = (m00 * a + m01 * b) % FIELD_MODULUS;
      capacity = (m10 * a + m11 * b) % FIELD_MODULUS;
    }
  }
  return rate;
}
