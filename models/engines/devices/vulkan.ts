/**
 * Vulkan adapters as the loader shows them (Vulkan 1.2, `vkEnumeratePhysicalDevices`, `VkPhysicalDeviceDriverProperties`),
 * and which of them a library of this process opened. Everything said here is a driver's word.
 */
import koffi from "koffi";
import type { Adapter, AdapterType } from "../../execution.ts";
import { HostError } from "../failure.ts";

const LIBRARIES: Partial<Record<NodeJS.Platform, string>> = {
  linux: "libvulkan.so.1",
  win32: "vulkan-1.dll",
};
const MAX_DEVICES = 64;
const VULKAN_1_2 = (1 << 22) | (2 << 12);
const SUCCESS = 0;
const INCOMPLETE = 5;
const INCOMPATIBLE_DRIVER = -9;

/** VkStructureType. */
const APPLICATION_INFO = 0;
const INSTANCE_CREATE_INFO = 1;
const PROPERTIES_2 = 1_000_059_001;
const DRIVER_PROPERTIES = 1_000_196_000;

/** VkPhysicalDeviceType, by number. */
const TYPES: readonly AdapterType[] = ["unknown", "integrated", "discrete", "virtual", "software"];
/** VkDriverId of Google SwiftShader and Mesa llvmpipe: software, whatever type they were to claim. */
const SOFTWARE_DRIVERS = new Set([10, 13]);

export type VulkanAdapter = Omit<Adapter, "source">;

/** Zeroed memory that stays where it is, as C structures need. */
class Memory {
  readonly #blocks: unknown[] = [];

  /** A structure of `byteLength` bytes that starts with its type and the address of the next one. */
  structure(type: number, byteLength: number, next = 0n): { view: DataView; address: bigint } {
    const block: unknown = koffi.alloc("uint8_t", byteLength);
    this.#blocks.push(block);
    const view = new DataView(koffi.view(block, byteLength));
    new Uint8Array(view.buffer).fill(0);
    view.setUint32(0, type, true);
    view.setBigUint64(8, next, true);
    return { view, address: koffi.address(block) };
  }

  free(): void {
    for (const block of this.#blocks.splice(0)) koffi.free(block);
  }
}

/**
 * The adapters that this process can see, in the loader's order; empty where there is no driver.
 * @throws HostError `engine_library_missing` where the loader is not installed, `engine_provider_failed`
 */
export function listVulkanAdapters(): VulkanAdapter[] {
  const library = openLoader();
  const memory = new Memory();
  try {
    return readAdapters(library, memory);
  } finally {
    memory.free();
  }
}

function openLoader(): ReturnType<typeof koffi.load> {
  const name = LIBRARIES[process.platform];
  if (name === undefined)
    throw new HostError("engine_provider_failed", "this system's adapters are not listed by Vulkan");
  try {
    return koffi.load(name);
  } catch {
    const remedy = "install the Vulkan loader (Debian, Ubuntu: libvulkan1) and the GPU's driver";
    throw new HostError("engine_library_missing", `${name} does not load: ${remedy}`);
  }
}

function readAdapters(library: ReturnType<typeof koffi.load>, memory: Memory): VulkanAdapter[] {
  const create = library.func("int vkCreateInstance(uintptr_t, uintptr_t, void *)");
  const enumerate = library.func("int vkEnumeratePhysicalDevices(uintptr_t, void *, void *)");
  const properties = library.func("void vkGetPhysicalDeviceProperties2(uintptr_t, uintptr_t)");
  const destroy = library.func("void vkDestroyInstance(uintptr_t, uintptr_t)");

  const application = memory.structure(APPLICATION_INFO, 48);
  application.view.setUint32(44, VULKAN_1_2, true);
  const info = memory.structure(INSTANCE_CREATE_INFO, 64);
  info.view.setBigUint64(24, application.address, true);
  const handle = Buffer.alloc(8);
  const created = create(info.address, 0n, handle);
  if (created === INCOMPATIBLE_DRIVER) return [];
  if (created !== SUCCESS) throw new HostError("engine_provider_failed", `vkCreateInstance gave ${created}`);
  const instance = handle.readBigUInt64LE(0);
  try {
    const count = Buffer.alloc(4);
    count.writeUInt32LE(MAX_DEVICES, 0);
    const devices = Buffer.alloc(8 * MAX_DEVICES);
    const listed = enumerate(instance, count, devices);
    if (listed !== SUCCESS && listed !== INCOMPLETE)
      throw new HostError("engine_provider_failed", `vkEnumeratePhysicalDevices gave ${listed}`);
    return Array.from({ length: count.readUInt32LE(0) }, (_, index) => {
      const driver = memory.structure(DRIVER_PROPERTIES, 544);
      const device = memory.structure(PROPERTIES_2, 1024, driver.address);
      properties(devices.readBigUInt64LE(8 * index), device.address);
      return describe(device.view, driver.view);
    });
  } finally {
    destroy(instance, 0n);
  }
}

/** VkPhysicalDeviceProperties2 (properties from byte 16) and VkPhysicalDeviceDriverProperties, of a 64-bit system. */
function describe(device: DataView, driver: DataView): VulkanAdapter {
  const type = TYPES[device.getUint32(16 + 16, true)] ?? "unknown";
  const driverId = driver.getUint32(16, true);
  const words = [textAt(driver, 20), textAt(driver, 276)].filter((text) => text !== "").join(" ");
  return {
    name: textAt(device, 16 + 20),
    type: SOFTWARE_DRIVERS.has(driverId) ? "software" : type,
    // A driver older than Vulkan 1.2 tells a number of its own making alone.
    driver: (words || `0x${device.getUint32(16 + 4, true).toString(16)}`).slice(0, 256),
  };
}

function textAt(view: DataView, offset: number): string {
  const bytes = Buffer.from(view.buffer, view.byteOffset + offset, 256);
  const end = bytes.indexOf(0);
  return bytes.toString("utf8", 0, end < 0 ? 256 : end).replaceAll(/[\p{Cc}\p{Cf}\ufffd]/gu, "?");
}

/** What `VK_LOADER_DEBUG=driver` makes the loader write for each device that is opened. */
const OPENED = /Using "(.{1,256})" with driver: "/g;

/**
 * Which adapter was opened, from the loader's own words; without them only an adapter that has no other beside it is
 * told. One that cannot be told has no name and type `unknown`: never a GPU by guess.
 */
export function openedAdapter(adapters: readonly VulkanAdapter[], loaderText: string): Adapter {
  const name = [...loaderText.matchAll(OPENED)].at(-1)?.[1];
  const named = adapters.filter((adapter) => adapter.name === name);
  const [first] = named;
  const alike = named.every(({ type, driver }) => type === first?.type && driver === first.driver);
  if (first && alike) return { ...first, source: "loader" };
  if (name === undefined && adapters.length === 1) return { ...adapters[0]!, source: "only" };
  return { name: "", type: "unknown", driver: "", source: "none" };
}
