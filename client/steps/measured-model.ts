/** Whether the model that answered was measured into the TEE's register before the evidence was made. */
import { equal } from "../../codec/index.ts";
import { attestedSource, type Step } from "./context.ts";

export const measuredModel: Step = {
  name: "model measured",
  run(context) {
    const { bundle, claims } = context;
    const { measuredModels } = bundle.evidence;
    const { modelId } = bundle.statement;
    const claim = "model measured";
    if (!measuredModels) {
      const value = "no register of the evidence shows models";
      claims.push({ claim, value, status: "unchecked", source: "verifier_derived" });
      return { skipped: value };
    }
    const at = measuredModels.modelIds.findIndex((id) => equal(id, modelId));
    if (at < 0) {
      const value = "not among the models in the register";
      claims.push({ claim, value, status: "unchecked", source: "verifier_derived" });
      return { skipped: value };
    }
    // That these models lead to the register was part of appraising the evidence.
    const value = `RTMR${measuredModels.register}, ${at + 1} of ${measuredModels.modelIds.length}`;
    claims.push({ claim, value, status: "verified", source: attestedSource(context) });
    return value;
  },
};
