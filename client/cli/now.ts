/** The verifier's present, as a flag gives it. */
import { UsageError } from "./command.ts";

const UNIX_SECONDS = /^\d{1,12}(?:\.\d{1,9})?$/;
const ISO_8601 = /^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?<zone>Z|[+-]\d\d:\d\d)?)?$/;

/** Whether the month has this day: `Date` reads the 30th of February as the 2nd of March. */
function isDay(date: string): boolean {
  const time = new Date(date);
  return !Number.isNaN(time.getTime()) && time.toISOString().startsWith(date);
}

/** Unix seconds or ISO 8601 (a space may stand for the T), in UTC where it names no zone. @throws UsageError */
export function parseTime(text: string): Date {
  const iso = ISO_8601.exec(text);
  const isLocal = /[T ]/.test(text) && iso?.groups?.["zone"] === undefined;
  const time = UNIX_SECONDS.test(text)
    ? new Date(Number(text) * 1000)
    : new Date(
        iso === null || !isDay(text.slice(0, 10))
          ? Number.NaN
          : text.replace(" ", "T") + (isLocal ? "Z" : ""),
      );
  if (Number.isNaN(time.getTime())) throw new UsageError("--now takes Unix seconds or an ISO 8601 time");
  return time;
}

/** The clock of this machine where the flag is absent. @throws UsageError */
export function parseNow(given: string | undefined): Date {
  return given === undefined ? new Date() : parseTime(given);
}
