/** The engine that the settings and the models ask for. */
import { EnginePool, type EnginePoolOptions, type LoadedModel } from "../models/index.ts";
import { configuredDevices, type Config } from "./config.ts";

/**
 * Each device has a host; those of the CPU are there for the models that it runs.
 * @param over what is to be otherwise
 */
export function openEngine(
  config: Config,
  models: { list(): LoadedModel[] },
  { hosts = config.engineHosts, ...over }: Pick<EnginePoolOptions, "hosts" | "spareHosts"> = {},
): EnginePool {
  const lists = models.list().map(({ manifest }) => manifest.executionProviders ?? config.executionProviders);
  const devices = configuredDevices(config, lists.flat());
  const needsCpuHosts = devices.length === 0 || lists.some((list) => list.every((name) => name === "cpu"));
  return new EnginePool({
    hosts: needsCpuHosts ? hosts : 0,
    devices,
    maxQueued: config.engineQueue,
    maxHeldBytes: config.engineQueueBytes,
    maxModelBytes: config.engineModelBytes,
    maxHostBytes: config.engineHostBytes,
    executionProviders: config.executionProviders,
    ...over,
  });
}
