/** Whether what the engine found in a graph, and what a run gave, are what the manifest says. */
import type { Tensor } from "../../receipts/index.ts";
import { allFinite } from "../check.ts";
import { ModelError } from "../errors.ts";
import type { Manifest, Reduction, TensorSpec } from "../manifest.ts";
import type { GraphTensor, LoadReply } from "./wire.ts";

/**
 * Outputs are compared as the graph gives them: one that is reduced with what its reduction leaves.
 * @throws ModelError `graph_mismatch`
 */
export function checkGraph(manifest: Manifest, graph: Pick<LoadReply, "inputs" | "outputs">): void {
  const { inputs, outputs, reduce = [] } = manifest;
  checkSide("input", inputs, graph.inputs);
  const isReduced = (name: string) => reduce.some(({ output }) => output === name);
  const isMade = (name: string) => reduce.some(({ index, value }) => index === name || value === name);
  checkSide(
    "output",
    outputs.filter(({ name }) => !isMade(name)),
    graph.outputs.filter(({ name }) => !isReduced(name)),
  );
  for (const reduction of reduce) checkReduced(reduction, outputs, graph.outputs);
}

/** An open rank is refused here: then nobody knows whether there is a last axis. */
function checkReduced(
  reduction: Reduction,
  specs: readonly TensorSpec[],
  found: readonly GraphTensor[],
): void {
  const label = JSON.stringify(reduction.output);
  const tensor = found.find(({ name }) => name === reduction.output);
  const value = specs.find(({ name }) => name === reduction.value);
  if (tensor === undefined || value === undefined) throw mismatch("output", `${label} is not in the graph`);
  if (tensor.datatype !== value.datatype) {
    throw mismatch(
      "output",
      `${label} is ${tensor.datatype ?? "of an unknown type"} in the graph, its largest elements are ${value.datatype}`,
    );
  }
  const rows = tensor.shape.slice(0, -1);
  if (tensor.shape.length === 0 || tensor.shape.at(-1) === 0 || rows.length !== value.shape.length) {
    throw mismatch(
      "output",
      `${label} does not have a last axis beyond the manifest's [${value.shape.join(", ")}]`,
    );
  }
  if (!shapesAgree(value.shape, rows)) throw shapeMismatch("output", label, value.shape, rows);
}

function mismatch(side: string, reason: string): ModelError {
  return new ModelError("graph_mismatch", `${side} ${reason}`);
}

function shapeMismatch(
  side: string,
  label: string,
  wanted: readonly number[],
  found: readonly (number | null)[],
): ModelError {
  const shape = found.map((size) => size ?? "?").join(", ");
  return mismatch(side, `${label} has shape [${shape}] in the graph, [${wanted.join(", ")}] in the manifest`);
}

function checkSide(side: string, specs: readonly TensorSpec[], found: readonly GraphTensor[]): void {
  for (const { name } of found) {
    if (!specs.some((spec) => spec.name === name))
      throw mismatch(side, `${JSON.stringify(name)} of the graph is not in the manifest`);
  }
  for (const spec of specs) {
    const label = JSON.stringify(spec.name);
    const tensor = found.find(({ name }) => name === spec.name);
    if (tensor === undefined) throw mismatch(side, `${label} of the manifest is not in the graph`);
    if (tensor.datatype !== spec.datatype) {
      throw mismatch(
        side,
        `${label} is ${tensor.datatype ?? "of an unknown type"} in the graph, ${spec.datatype} in the manifest`,
      );
    }
    if (!shapesAgree(spec.shape, tensor.shape)) throw shapeMismatch(side, label, spec.shape, tensor.shape);
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
