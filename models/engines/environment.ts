/** What a device's host gets of its starter's environment. */

/** What GPU drivers and their libraries read; nothing else reaches a host. */
const PASSED_ON = [
  "LD_LIBRARY_PATH",
  "CUDA_VISIBLE_DEVICES",
  "CUDA_DEVICE_ORDER",
  "CUDA_CACHE_PATH",
  "CUDA_CACHE_DISABLE",
  "NVIDIA_TF32_OVERRIDE",
  "VK_ICD_FILENAMES",
  "VK_DRIVER_FILES",
  "VK_ADD_DRIVER_FILES",
  "DRI_PRIME",
  "MESA_VK_DEVICE_SELECT",
];

/** FP32 stays FP32 in the CUDA libraries unless the operator says otherwise: the execution record tells which. */
const DEFAULTS = { NVIDIA_TF32_OVERRIDE: "0", CUDA_DEVICE_ORDER: "PCI_BUS_ID" };

export function deviceEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const passed: Record<string, string> = { ...DEFAULTS };
  for (const name of PASSED_ON) {
    const value = environment[name];
    if (value) passed[name] = value;
  }
  return passed;
}
