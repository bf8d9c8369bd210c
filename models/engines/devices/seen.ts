/** The host's side of a look at the devices. */
import type { Adapter } from "../../execution.ts";
import { HostError } from "../failure.ts";
import { listCudaDevices } from "./cuda.ts";
import { listVulkanAdapters } from "./vulkan.ts";

interface Seen {
  adapters: Adapter[];
  error: { code: string; message: string } | null;
}

export function seenDevices(): { vulkan: Seen; cuda: Seen } {
  return {
    vulkan: seen(() => listVulkanAdapters().map((adapter) => ({ ...adapter, source: "none" }))),
    cuda: seen(listCudaDevices),
  };
}

function seen(list: () => Adapter[]): Seen {
  try {
    return { adapters: list(), error: null };
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    return { adapters: [], error: { code: error.code, message: error.message } };
  }
}
