/** A zoo model on WebGPU's software adapter beside the CPU, on its example. For tests. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { compareProviders } from "../engines/compare-providers.ts";
import type { ProviderRan } from "../engines/compare-providers.ts";
import { parseInferRequest } from "../oip/index.ts";
import { ModelRegistry } from "../registry.ts";
import { softwareAdapter } from "./software-adapter.ts";
import { ZOO } from "../zoo/testing.ts";
import type { Name } from "../zoo/testing.ts";

export async function onWebGpu(name: Name): Promise<ProviderRan> {
  const model = (await ModelRegistry.load([ZOO])).require(name);
  const { inputs } = parseInferRequest(await readFile(join(ZOO, name, "example.json")));
  const options = { providers: ["webgpu"], runs: 1, timeoutMs: 300_000 } as const;
  const { environment } = softwareAdapter!;
  const [, result] = await compareProviders(model, inputs, { ...options, environment });
  if (result === undefined || "error" in result) throw new Error("it did not run", { cause: result?.error });
  return result;
}
