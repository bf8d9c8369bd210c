/** What `affidavit doctor` says of devices and execution providers: each is tried, in engine processes like the service's. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { DeviceList, ExecutionProvider } from "../../models/index.ts";
import type { Check } from "./doctor-checks.ts";

const ZOO = fileURLToPath(new URL("../../models/zoo", import.meta.url));
/** Small, and with no operation that a provider might lack. */
const MODEL = "breast-cancer";
const PROVIDERS: ExecutionProvider[] = ["webgpu", "cuda"];
const TIMEOUT_MS = 60_000;

/** @param environment the caller's own; of it the processes get what drivers read */
export async function providerChecks(environment: NodeJS.ProcessEnv): Promise<Check[]> {
  // At run time: the client alone does without engines.
  const models = await import("../../models/index.ts");
  const passed = models.deviceEnvironment(environment);
  try {
    const { vulkan, cuda } = await models.listDevices(passed);
    const model = (await models.ModelRegistry.load([ZOO])).require(MODEL);
    const { inputs } = models.parseInferRequest(await readFile(join(ZOO, MODEL, "example.json")));
    const options = { providers: PROVIDERS, runs: 1, environment: passed, timeoutMs: TIMEOUT_MS };
    const results = await models.compareProviders(model, inputs, options);
    return [
      deviceCheck("vulkan adapters", vulkan),
      deviceCheck("cuda devices", cuda),
      ...results.flatMap((result) => ("error" in result ? [failed(result)] : [ran(result)])),
    ];
  } catch (error) {
    if (!(error instanceof models.ModelError)) throw error;
    const { code, message } = error;
    const advice = "without an engine the client still verifies";
    return [{ part: "provider cpu", status: "missing", code, detail: message, advice }];
  }
}

function deviceCheck(part: string, { adapters, error }: DeviceList): Check {
  if (error) return { part, status: "off", code: error.code, detail: error.message, advice: "" };
  const described = adapters.map(({ name, type, driver }) => `${name} (${type}${driver && `, ${driver}`})`);
  const detail = described.join("; ") || "none";
  if (adapters.some(({ type }) => type !== "software"))
    return { part, status: "ok", code: "ok", detail, advice: "" };
  const advice = "install the GPU's driver, and in a container hand its device files in";
  return { part, status: "off", code: "engine_adapter_missing", detail, advice };
}

type Result = Awaited<ReturnType<(typeof import("../../models/index.ts"))["compareProviders"]>>[number];
type Ran = Exclude<Result, { error: unknown }>;

function failed({ provider, error }: Extract<Result, { error: unknown }>): Check {
  return { part: `provider ${provider}`, status: "off", code: error.code, detail: error.message, advice: "" };
}

function ran({ provider, execution, difference }: Ran): Check {
  const part = `provider ${provider}`;
  const { adapter } = execution;
  if (adapter === null) return { part, status: "ok", code: "ok", detail: `runs ${MODEL}`, advice: "" };
  const nanos = difference?.largestNanos ?? 0n;
  const detail = `runs ${MODEL} on ${adapter.name || "an adapter that nobody names"} (${adapter.type}), ${nanos} · 10^-9 from the CPU`;
  if (adapter.type === "software") {
    const advice = "a software adapter computes on the processor, slower than provider cpu: for tests alone";
    return { part, status: "off", code: "adapter_software", detail, advice };
  }
  const advice = `compare your models first (affidavit bench-model), then AFFIDAVIT_EXECUTION_PROVIDERS=${provider}`;
  return { part, status: "ok", code: "ok", detail, advice };
}
