/** How the settings name execution providers and devices. */
import { z } from "zod";
import {
  deviceEnvironment,
  EXECUTION_PROVIDERS,
  type EngineDevice,
  type ExecutionProvider,
} from "../models/index.ts";

const MAX_DEVICES = 64;

/** Names in order of preference, separated by commas. */
export const executionProviders: z.ZodType<ExecutionProvider[], string> = z
  .string()
  .max(256)
  .transform((text) => text.split(","))
  .pipe(z.array(z.enum(EXECUTION_PROVIDERS, `one of ${EXECUTION_PROVIDERS.join(", ")}`)))
  .refine((list) => new Set(list).size === list.length, "each provider once");

/**
 * Separated by commas: `cuda:` and what `CUDA_VISIBLE_DEVICES` takes for one device (an index, or the UUID of a GPU or of a
 * MIG instance), or `vulkan:` and the absolute path of the one driver manifest (ICD) that the host is to see.
 */
export const engineDevices: z.ZodType<EngineDevice[], string> = z
  .string()
  .max(16_384)
  .transform((text, context) => {
    const devices = text.split(",").map(deviceOf);
    const sound = devices.filter((device) => device !== undefined);
    if (sound.length === devices.length && sound.length <= MAX_DEVICES) return sound;
    context.addIssue(
      "1 to 64 devices, each cuda:INDEX, cuda:GPU-UUID, cuda:MIG-UUID or vulkan:/path/of/icd.json, separated by commas",
    );
    return z.NEVER;
  });

function deviceOf(text: string): EngineDevice | undefined {
  const [, kind, place] = /^(cuda|vulkan):(.{1,1024})$/.exec(text.trim()) ?? [];
  if (kind === "cuda" && /^(\d{1,3}|(GPU|MIG)-[\w/-]{8,128})$/.test(place!)) {
    return { name: text.trim(), environment: { CUDA_VISIBLE_DEVICES: place! } };
  }
  if (kind === "vulkan" && /^\/[^:]+\.json$/.test(place!)) {
    // The loader before 1.3.207 knows the first name alone.
    return { name: text.trim(), environment: { VK_ICD_FILENAMES: place!, VK_DRIVER_FILES: place! } };
  }
  return undefined;
}

/**
 * The devices that get a host: those configured or, where none is and some model lists a provider other than the CPU, the
 * one that such a provider takes by itself.
 */
export function devicesFor(
  configured: readonly EngineDevice[] | undefined,
  wanted: readonly ExecutionProvider[],
  environment: Readonly<Record<string, string | undefined>>,
): EngineDevice[] {
  if (!configured && wanted.every((provider) => provider === "cpu")) return [];
  const common = deviceEnvironment(environment);
  return (configured ?? [{ name: "default", environment: {} }]).map((device) => ({
    name: device.name,
    environment: { ...common, ...device.environment },
  }));
}
