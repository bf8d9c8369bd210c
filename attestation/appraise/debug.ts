/** Whether a host may look into what it runs. */
import { AttestationError } from "../error.ts";
import type { AppraisalContext } from "./appraisal.ts";

/** @throws AttestationError `debug_enabled` where debug mode is on and the policy does not accept it */
export function checkDebug(isDebug: boolean, { checks, policy }: AppraisalContext): void {
  if (policy.acceptDebug && isDebug) {
    checks.note("debug", "skipped", "debug mode is enabled, and the policy accepts it");
    return;
  }
  checks.run("debug", "debug mode is off", () => {
    if (isDebug)
      throw new AttestationError("debug_enabled", "debug mode is enabled: the host can read what runs there");
  });
}
