/** JSON Canonicalization Scheme (RFC 8785). */
import canonicalize from "canonicalize";

/** Anything JSON can hold. */
export type Json = null | boolean | number | string | Json[] | { [member: string]: Json };

/**
 * The canonical text of a JSON value.
 * @throws Error where the value holds a number that is not finite
 */
export function jcs(value: Json): string {
  return canonicalize(value) as string;
}
