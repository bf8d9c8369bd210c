/** Replay of an event log against the registers of a quote whose signatures hold. */
import { equal } from "../../codec/index.ts";
import { AttestationError } from "../error.ts";
import { replayRegister, RTMR_COUNT, type EventLog, type MeasuredEvent } from "../parse/event-log.ts";
import type { Checks } from "../transcript.ts";

/**
 * That the log's events lead to the value of this register.
 * @throws AttestationError `event_log_replay_mismatch`
 */
export function verifyReplay(
  events: readonly MeasuredEvent[],
  registers: readonly Uint8Array[],
  register: number,
): void {
  if (!equal(replayRegister(events, register), registers[register]!)) {
    throw new AttestationError(
      "event_log_replay_mismatch",
      `the event log does not lead to the value of RTMR${register}`,
    );
  }
}

/**
 * That the log leads to all four RTMRs.
 * @param registers RTMR0 to RTMR3, 48 bytes each
 * @throws AttestationError `event_log_replay_mismatch`
 */
export function verifyEventLog(log: EventLog, registers: readonly Uint8Array[], checks: Checks): void {
  for (let register = 0; register < RTMR_COUNT; register++) {
    const count = log.events.filter((event) => event.register === register).length;
    checks.run(`event_log_rtmr${register}`, `${count} events lead to the value of RTMR${register}`, () =>
      verifyReplay(log.events, registers, register),
    );
  }
}
