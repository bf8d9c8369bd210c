/** Models on the service's side: registry, engines, and everything that browsers share. */
export * from "./client.ts";
export type {
  Engine,
  EngineDevice,
  EnginePoolOptions,
  EngineResult,
  EngineStats,
  HostStats,
  LoadedStats,
  LoadedModel,
  PreloadFailure,
  RunOptions,
} from "./engines/engine.ts";
export { compareProviders } from "./engines/compare-providers.ts";
export type { ProviderFailed, ProviderRan } from "./engines/compare-providers.ts";
export { listDevices } from "./engines/devices/list.ts";
export type { DeviceList } from "./engines/devices/list.ts";
export { deviceEnvironment } from "./engines/environment.ts";
export { EnginePool } from "./engines/pool.ts";
export * from "./sealed/index.ts";
export * from "./signing/index.ts";
export { addModel, loadModel, ModelRegistry } from "./registry.ts";
export { readAssets } from "./zoo/package-files.ts";
