/**
 * One appraisal of a machine's CPU and its GPUs, bound by a keyset: the CPU's report data and the GPUs' nonce are both
 * made of the keyset's digest and the verifier's nonce. It shows that whoever holds the keyset's keys got fresh reports of
 * genuine GPUs; not that these GPUs are attached to that very machine, which nothing in the evidence says.
 */
import type { CollateralCache } from "../verify/dcap-collateral.ts";
import { appraise } from "./appraise.ts";
import type { Appraisal, Evidence } from "./appraisal.ts";
import type { AppraisalPolicy } from "./policy.ts";

export interface CompositePart {
  readonly evidence: Evidence;
  readonly endorsements: unknown;
}

export interface CompositeOptions {
  readonly now: Date;
  readonly policy: AppraisalPolicy;
  /** 64 bytes: what the CPU's evidence must carry for the keyset and nonce. */
  readonly expectedReportData: Uint8Array;
  /** 32 bytes: what the GPUs' evidence must carry for the same keyset and nonce. */
  readonly expectedGpuNonce: Uint8Array;
  readonly cache?: CollateralCache | undefined;
}

export interface CompositeSubmodule {
  readonly verdict: "accepted" | "rejected";
  readonly code: string;
  readonly claims: Readonly<Record<string, unknown>>;
}

export interface CompositeAppraisal {
  /** Accepted where every part is. */
  readonly verdict: "accepted" | "rejected";
  /** `ok`, or why the first rejected part was rejected. */
  readonly code: string;
  readonly message: string;
  /** Whether any part is simulated: then the whole proves nothing. */
  readonly simulated: boolean;
  /** What is shown, for people; empty where rejected. */
  readonly statement: string;
  /** `cpu0`, then `gpu0`, `gpu1`… */
  readonly submods: Readonly<Record<string, CompositeSubmodule>>;
  readonly parts: { readonly cpu: Appraisal; readonly gpus: Appraisal };
}

const STATEMENT = "CPU evidence vouches for the keyset; GPU evidence fresh and genuine";

function submodule(
  { verdict, code }: Appraisal,
  claims: Readonly<Record<string, unknown>>,
): CompositeSubmodule {
  return { verdict, code, claims };
}

/** The devices of the list one by one; where none was found good enough to be named, one that says why. */
function gpuSubmodules(gpus: Appraisal): Record<string, CompositeSubmodule> {
  const devices = gpus.claims["submods"];
  if (typeof devices !== "object" || devices === null) return { gpu0: submodule(gpus, {}) };
  const { submods, ...shared } = gpus.claims;
  const entries = Object.entries(submods as Record<string, Record<string, unknown>>);
  return Object.fromEntries(
    entries.map(([name, claims]) => [name, submodule(gpus, { ...shared, ...claims })]),
  );
}

/** Both parts are always appraised, so that a rejection shows what held. */
export function appraiseComposite(
  parts: { readonly cpu: CompositePart; readonly gpus: CompositePart },
  options: CompositeOptions,
): CompositeAppraisal {
  const { now, policy, cache, expectedReportData, expectedGpuNonce } = options;
  const cpu = appraise(parts.cpu.evidence, parts.cpu.endorsements, {
    now,
    policy,
    cache,
    expectedReportData,
  });
  const gpus = appraise(parts.gpus.evidence, parts.gpus.endorsements, {
    now,
    policy,
    expectedNonce: expectedGpuNonce,
  });
  const simulated = cpu.simulated || gpus.simulated;
  const rejected = [cpu, gpus].find(({ verdict }) => verdict === "rejected");
  return {
    verdict: rejected === undefined ? "accepted" : "rejected",
    code: rejected?.code ?? "ok",
    message: rejected?.message ?? "",
    simulated,
    statement: rejected ? "" : simulated ? "SIMULATED evidence: it proves nothing" : STATEMENT,
    submods: { cpu0: submodule(cpu, cpu.claims), ...gpuSubmodules(gpus) },
    parts: { cpu, gpus },
  };
}
