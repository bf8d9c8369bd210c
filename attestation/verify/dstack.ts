/** That dstack's events lead to the quote's registers, and that a compose file is the measured one. */
import { equal, fromHex, sha256, toHex, utf8 } from "../../codec/index.ts";
import { AttestationError } from "../error.ts";
import type { DstackEvidence } from "../parse/dstack.ts";
import type { DstackIdentity } from "../parse/dstack-identity.ts";
import type { MeasuredEvent } from "../parse/event-log.ts";
import type { Checks } from "../transcript.ts";
import { verifyReplay } from "./event-log.ts";

const ACPI_DATA = 10;

/** The agent leaves out what RTMR0 to RTMR2 hold, but for the digests of the ACPI tables. */
function isStripped(events: readonly MeasuredEvent[]): boolean {
  return events.every(({ register, type }) => register === 3 || (register === 0 && type === ACPI_DATA));
}

/**
 * @param registers RTMR0 to RTMR3
 * @throws AttestationError `event_log_replay_mismatch`
 */
export function verifyDstackEvents(
  { eventLog, runtimeEvents }: DstackEvidence,
  registers: readonly Uint8Array[],
  checks: Checks,
): void {
  checks.run("event_log_rtmr3", `${runtimeEvents.length} events lead to the value of RTMR3`, () => {
    verifyReplay(runtimeEvents, registers, 3);
    // The same events may be listed twice; a second list that says something else is no log of this quote.
    if (eventLog.some(({ register }) => register === 3)) verifyReplay(eventLog, registers, 3);
  });
  if (isStripped(eventLog)) {
    checks.skip("event_log_boot", "the log leaves out the boot: RTMR0 to RTMR2 are not replayed");
    return;
  }
  for (const register of [0, 1, 2]) {
    checks.run(`event_log_rtmr${register}`, `the events lead to the value of RTMR${register}`, () =>
      verifyReplay(eventLog, registers, register),
    );
  }
}

/** MRCONFIGID of its first version: 01, the compose file's digest, zeros. */
function checkConfigId(mrConfigId: Uint8Array, composeHash: string): void {
  if (mrConfigId[0] !== 1) return;
  if (!equal(mrConfigId.subarray(1, 33), fromHex(composeHash))) {
    throw new AttestationError("dstack_config_mismatch", "MRCONFIGID names another compose file");
  }
}

/**
 * @param mrConfigId the TD's, 48 bytes
 * @throws AttestationError `dstack_config_mismatch`, `dstack_compose_mismatch`
 */
export function verifyCompose(
  { appCompose }: DstackEvidence,
  { composeHash }: DstackIdentity,
  mrConfigId: Uint8Array | undefined,
  checks: Checks,
): void {
  if (mrConfigId !== undefined) {
    checks.run("config_id", "MRCONFIGID does not contradict the compose file", () =>
      checkConfigId(mrConfigId, composeHash),
    );
  }
  if (appCompose === undefined) {
    checks.skip("app_compose", "the compose file did not come along: only its digest is known");
    return;
  }
  checks.run("app_compose", "the compose file is the measured one", () => {
    if (toHex(sha256(utf8(appCompose))) !== composeHash) {
      throw new AttestationError("dstack_compose_mismatch", "the compose file is not the measured one");
    }
  });
}
