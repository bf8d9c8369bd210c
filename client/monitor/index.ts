/** Follows a log and raises an alarm where it breaks its rules. */
export { LogAlarm, type AlarmCode } from "./error.ts";
export { monitorRound, type Round, type RoundOptions } from "./monitor.ts";
export { httpSource, type LogSource } from "./source.ts";
export { newState, StateError, stateFromJson, stateToJson, type MonitorState } from "./state.ts";
