import { describe, expect, it } from "vitest";
import { creationFault, leavesOperations, runFault } from "./provider-fault.ts";

/** As ONNX Runtime 1.30 and what lies under it word them; the CUDA ones by its sources, not seen on a device. */
describe("an error of a run", () => {
  it.each([
    [
      "engine_device_lost",
      "[Device] is lost. Device lost: A valid external Instance reference no longer exists.",
    ],
    ["engine_device_lost", "vkQueueSubmit failed with VK_ERROR_DEVICE_LOST"],
    ["engine_device_lost", "CUDA failure 700: an illegal memory access was encountered ; GPU=0"],
    ["engine_device_lost", "CUDA failure 719: unspecified launch failure ; GPU=0 ; hostname=h"],
    ["engine_provider_failed", "CUDA failure 2: out of memory ; GPU=0"],
    ["engine_provider_failed", "CUBLAS failure 3: the resource allocation failed"],
    [
      "engine_provider_failed",
      "WebGPU validation failed. Buffer size (2400000000) exceeds the max buffer size limit",
    ],
    [
      "engine_provider_failed",
      "running ConvTranspose node. Status Message: Only Conv2d or Conv1d are supported.",
    ],
    [
      "engine_provider_failed",
      "bfc_arena.cc:376 Failed to allocate memory for requested buffer of size 4294967296",
    ],
    [undefined, "Got invalid dimensions for input: x for the following indices"],
    [
      undefined,
      "The input tensor cannot be reshaped to the requested shape. Input shape:{700}, requested shape:{2,719}",
    ],
    [undefined, "indices element out of data bounds, idx=700 must be within the inclusive range [-2,1]"],
  ])("is %s for %j", (code, message) => {
    expect(runFault(message)).toBe(code);
  });
});

describe("a session that cannot be made", () => {
  it.each([
    ["engine_provider_missing", "no available backend found. ERR: [coreml] backend not found."],
    ["engine_adapter_missing", "Failed to get a WebGPU adapter: No supported adapters"],
    ["engine_adapter_missing", "CUDA failure 100: no CUDA-capable device is detected ; GPU=0"],
    [
      "engine_library_missing",
      "OrtSessionOptionsAppendExecutionProvider_Cuda: Failed to load shared library",
    ],
    ["graph_invalid", "Failed to load model because protobuf parsing failed."],
    ["graph_invalid", 'This is an invalid model. In Node, ("", Einsum, "", -1)'],
    ["engine_device_lost", "CUDA failure 719: unspecified launch failure"],
    ["engine_provider_failed", "something that nobody has seen"],
  ])("is %s for %j", (code, message) => {
    expect(creationFault(message)).toBe(code);
  });

  it("is told from a graph of which some is left over", () => {
    const left =
      "This session contains graph nodes that are assigned to the default CPU EP, but fallback to CPU EP has been explicitly disabled by the user.";
    expect([leavesOperations(left), leavesOperations("something else")]).toEqual([true, false]);
  });
});
