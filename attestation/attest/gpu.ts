/**
 * GPUs whose evidence goes with the machine's own. `auto` takes NVML's where the driver is there and confidential mode is
 * on; `nvml` wants it, by a path of its own perhaps (`nvml:/path`); `simulated` needs no hardware; `none` is without.
 */
import { equal, utf8 } from "../../codec/index.ts";
import type { EvidenceType } from "../appraise/appraisal.ts";
import { SIMULATED_NVIDIA_ROOT } from "../endorsements/nvidia-roots.ts";
import { AttestationError } from "../error.ts";
import { parseNvidiaEvidence } from "../parse/nvidia-evidence.ts";
import { parseNvidiaReport } from "../parse/nvidia-spdm.ts";
import { CollectorError } from "./collector-error.ts";
import { DEFAULT_TIMEOUT_MS, whileBusy, withinTime } from "./collector.ts";
import { collectGpuEvidence, gpuEvidenceList, gpuState, NVML } from "./nvml.ts";
import { simulatedGpuEvidence } from "./simulated-nvidia.ts";

export interface GpuAttester {
  readonly type: EvidenceType;
  /** `nvml` or `simulated`. */
  readonly name: string;
  readonly simulated: boolean;
  /**
   * NVIDIA's evidence list: every GPU over one nonce, or none.
   * @param nonce 32 bytes
   * @throws CollectorError
   */
  collect(nonce: Uint8Array): Promise<Uint8Array>;
}

export interface GpuOptions {
  readonly timeoutMs?: number | undefined;
  /** Why `auto` goes without, for the operator. */
  readonly log: (line: string) => void;
}

const SELECTION = /^(?:auto|none|simulated|nvml(?::(\/[^,]{1,99}))?)$/;

/** Whether a list leads to the project's own root, by its looks: then it is never called hardware. @throws AttestationError */
export function isSimulatedGpuEvidence(list: Uint8Array): boolean {
  return parseNvidiaEvidence(list, []).some(({ certificates }) =>
    certificates.some((der) => equal(der, SIMULATED_NVIDIA_ROOT.certificate.der)),
  );
}

/**
 * What `selection` names; undefined for none.
 * @throws AttestationError `attester_unavailable` where it is not known, or what it asks for does not work
 */
export async function openGpus(selection: string, options: GpuOptions): Promise<GpuAttester | undefined> {
  const match = SELECTION.exec(selection);
  if (!match) {
    const message = "GPU evidence is auto, none, nvml, nvml:/path or simulated";
    throw new AttestationError("attester_unavailable", message);
  }
  if (selection === "none") return undefined;
  if (selection === "simulated") return simulatedGpus();
  try {
    const { timeoutMs = DEFAULT_TIMEOUT_MS } = options;
    if (selection === "auto" && !(await isConfidential(timeoutMs, options.log))) return undefined;
    return await nvmlGpus(match[1], timeoutMs);
  } catch (cause) {
    if (!(cause instanceof CollectorError)) throw cause;
    const message = `no GPU evidence: ${cause.message} [${cause.code}]`;
    throw new AttestationError("attester_unavailable", message, { cause });
  }
}

function simulatedGpus(): GpuAttester {
  return {
    type: "nvidia-gpu",
    name: "simulated",
    simulated: true,
    collect: async (nonce) => utf8(gpuEvidenceList([simulatedGpuEvidence(nonce)], nonce)),
  };
}

/** A confidential GPU that fails is no reason to go without one: only its absence is. */
async function isConfidential(timeoutMs: number, log: (line: string) => void): Promise<boolean> {
  try {
    const { gpus, confidential } = await withinTime(NVML, timeoutMs, gpuState());
    if (gpus.length === 0) return false;
    if (confidential !== true) log(`GPU evidence: none, ${gpus.length} GPUs are not in confidential mode`);
    return confidential === true;
  } catch (error) {
    const isAbsent =
      error instanceof CollectorError && ["interface_absent", "library_missing"].includes(error.code);
    if (!isAbsent) throw error;
    return false;
  }
}

async function nvmlGpus(path: string | undefined, timeoutMs: number): Promise<GpuAttester> {
  const collectList = async (nonce: Uint8Array): Promise<Uint8Array> => {
    const evidence = await withinTime(
      NVML,
      timeoutMs,
      whileBusy(() => collectGpuEvidence(nonce, path)),
    );
    const list = utf8(gpuEvidenceList(evidence, nonce));
    checkList(list, nonce);
    return list;
  };
  const { devTools } = await withinTime(NVML, timeoutMs, gpuState(path));
  if (devTools) {
    const message = "developer tools may look into the GPUs, which their reports do not say";
    throw new CollectorError(NVML, "evidence_unsupported", message);
  }
  const simulated = isSimulatedGpuEvidence(await collectList(new Uint8Array(32)));
  return {
    type: "nvidia-gpu",
    name: NVML,
    simulated,
    async collect(nonce) {
      const list = await collectList(nonce);
      // Hardware that turns into a simulation, or the other way round, is not what the keyset says.
      if (isSimulatedGpuEvidence(list) !== simulated) {
        throw new CollectorError(NVML, "reply_malformed", "the evidence has changed its root");
      }
      return list;
    },
  };
}

/** Refuses what is cut short or stale before it leaves. Proves nothing. @throws CollectorError `reply_malformed` */
function checkList(list: Uint8Array, nonce: Uint8Array): void {
  try {
    for (const { report } of parseNvidiaEvidence(list, [])) {
      if (!equal(parseNvidiaReport(report).requestNonce, nonce)) {
        throw new CollectorError(NVML, "reply_malformed", "a report is over another nonce");
      }
    }
  } catch (cause) {
    if (!(cause instanceof AttestationError)) throw cause;
    throw new CollectorError(NVML, "reply_malformed", cause.message, { cause });
  }
}
