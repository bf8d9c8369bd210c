/** NVIDIA devices as the CUDA driver numbers them in this process (`cuda.h`, driver API), and what the provider needs. */
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import koffi from "koffi";
import type { Adapter } from "../../execution.ts";
import { HostError } from "../failure.ts";

const MAX_DEVICES = 64;
const NO_DEVICE = 100;
const ATTRIBUTE_INTEGRATED = 18;

/** What `libonnxruntime_providers_cuda.so` of ONNX Runtime 1.30 links to or opens by name, beside the driver. */
const NEEDED = [
  ["libcudart.so.13", "CUDA 13"],
  ["libcublasLt.so.13", "CUDA 13 (cuBLAS)"],
  ["libcublas.so.13", "CUDA 13 (cuBLAS)"],
  ["libcurand.so.10", "CUDA 13 (cuRAND)"],
  ["libcufft.so.12", "CUDA 13 (cuFFT)"],
  ["libcudnn.so.9", "cuDNN 9 for CUDA 13"],
] as const;
const PROVIDER_FILES = ["libonnxruntime_providers_shared.so", "libonnxruntime_providers_cuda.so"];

/** The folder that ONNX Runtime opens its providers from: the one of its own library. */
export function providerFolder(): string {
  const root = dirname(createRequire(import.meta.url).resolve("onnxruntime-node/package.json"));
  return join(root, "bin/napi-v6", process.platform, process.arch);
}

/**
 * Whether the CUDA provider can be made, before ONNX Runtime tries, whose own error does not say what is missing.
 * @throws HostError `engine_provider_missing`, `engine_library_missing`
 */
export function requireCuda(folder: string = providerFolder()): void {
  for (const file of PROVIDER_FILES) {
    if (existsSync(join(folder, file))) continue;
    throw new HostError(
      "engine_provider_missing",
      `${file} is not beside the engine: run npm run setup:cuda`,
    );
  }
  for (const [file, part] of NEEDED) {
    if (loads(file)) continue;
    const remedy = `install ${part}, and name its folder in LD_LIBRARY_PATH`;
    throw new HostError("engine_library_missing", `${file} does not load: ${remedy}`);
  }
}

function loads(file: string): boolean {
  try {
    koffi.load(file);
    return true;
  } catch {
    return false;
  }
}

/**
 * The devices that this process can see, by ordinal; `CUDA_VISIBLE_DEVICES` chooses them.
 * @throws HostError `engine_library_missing` where there is no driver, `engine_adapter_missing` where it has no device,
 *   `engine_provider_failed`
 */
export function listCudaDevices(): Adapter[] {
  const library = openDriver();
  const call = (name: string, signature: string, ...parameters: unknown[]): void => {
    const result = library.func(`int ${name}(${signature})`)(...parameters) as number;
    if (result === NO_DEVICE)
      throw new HostError("engine_adapter_missing", "the NVIDIA driver has no device for this process");
    if (result !== 0) throw new HostError("engine_provider_failed", `${name} gave ${result}`);
  };
  call("cuInit", "uint", 0);
  const number = Buffer.alloc(4);
  call("cuDeviceGetCount", "void *", number);
  const count = Math.min(number.readInt32LE(0), MAX_DEVICES);
  if (count === 0)
    throw new HostError("engine_adapter_missing", "CUDA_VISIBLE_DEVICES leaves this process no device");
  const driver = driverVersion();
  return Array.from({ length: count }, (_, ordinal) => {
    call("cuDeviceGet", "void *, int", number, ordinal);
    const device = number.readInt32LE(0);
    const name = Buffer.alloc(256);
    call("cuDeviceGetName", "void *, int, int", name, name.length, device);
    call("cuDeviceGetAttribute", "void *, int, int", number, ATTRIBUTE_INTEGRATED, device);
    const type = number.readInt32LE(0) === 1 ? "integrated" : "discrete";
    return { name: name.toString("utf8", 0, name.indexOf(0)), type, driver, source: "ordinal" };
  });
}

function openDriver(): ReturnType<typeof koffi.load> {
  try {
    return koffi.load("libcuda.so.1");
  } catch {
    throw new HostError("engine_library_missing", "libcuda.so.1 does not load: install the NVIDIA driver");
  }
}

/** Of the kernel module, as it says itself; empty where it does not. */
function driverVersion(): string {
  try {
    return `NVIDIA ${readFileSync("/sys/module/nvidia/version", "latin1").trim().slice(0, 64)}`;
  } catch {
    return "";
  }
}
