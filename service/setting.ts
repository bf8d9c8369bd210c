/** How one setting is read, and what several share. */
import { resolve } from "node:path";
import { z } from "zod";

export type Environment = Record<string, string | undefined>;

export const MINUTE_MS = 60_000;
export const HOUR_MS = 60 * MINUTE_MS;

export interface Setting<Value> {
  env: string;
  schema: z.ZodType<Value, string>;
  /** Text as it would stand in the environment; a function where it depends on the machine; absent where unset has a meaning. */
  fallback?: string | ((environment: Environment) => string);
  /** How the documentation shows a default that depends on the machine. */
  shown?: string;
  meaning: string;
}

export function setting<Value>(definition: Setting<Value>): Setting<Value> {
  return definition;
}

export function integer(least: number, most: number) {
  const message = `a whole number from ${least} to ${most}`;
  return z
    .string()
    .regex(/^[0-9]{1,15}$/, message)
    .transform(Number)
    .pipe(z.number().min(least, message).max(most, message));
}

export const directory = z
  .string()
  .min(1)
  .max(4096)
  .transform((text) => resolve(text));

export const publicUrl = z.url({ protocol: /^https?$/, error: "an http or https URL" }).max(2048);
