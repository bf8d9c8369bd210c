/** An ONNX Runtime session with the first configured provider that works, and what is known of where it runs. */
import * as ort from "onnxruntime-node";
import type { Adapter, Precision } from "../execution.ts";
import type { ExecutionProvider } from "../manifest.ts";
import { listCudaDevices, requireCuda } from "./devices/cuda.ts";
import { catchStandardError } from "./devices/standard-error.ts";
import { listVulkanAdapters, openedAdapter } from "./devices/vulkan.ts";
import type { VulkanAdapter } from "./devices/vulkan.ts";
import { HostError } from "./failure.ts";
import { creationFault, leavesOperations } from "./provider-fault.ts";
import type { LoadRequest } from "./wire.ts";

export interface OpenedSession {
  session: ort.InferenceSession;
  provider: ExecutionProvider;
  /** Exact: the graph was first tried with all of it on the provider. */
  cpuOperations: boolean;
  operations: { provider: number; cpu: number } | null;
  adapter: Adapter | null;
  precision: Precision;
  /** Configured before the one used, and why not. */
  skipped: string[];
}

const ERRORS_ONLY = 3;
/** ONNX Runtime tells where operations go at this severity alone. */
const EVERYTHING = 0;
const MAX_REASON_LENGTH = 200;

/**
 * In the order given; only a provider that is listed is ever used.
 * @throws HostError `graph_invalid`; for a single provider the code of its failure, for several
 *   `engine_provider_unavailable` with all reasons
 */
export async function openSession(weights: Uint8Array, request: LoadRequest): Promise<OpenedSession> {
  const failures: HostError[] = [];
  const skipped: string[] = [];
  for (const [index, provider] of request.executionProviders.entries()) {
    // Operations that a provider lacks may fall to the CPU only where the CPU is listed after it.
    const allowsCpu = request.executionProviders.indexOf("cpu", index) > 0;
    try {
      const opened =
        provider === "cpu"
          ? await openOnCpu(weights, request)
          : await openOnProvider(weights, provider, allowsCpu, request);
      return { ...opened, provider, precision: precisionOf(provider), skipped };
    } catch (error) {
      if (!(error instanceof HostError) || error.code === "graph_invalid") throw error;
      failures.push(error);
      skipped.push(`${provider}: ${error.message.slice(0, MAX_REASON_LENGTH)} [${error.code}]`);
    }
  }
  const [only] = failures;
  if (only && failures.length === 1)
    throw new HostError(only.code, `${request.executionProviders[0]}: ${only.message}`);
  throw new HostError(
    "engine_provider_unavailable",
    `no configured execution provider works: ${skipped.join("; ")}`,
  );
}

type Opened = Omit<OpenedSession, "provider" | "precision" | "skipped">;

async function openOnCpu(weights: Uint8Array, request: LoadRequest): Promise<Opened> {
  try {
    const session = await create(weights, ["cpu"], request, {});
    return { session, cpuOperations: false, operations: null, adapter: null };
  } catch (cause) {
    throw new HostError("graph_invalid", `the engine does not load the model: ${messageOf(cause)}`);
  }
}

async function openOnProvider(
  weights: Uint8Array,
  provider: ExecutionProvider,
  allowsCpu: boolean,
  request: LoadRequest,
): Promise<Opened> {
  const device = requireDevice(provider);
  const endCatch = catchStandardError();
  let text = "";
  let made: Pick<Opened, "session" | "cpuOperations">;
  try {
    made = await createOn(weights, provider, allowsCpu, request);
  } finally {
    text = endCatch();
  }
  const adapter = device ?? adapterOf(text);
  const operations = made.cpuOperations ? countOperations(text) : null;
  if (operations?.provider === 0) {
    await made.session.release();
    throw new HostError("engine_operation_unsupported", "it can run no operation of the model");
  }
  return { ...made, operations, adapter };
}

async function createOn(
  weights: Uint8Array,
  provider: ExecutionProvider,
  allowsCpu: boolean,
  request: LoadRequest,
): Promise<Pick<Opened, "session" | "cpuOperations">> {
  try {
    const whole = { extra: { session: { disable_cpu_ep_fallback: "1" } } };
    return { session: await create(weights, [provider], request, whole), cpuOperations: false };
  } catch (cause) {
    if (!leavesOperations(messageOf(cause))) throw failure(cause);
    if (!allowsCpu) {
      const remedy = "it lacks operations of the model: list cpu after it to leave them to the CPU";
      throw new HostError("engine_operation_unsupported", remedy);
    }
  }
  try {
    const divided = { logSeverityLevel: EVERYTHING } as const;
    return { session: await create(weights, [provider, "cpu"], request, divided), cpuOperations: true };
  } catch (cause) {
    throw failure(cause);
  }
}

function create(
  weights: Uint8Array,
  executionProviders: string[],
  request: LoadRequest,
  options: ort.InferenceSession.SessionOptions,
): Promise<ort.InferenceSession> {
  return ort.InferenceSession.create(weights, {
    executionProviders,
    graphOptimizationLevel: "all",
    executionMode: "sequential",
    intraOpNumThreads: request.threads,
    interOpNumThreads: 1,
    logSeverityLevel: ERRORS_ONLY,
    ...options,
  });
}

/** Of Vulkan, where it is what lies under WebGPU; one look a process, before anything of it was opened. */
let vulkanAdapters: VulkanAdapter[] | undefined;
/** WebGPU sessions of a process share one device: the loader speaks when it is opened, not again for the next session. */
let opened: Adapter | undefined;

/** @throws HostError `engine_provider_missing`, `engine_library_missing`, `engine_adapter_missing`, `engine_provider_failed` */
function requireDevice(provider: ExecutionProvider): Adapter | undefined {
  if (isCuda(provider)) {
    requireCuda();
    // The provider is made with the first device of its process.
    return listCudaDevices()[0];
  }
  if (!ort.listSupportedBackends().some(({ name }) => name === provider))
    throw new HostError("engine_provider_missing", "onnxruntime-node has it not on this system");
  if (provider !== "webgpu" || process.platform !== "linux") return undefined;
  // Read by the loader when it is first called.
  process.env["VK_LOADER_DEBUG"] = "driver";
  vulkanAdapters ??= listVulkanAdapters();
  if (vulkanAdapters.length > 0) return undefined;
  const remedy = "install the GPU's Vulkan driver, and give this process its device files";
  throw new HostError("engine_adapter_missing", `Vulkan shows no adapter: ${remedy}`);
}

function isCuda(provider: ExecutionProvider): boolean {
  return provider === "cuda" || provider === "tensorrt";
}

function adapterOf(text: string): Adapter {
  const told = openedAdapter(vulkanAdapters ?? [], text);
  if (told.source === "loader") opened = told;
  return opened ?? told;
}

/** Where `VerifyEachNodeIsAssignedToAnEp` found the operations; null where the engine says nothing of it. */
function countOperations(text: string): OpenedSession["operations"] {
  const counts = { provider: 0, cpu: 0 };
  const placements = [...text.matchAll(/placed on \[(\w{1,64})\]\. Number of nodes: (\d{1,9})/g)];
  for (const [, name, count] of placements) {
    counts[name === "CPUExecutionProvider" ? "cpu" : "provider"] += Number(count);
  }
  return placements.length === 0 ? null : counts;
}

function precisionOf(provider: ExecutionProvider): Precision {
  if (provider === "cpu" || provider === "webgpu") return "graph";
  if (!isCuda(provider)) return "provider";
  return process.env["NVIDIA_TF32_OVERRIDE"] === "0" ? "graph" : "tf32";
}

function failure(cause: unknown): HostError {
  const message = messageOf(cause);
  const code = creationFault(message);
  if (code !== "engine_adapter_missing") return new HostError(code, message);
  const seen = (vulkanAdapters ?? []).map(({ name, driver }) => `${name}, ${driver}`).join("; ");
  return new HostError(code, `none of the adapters here will do, newer drivers may (${seen || message})`);
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
