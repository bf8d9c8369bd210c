/** Settings of the HPKE keys that requests are sealed to. */
import { HOUR_MS, integer, MINUTE_MS, setting } from "./setting.ts";

const DAY_MS = 24 * HOUR_MS;

export const SEALING_SETTINGS = {
  sealingRotationMs: setting({
    env: "AFFIDAVIT_SEALING_ROTATION_MS",
    schema: integer(0, 3650 * DAY_MS),
    fallback: String(30 * DAY_MS),
    meaning:
      "How old the HPKE key of sealed requests becomes before another is made by itself; 0 for never. Of several replicas let one do it.",
  }),
  sealingOverlapMs: setting({
    env: "AFFIDAVIT_SEALING_OVERLAP_MS",
    schema: integer(MINUTE_MS, 90 * DAY_MS),
    fallback: String(DAY_MS),
    meaning: "How long an HPKE key still opens requests after another was made. Then it is erased.",
  }),
};
