/** A Vulkan adapter that every machine can have: SwiftShader, as Chromium ships it. */
import { existsSync } from "node:fs";
import koffi from "koffi";
import type { EngineDevice } from "../engines/engine.ts";

const MANIFESTS = [
  "/usr/lib/chromium/vk_swiftshader_icd.json",
  "/usr/lib/chromium-browser/vk_swiftshader_icd.json",
  "/opt/google/chrome/vk_swiftshader_icd.json",
];

function findManifest(): string | undefined {
  if (process.platform !== "linux" || process.arch !== "x64") return undefined;
  try {
    koffi.load("libvulkan.so.1");
  } catch {
    return undefined;
  }
  return MANIFESTS.find((file) => existsSync(file));
}

const manifest = findManifest();

/** Undefined where there is none: tests skip, with `SOFTWARE_ADAPTER_MISSING` in their name. */
export const softwareAdapter: EngineDevice | undefined = manifest
  ? { name: `vulkan:${manifest}`, environment: { VK_ICD_FILENAMES: manifest, VK_DRIVER_FILES: manifest } }
  : undefined;

export const SOFTWARE_ADAPTER_MISSING =
  "needs Linux x64, the Vulkan loader (libvulkan1) and Chromium's SwiftShader";
