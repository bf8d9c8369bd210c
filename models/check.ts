/** Checks of tensors against the manifest, before any engine sees them. Browser-safe. */
import { bytesElements, DATATYPES, elementCount } from "../receipts/index.ts";
import type { Tensor } from "../receipts/index.ts";
import { ModelError } from "./errors.ts";
import type { Manifest, TensorSpec } from "./manifest.ts";

/** Largest sum of an inference's inputs, in bytes of raw data. */
export const MAX_INPUTS_BYTES = 64 * 1024 * 1024;

/**
 * Requires exactly the manifest's inputs, each with its datatype, a shape within bounds, data of the length that the
 * shape says, and finite numbers where the manifest wants them.
 * @throws ModelError `input_duplicate`, `input_name_unknown`, `input_missing`, `input_datatype_mismatch`,
 *   `input_shape_mismatch`, `input_too_large`, `input_not_finite`, `input_invalid`
 */
export function checkInputs(manifest: Manifest, tensors: readonly Tensor[]): void {
  const byName = new Map<string, Tensor>();
  let totalBytes = 0;
  for (const tensor of tensors) {
    if (byName.has(tensor.name)) {
      throw new ModelError("input_duplicate", `input ${quote(tensor.name)} appears twice`);
    }
    if (!manifest.inputs.some(({ name }) => name === tensor.name)) {
      const known = manifest.inputs.map(({ name }) => quote(name)).join(", ");
      throw new ModelError("input_name_unknown", `no input ${quote(tensor.name)}; the model has ${known}`);
    }
    byName.set(tensor.name, tensor);
    totalBytes += tensor.data.length;
  }
  if (totalBytes > MAX_INPUTS_BYTES) {
    throw new ModelError(
      "input_too_large",
      `inputs hold ${totalBytes} bytes, the most is ${MAX_INPUTS_BYTES}`,
    );
  }
  for (const spec of manifest.inputs) {
    const tensor = byName.get(spec.name);
    if (tensor === undefined) throw new ModelError("input_missing", `input ${quote(spec.name)} is missing`);
    checkInput(spec, tensor, manifest.limits.maxBatch);
  }
}

function checkInput(spec: TensorSpec, tensor: Tensor, maxBatch: number): void {
  const label = `input ${quote(spec.name)}`;
  if (tensor.datatype !== spec.datatype) {
    throw new ModelError(
      "input_datatype_mismatch",
      `${label} is ${tensor.datatype}, the model takes ${spec.datatype}`,
    );
  }
  checkShape(label, spec, tensor.shape, maxBatch);
  checkData(label, tensor);
  if (spec.finite && !allFinite(tensor)) {
    throw new ModelError("input_not_finite", `${label} holds NaN or infinity, which the model does not take`);
  }
}

function checkShape(label: string, spec: TensorSpec, shape: readonly number[], maxBatch: number): void {
  const wanted = `[${spec.shape.join(", ")}]`;
  const mismatch =
    shape.length !== spec.shape.length ||
    spec.shape.some((size, axis) => size !== -1 && size !== shape[axis]);
  if (mismatch) {
    throw new ModelError(
      "input_shape_mismatch",
      `${label} has shape [${shape.slice(0, 16).join(", ")}], the model takes ${wanted}`,
    );
  }
  for (const [axis, size] of shape.entries()) {
    if (spec.shape[axis] !== -1) continue;
    if (size < 1) throw new ModelError("input_shape_mismatch", `${label}: dimension ${axis} is empty`);
    const bound = axis === 0 ? Math.min(maxBatch, spec.maxShape?.[0] ?? maxBatch) : spec.maxShape?.[axis];
    if (bound !== undefined && size > bound) {
      throw new ModelError("input_too_large", `${label}: dimension ${axis} is ${size}, the most is ${bound}`);
    }
  }
}

/** The data's length must be what datatype and shape say; BYTES elements and BOOL values must be well formed. */
function checkData(label: string, tensor: Tensor): void {
  const count = countElements(label, tensor.shape);
  if (tensor.datatype === "BYTES") {
    const found = countBytesElements(label, tensor.data);
    if (found !== count) {
      throw new ModelError(
        "input_shape_mismatch",
        `${label} holds ${found} elements, its shape says ${count}`,
      );
    }
    return;
  }
  const wanted = count * DATATYPES[tensor.datatype].byteLength;
  if (tensor.data.length !== wanted) {
    throw new ModelError(
      "input_shape_mismatch",
      `${label} holds ${tensor.data.length} bytes, its shape says ${wanted}`,
    );
  }
  if (tensor.datatype === "BOOL" && tensor.data.some((byte) => byte > 1)) {
    throw new ModelError("input_invalid", `${label}: a BOOL is neither 0 nor 1`);
  }
}

function countElements(label: string, shape: readonly number[]): number {
  try {
    return elementCount(shape);
  } catch (cause) {
    throw new ModelError("input_shape_mismatch", `${label}: a dimension or their product is out of range`, {
      cause,
    });
  }
}

function countBytesElements(label: string, data: Uint8Array): number {
  try {
    let count = 0;
    for (const _ of bytesElements(data)) count++;
    return count;
  } catch (cause) {
    throw new ModelError("input_invalid", `${label}: a BYTES element is cut short`, { cause });
  }
}

/** Whether no element is NaN or infinite; true for every datatype that has neither. */
export function allFinite(tensor: Pick<Tensor, "datatype" | "data">): boolean {
  const { data } = tensor;
  // An IEEE 754 number is not finite exactly where all its exponent bits are one: two bytes say so, and no copy or alignment is needed.
  switch (tensor.datatype) {
    case "FP16":
      for (let i = 1; i < data.length; i += 2) if ((data[i]! & 0x7c) === 0x7c) return false;
      return true;
    case "FP32":
      if (data.byteOffset % 4 === 0) return allFiniteWords(data);
      for (let i = 3; i < data.length; i += 4) {
        if ((data[i]! & 0x7f) === 0x7f && data[i - 1]! >= 0x80) return false;
      }
      return true;
    case "FP64":
      for (let i = 7; i < data.length; i += 8) {
        if ((data[i]! & 0x7f) === 0x7f && data[i - 1]! >= 0xf0) return false;
      }
      return true;
    default:
      return true;
  }
}

/** The same for aligned FP32, twice as fast. */
function allFiniteWords({ buffer, byteOffset, length }: Uint8Array): boolean {
  const words = new Uint32Array(buffer, byteOffset, length >> 2);
  for (let i = 0; i < words.length; i++) if ((words[i]! & 0x7f800000) === 0x7f800000) return false;
  return true;
}

function quote(name: string): string {
  return JSON.stringify(name.length > 64 ? name.slice(0, 64) + "…" : name);
}
