/** A request's input as the circuit takes it, and the commitment to it that is instance 0. Browser-safe. */
import { hkdfSha256, utf8 } from "../codec/index.ts";
import { elementCount, ReceiptError, type Tensor } from "../receipts/index.ts";
import { byName, type Circuit } from "./circuit.ts";
import { ProofError } from "./error.ts";
import { fromInteger, toBigEndian } from "./field.ts";
import { poseidon } from "./poseidon.ts";
import { quantise } from "./quantise.ts";

export const CIRCUIT_SALT_ELEMENTS = 8;
const SALT_BYTES = 2 * CIRCUIT_SALT_ELEMENTS;

/**
 * `s_circuit`, 16 bytes: HKDF-SHA256 of a request's salt with info "affidavit.v1.circuit".
 * @param salt 32 bytes
 */
export function circuitSalt(salt: Uint8Array): Uint8Array {
  return hkdfSha256(salt, utf8("affidavit.v1.circuit"), SALT_BYTES);
}

/** The salt's elements: eight u16, little-endian. */
function saltElements(sCircuit: Uint8Array): number[] {
  if (sCircuit.length !== SALT_BYTES)
    throw new ProofError("circuit_shape_mismatch", "a circuit's salt is 16 bytes");
  const view = new DataView(sCircuit.buffer, sCircuit.byteOffset, sCircuit.length);
  return Array.from({ length: CIRCUIT_SALT_ELEMENTS }, (_, i) => view.getUint16(2 * i, true));
}

function values(tensor: Tensor): Float32Array {
  // A copy: of a Buffer, which views at any offset, `slice` makes none.
  return new Float32Array(new Uint8Array(tensor.data).buffer);
}

/** What says how an input is written. */
export type InputForm = Pick<Circuit, "inputs" | "inputScale" | "inputRange">;

function sorted(circuit: InputForm, tensors: readonly Tensor[]): Tensor[] {
  const list = tensors.toSorted(byName);
  const { inputs } = circuit;
  const fits =
    list.length === inputs.length &&
    list.every(({ name, datatype, shape, data }, i) => {
      const wanted = inputs[i]!;
      return (
        name === wanted.name &&
        datatype === "FP32" &&
        shape.length === wanted.shape.length &&
        shape.every((size, axis) => size === wanted.shape[axis]) &&
        data.length === 4 * elementCount(shape)
      );
    });
  if (!fits) throw new ProofError("circuit_shape_mismatch", "the input is not of the circuit's shape");
  return list;
}

/**
 * The quantised input, without the salt: the tensors in order of their names, each row-major.
 * @param tensors FP32, of exactly the circuit's names and shapes
 * @throws ProofError `circuit_shape_mismatch`, `circuit_input_out_of_range` (NaN and infinity as well)
 */
export function quantiseInput(circuit: InputForm, tensors: readonly Tensor[]): number[] {
  let list: Tensor[];
  try {
    list = sorted(circuit, tensors);
  } catch (cause) {
    if (!(cause instanceof ReceiptError)) throw cause;
    throw new ProofError("circuit_shape_mismatch", "the input is not of the circuit's shape", { cause });
  }
  const range = Number(circuit.inputRange);
  const quantised = list.flatMap((tensor) =>
    Array.from(values(tensor), (value) => quantise(value, circuit.inputScale)),
  );
  if (!quantised.every((q) => Math.abs(q) <= range)) {
    throw new ProofError(
      "circuit_input_out_of_range",
      `the input has a value beyond ${range / 2 ** circuit.inputScale}, which the circuit cannot take`,
    );
  }
  return quantised;
}

/**
 * What the circuit's one input tensor holds: the quantised input, then the eight elements of the salt.
 * @throws ProofError `circuit_shape_mismatch`, `circuit_input_out_of_range`
 */
export function circuitElements(
  circuit: InputForm,
  tensors: readonly Tensor[],
  sCircuit: Uint8Array,
): number[] {
  return [...quantiseInput(circuit, tensors), ...saltElements(sCircuit)];
}

/** The Poseidon hash of what `circuitElements` gives: 32 bytes big-endian. */
export function commitElements(elements: readonly number[]): Uint8Array {
  return toBigEndian(poseidon(elements.map((element) => fromInteger(BigInt(element)))));
}

/**
 * `circuitInput`: the Poseidon hash of `circuitElements`, 32 bytes big-endian, below the field modulus. Some 90 µs an element.
 * @param sCircuit 16 bytes
 * @throws ProofError `circuit_shape_mismatch`, `circuit_input_out_of_range`
 */
export function commitInput(
  circuit: InputForm,
  tensors: readonly Tensor[],
  sCircuit: Uint8Array,
): Uint8Array {
  return commitElements(circuitElements(circuit, tensors, sCircuit));
}
