/** The one spelling of time in Intel's JSON documents, read without `Date`. */
import { daysIn, daysSince1970 } from "../verify/der.ts";

const PATTERN_LENGTH = "2024-01-01T00:00:00Z".length;

function digits(text: string, from: number, to: number): number {
  let value = 0;
  for (let i = from; i < to; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (!(digit >= 0 && digit <= 9)) return Number.NaN;
    value = value * 10 + digit;
  }
  return value;
}

/** `YYYY-MM-DDThh:mm:ssZ` in seconds since 1970, or undefined for any other text. */
export function parseIsoSeconds(text: string): number | undefined {
  if (text.length !== PATTERN_LENGTH) return undefined;
  const shape = text[4]! + text[7]! + text[10]! + text[13]! + text[16]! + text[19]!;
  const [year, month, day] = [digits(text, 0, 4), digits(text, 5, 7), digits(text, 8, 10)];
  const [hour, minute, second] = [digits(text, 11, 13), digits(text, 14, 16), digits(text, 17, 19)];
  const valid = shape === "--T::Z" && month >= 1 && month <= 12 && day >= 1 && day <= daysIn(year, month);
  if (!valid || !(year >= 0 && hour < 24 && minute < 60 && second < 60)) return undefined;
  return daysSince1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
}
