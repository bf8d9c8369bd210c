/** How a deprecated model says so: `Deprecation` (RFC 9745) and `Sunset` (RFC 8594). */
import { ServiceError } from "./problem.ts";

export interface Deprecation {
  deprecatedAt: Date;
  /** From then on it is refused; null where no time is set. */
  sunsetAt: Date | null;
}

export function deprecationHeaders(deprecation: Deprecation | undefined): Record<string, string> {
  if (!deprecation) return {};
  const { deprecatedAt, sunsetAt } = deprecation;
  return {
    deprecation: `@${Math.floor(deprecatedAt.getTime() / 1000)}`,
    ...(sunsetAt && { sunset: sunsetAt.toUTCString() }),
  };
}

/** @throws ServiceError `model_sunset` */
export function refuseSunset(deprecation: Deprecation | undefined, nowMs: number): void {
  if (!isSunset(deprecation, nowMs)) return;
  throw new ServiceError("model_sunset", undefined, { headers: deprecationHeaders(deprecation) });
}

export function isSunset(deprecation: Deprecation | undefined, nowMs: number): boolean {
  const sunsetAt = deprecation?.sunsetAt;
  return sunsetAt !== null && sunsetAt !== undefined && sunsetAt.getTime() <= nowMs;
}
