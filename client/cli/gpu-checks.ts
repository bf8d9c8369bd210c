/** What `affidavit doctor` says of GPUs and of the register that models are measured into. */
import { CollectorError, gpuState, inspectRegister, openGpus } from "../../attestation/attest/index.ts";
import { AttestationError } from "../../attestation/index.ts";
import type { Check } from "./doctor-checks.ts";

const TIMEOUT_MS = 5000;
const CONFIDENTIAL_ADVICE =
  "confidential mode is set by the host, for Hopper and newer: without it there are no reports";

/** Takes one piece of evidence where there is any. @param environment `AFFIDAVIT_GPU_ATTESTATION` may name another library */
export async function gpuCheck(environment: NodeJS.ProcessEnv): Promise<Check> {
  const part = "gpu";
  const library = /^nvml:(\/.*)$/.exec(environment["AFFIDAVIT_GPU_ATTESTATION"] ?? "")?.[1];
  try {
    const { gpus, driverVersion, confidential } = await gpuState(library);
    const names = gpus.map(({ name }) => name).join(", ") || "no GPU";
    const seen = `NVML: ${names}, driver ${driverVersion}`;
    const off = (code: string, detail: string, advice: string): Check => {
      return { part, status: "off", code, detail, advice };
    };
    if (gpus.length === 0) return off("gpu_missing", seen, "");
    if (confidential === undefined)
      return off("gpu_not_confidential", `${seen}, which knows no confidential mode`, CONFIDENTIAL_ADVICE);
    if (!confidential)
      return off("gpu_not_confidential", `${seen}, confidential mode off`, CONFIDENTIAL_ADVICE);
    return { part, status: "ok", code: "ok", detail: `${seen}, ${await evidenceOf(library)}`, advice: "" };
  } catch (error) {
    return refusal(part, error);
  }
}

/** @throws AttestationError why there is none */
async function evidenceOf(library: string | undefined): Promise<string> {
  const selection = library === undefined ? "nvml" : `nvml:${library}`;
  const gpus = await openGpus(selection, { timeoutMs: TIMEOUT_MS, log: () => undefined });
  const origin = gpus?.simulated ? " under the development root: SIMULATED, proves nothing" : "";
  return `in confidential mode, gives evidence${origin}`;
}

export async function registerCheck(): Promise<Check> {
  const part = "measured models";
  try {
    await inspectRegister(undefined, TIMEOUT_MS);
    return { part, status: "ok", code: "ok", detail: "into RTMR3, by the kernel's file", advice: "" };
  } catch (error) {
    return refusal(part, error);
  }
}

function refusal(part: string, error: unknown): Check {
  const reason = error instanceof AttestationError ? error.cause : error;
  if (!(reason instanceof CollectorError)) throw error;
  const { code, message } = reason;
  const advice =
    code === "permission_denied" ? "run the service as root, or give its vault's user access" : "";
  return { part, status: "off", code, detail: message, advice };
}
