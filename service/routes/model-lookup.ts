import { ModelError } from "../../models/client.ts";
import type { Models, ModelView } from "../services.ts";

/** @throws ModelError `model_not_found` */
export function findModel(
  models: Models,
  { name, version }: { name: string; version?: string },
  tenantId: string | undefined,
): ModelView {
  const model = models.get(name, version, tenantId);
  if (model === undefined)
    throw new ModelError("model_not_found", "no such model or version; GET /v1/models lists them");
  return model;
}
