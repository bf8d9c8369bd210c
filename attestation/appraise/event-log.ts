/** The event log that may come with a TDX quote. */
import { toHex } from "../../codec/index.ts";
import { parseEventLog, RTMR_COUNT, type EventLog } from "../parse/event-log.ts";
import { verifyEventLog } from "../verify/event-log.ts";
import type { Checks } from "../transcript.ts";

const MAX_CLAIMED_EVENTS = 512;

/** What the log says, by number; data that no digest covers is only counted. */
export function eventLogClaims(log: EventLog): Record<string, unknown> {
  const registers = Array.from({ length: RTMR_COUNT }, (_, register) =>
    log.events.filter((event) => event.register === register),
  );
  return {
    format: log.format,
    events: log.events.length,
    eventsByRegister: registers.map((events) => events.length),
    eventsWithMeasuredData: log.events.filter(({ isDataMeasured }) => isDataMeasured).length,
    digests: log.events.slice(0, MAX_CLAIMED_EVENTS).map(({ register, type, digest }) => ({
      register,
      type,
      digest: toHex(digest),
    })),
  };
}

/**
 * Replays the log, where there is one. It is done before the quote's signatures are checked, so that a log that does not
 * belong to the quote is named as such; what it says is claimed only afterwards.
 * @param registers RTMR0 to RTMR3 of the quote
 * @throws AttestationError the `event_log_…` codes
 */
export function checkEventLog(
  bytes: Uint8Array | undefined,
  registers: readonly Uint8Array[],
  checks: Checks,
): EventLog | undefined {
  if (bytes === undefined) return undefined;
  const log = checks.run("event_log_parse", "the event log is well formed", () => parseEventLog(bytes));
  verifyEventLog(log, registers, checks);
  return log;
}
