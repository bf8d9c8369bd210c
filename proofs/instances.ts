/** The public instances of a proof: the input's commitment, the weights' where they are hidden, the outputs. Browser-safe. */
import { concat, sha256 } from "../codec/index.ts";
import { DATATYPES, type Tensor } from "../receipts/index.ts";
import { elements, type Circuit } from "./circuit.ts";
import { ProofError } from "./error.ts";
import { FIELD_MODULUS, fromLittleEndian, toInteger } from "./field.ts";
import { difference } from "./quantise.ts";

export interface Instances {
  /** Big-endian, as `circuitInput` is. */
  circuitInput: Uint8Array;
  /** Little-endian; null where the parameters are fixed. */
  parametersHash: Uint8Array | null;
  /** Integers, in the order of the circuit's outputs, each row-major: real value x 2^outputScale. */
  outputs: bigint[];
}

/** `instancesDigest` of a `Proof` statement: sha256 of the instances, 32 bytes each, little-endian. */
export function instancesDigest(instances: readonly Uint8Array[]): Uint8Array {
  return sha256(concat(...instances));
}

/**
 * @param instances 32 bytes each, little-endian
 * @throws ProofError `instances_invalid` where there are not as many as the circuit has, or one is not below the modulus
 */
export function readInstances(circuit: Circuit, instances: readonly Uint8Array[]): Instances {
  const hashes = circuit.parameters === "hashed" ? 2 : 1;
  if (instances.length !== hashes + elements(circuit.outputs))
    throw new ProofError("instances_invalid", "the proof has not the circuit's number of instances");
  const canonical = instances.every(
    (bytes) => bytes.length === 32 && fromLittleEndian(bytes) < FIELD_MODULUS,
  );
  if (!canonical) throw new ProofError("instances_invalid", "an instance is not a canonical field element");
  return {
    circuitInput: instances[0]!.toReversed(),
    parametersHash: hashes === 2 ? instances[1]! : null,
    outputs: instances.slice(hashes).map((bytes) => toInteger(fromLittleEndian(bytes))),
  };
}

/**
 * The largest difference of float outputs and the circuit's, in units of 10^-9, over the outputs that are given; the
 * circuit's others are not compared.
 * @param proved the circuit's outputs, as `readInstances` gives them
 * @param outputs FP32 or FP64, each one of the circuit's names and shapes
 * @throws ProofError `circuit_shape_mismatch`
 */
export function outputDifference(
  circuit: Pick<Circuit, "outputs" | "outputScale">,
  proved: readonly bigint[],
  outputs: readonly Tensor[],
): bigint {
  let largest = 0n;
  let offset = 0;
  let compared = 0;
  for (const { name, shape } of circuit.outputs) {
    const count = shape.reduce((product, size) => product * size, 1);
    const tensor = outputs.find((output) => output.name === name);
    if (tensor) {
      compared++;
      for (const [i, value] of realValues(tensor, count).entries()) {
        const units = difference(value, proved[offset + i]!, circuit.outputScale);
        if (units > largest) largest = units;
      }
    }
    offset += count;
  }
  if (compared !== outputs.length || compared === 0)
    throw new ProofError("circuit_shape_mismatch", "an output is not among the circuit's");
  return largest;
}

function realValues({ datatype, data }: Tensor, count: number): number[] {
  const width = DATATYPES[datatype].byteLength;
  if ((datatype !== "FP32" && datatype !== "FP64") || data.length !== width * count)
    throw new ProofError("circuit_shape_mismatch", "an output is not of the circuit's shape");
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  return Array.from({ length: count }, (_, i) =>
    datatype === "FP32" ? view.getFloat32(4 * i, true) : view.getFloat64(8 * i, true),
  );
}
