/** What a request asks to rest on beside the TEE, held against the model's manifest and the operator's policy. */
import type { LoadedModel } from "../../models/index.ts";
import { PROMISED_PROOF, PROMISED_REEXECUTION } from "../../receipts/index.ts";
import type { StoredCircuit } from "../../proofs/index.ts";
import type { Assurance, PolicyDocument } from "../policy.ts";
import { ServiceError } from "../problem.ts";

/** As the request says it; undefined where it says nothing. */
export interface Wish {
  assurance: Assurance | undefined;
  /** Millionths of a US dollar. */
  valueAtRiskMicroUsd: bigint | undefined;
  /** The caller says that anybody may learn the input: unattested workers may prove it. */
  publicInput: boolean;
}

/** A circuit in use: its owner's binding was checked and logged. */
export interface BoundCircuit {
  circuit: StoredCircuit;
  policy: PolicyDocument;
}

export interface Plan {
  assurance: Assurance;
  policy: PolicyDocument;
  /** Bits of `promised`; 0 for nothing. */
  promised: number;
  /** From the answer to the deadline; 0 where nothing is promised. */
  withinMs: number;
  /** Under `tee+zk`. */
  bound: BoundCircuit | undefined;
  /** The higher the value at risk, the sooner its proof. */
  priority: number;
  publicInput: boolean;
  /** For so long a re-execution is left to other keysets than the answer's. */
  graceMs: number;
}

export interface Planning {
  tee: PolicyDocument;
  reexecution: PolicyDocument;
  zkAboveMicroUsd: bigint | undefined;
  /** The model's circuit in use; undefined where it has none. */
  circuit(modelId: Uint8Array): BoundCircuit | undefined;
  /** @throws ServiceError, JobError where nothing could be kept of such a promise */
  requireJobs(assurance: Exclude<Assurance, "tee">): void;
  proofDeadlineMs: number;
  reexecutionDeadlineMs: number;
  reexecutionGraceMs: number;
}

/**
 * @throws ServiceError `assurance_too_low`, `assurance_unsupported`, `circuit_missing`, `prover_unavailable`; JobError
 */
export function planRequest(
  planning: Planning,
  model: Pick<LoadedModel, "manifest" | "modelId">,
  wish: Wish,
): Plan {
  const assurance = assuranceOf(planning, wish);
  if (!model.manifest.assurance.includes(assurance)) {
    throw new ServiceError(
      "assurance_unsupported",
      `the model's manifest allows ${model.manifest.assurance.join(", ")}, and this needs ${assurance}`,
    );
  }
  const priority = (wish.valueAtRiskMicroUsd ?? 0n).toString().length;
  const { publicInput } = wish;
  const common = { assurance, priority, publicInput, graceMs: 0 };
  if (assurance === "tee")
    return { ...common, policy: planning.tee, promised: 0, withinMs: 0, bound: undefined };
  if (assurance === "tee+reexecution") {
    planning.requireJobs(assurance);
    const withinMs = planning.reexecutionDeadlineMs;
    const { reexecution: policy, reexecutionGraceMs: graceMs } = planning;
    return { ...common, policy, promised: PROMISED_REEXECUTION, withinMs, bound: undefined, graceMs };
  }
  const bound = planning.circuit(model.modelId);
  if (!bound) throw new ServiceError("circuit_missing", "no circuit is bound to this model");
  planning.requireJobs(assurance);
  const withinMs = planning.proofDeadlineMs;
  return { ...common, policy: bound.policy, promised: PROMISED_PROOF, withinMs, bound };
}

function assuranceOf({ zkAboveMicroUsd }: Planning, { assurance, valueAtRiskMicroUsd }: Wish): Assurance {
  const demanded =
    zkAboveMicroUsd !== undefined &&
    valueAtRiskMicroUsd !== undefined &&
    valueAtRiskMicroUsd > zkAboveMicroUsd;
  if (!demanded) return assurance ?? "tee";
  if (assurance === undefined || assurance === "tee+zk") return "tee+zk";
  throw new ServiceError(
    "assurance_too_low",
    "this much at risk needs tee+zk: ask for it, or leave the assurance to the service",
  );
}
