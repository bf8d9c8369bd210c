/** Whether what the engine found in a graph, and what a run gave, are what the manifest says. */
import type { Tensor } from "../../receipts/index.ts";
import { allFinite } from "../check.ts";
import { ModelError } from "../errors.ts";
import type { Manifest, TensorSpec } from "../manifest.ts";
import type { GraphTensor, LoadReply } from "./wire.ts";

/** @throws ModelError `graph_mismatch` */
export function checkGraph(manifest: Manifest, graph: Pick<LoadReply, "inputs" | "outputs">): void {
  checkSide("input", manifest.inputs, graph.inputs);
  checkSide("output", manifest.outputs, graph.outputs);
}

function checkSide(side: string, specs: readonly TensorSpec[], found: readonly GraphTensor[]): void {
  const mismatch = (reason: string) => new ModelError("graph_mismatch", `${side} ${reason}`);
  for (const { name } of found) {
    if (!specs.some((spec) => spec.name === name))
      throw mismatch(`${JSON.stringify(name)} of the graph is not in the manifest`);
  }
  for (const spec of specs) {
    const label = JSON.stringify(spec.name);
    const tensor = found.find(({ name }) => name === spec.name);
    if (tensor === undefined) throw mismatch(`${label} of the manifest is not in the graph`);
    if (tensor.datatype !== spec.datatype) {
      throw mismatch(
        `${label} is ${tensor.datatype ?? "of an unknown type"} in the graph, ${spec.datatype} in the manifest`,
      );
    }
    if (!shapesAgree(spec.shape, tensor.shape)) {
      const shape = tensor.shape.map((size) => size ?? "?").join(", ");
      throw mismatch(
        `${label} has shape [${shape}] in the graph, [${spec.shape.join(", ")}] in the manifest`,
      );
    }
  }
}

function shapesAgree(wanted: readonly number[], found: readonly (number | null)[]): boolean {
  // A graph that leaves the rank open looks like a scalar here; the run itself is then the check.
  if (found.length === 0) return true;
  return (
    found.length === wanted.length && found.every((size, axis) => size === null || size === wanted[axis])
  );
}

/**
 * A run's outputs in the manifest's order.
 * @throws ModelError `output_invalid`, `output_not_finite`
 */
export function checkOutputs(manifest: Manifest, found: readonly Tensor[]): Tensor[] {
  if (found.length !== manifest.outputs.length) {
    throw new ModelError("output_invalid", "the engine gave another number of outputs than the manifest has");
  }
  return manifest.outputs.map((spec) => {
    const label = `output ${JSON.stringify(spec.name)}`;
    const tensor = found.find(({ name }) => name === spec.name);
    if (tensor === undefined) throw new ModelError("output_invalid", `${label} is missing`);
    if (tensor.datatype !== spec.datatype) {
      throw new ModelError(
        "output_invalid",
        `${label} is ${tensor.datatype}, the manifest says ${spec.datatype}`,
      );
    }
    if (!fits(spec, tensor.shape)) {
      throw new ModelError(
        "output_invalid",
        `${label} has shape [${tensor.shape.join(", ")}], not as the manifest says`,
      );
    }
    if (spec.finite && !allFinite(tensor)) {
      throw new ModelError(
        "output_not_finite",
        `${label} holds NaN or infinity, which the manifest excludes`,
      );
    }
    return tensor;
  });
}

function fits(spec: TensorSpec, shape: readonly number[]): boolean {
  if (shape.length !== spec.shape.length) return false;
  return shape.every((size, axis) => {
    const wanted = spec.shape[axis];
    return wanted === -1 ? size <= (spec.maxShape?.[axis] ?? Infinity) : size === wanted;
  });
}
