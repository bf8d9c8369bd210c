/** Loads models before anybody asks for them. */
import type { Logger } from "pino";
import type { EnginePool, LoadedModel } from "../models/index.ts";

export function isSealed({ sealed }: LoadedModel): boolean {
  return sealed === true;
}

/** In the background: a first request need not wait for its model, and a model that does not load tells so early. */
export async function preload(
  engine: EnginePool,
  models: readonly LoadedModel[],
  log: Logger,
): Promise<void> {
  try {
    for (const { model, error } of await engine.preload(models)) {
      log.warn({ err: error, model: model.manifest.name }, "a model does not load");
    }
    for (const { device, loaded } of engine.stats().hosts) {
      for (const { skipped, ...placed } of loaded) {
        const about = { device, ...placed, ...(skipped.length > 0 && { skipped }) };
        if (skipped.length > 0)
          log.warn(about, "a model runs on a provider that was configured as a fallback");
        else if (device !== undefined) log.info(about, "a model is on its device");
      }
    }
  } catch (error) {
    log.debug({ err: error }, "preloading ended early");
  }
}
