/** Members of JSON documents, each read as exactly one type; what is none is said by name. */
import { fromHex } from "../../codec/index.ts";
import { parseIsoSeconds } from "./iso-time.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

/** A fault in a document; the entry points give it the code of the document. */
export class Malformed extends Error {}

export function objectOf(value: unknown, name: string): JsonObject {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new Malformed(`${name} is no object`);
  return value as JsonObject;
}

export function memberOf(object: JsonObject, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

export function textOf(object: JsonObject, name: string): string {
  const value = memberOf(object, name);
  if (typeof value !== "string") throw new Malformed(`${name} is no text`);
  return value;
}

export function integerOf(object: JsonObject, name: string, largest: number): number {
  const value = memberOf(object, name);
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value > largest) {
    throw new Malformed(`${name} is no integer from 0 to ${largest}`);
  }
  return value;
}

export function hexOf(object: JsonObject, name: string, byteLength: number): Uint8Array {
  const text = textOf(object, name);
  if (text.length !== byteLength * 2 || text.startsWith("0x"))
    throw new Malformed(`${name} is not of ${byteLength} bytes`);
  try {
    return fromHex(text, byteLength);
  } catch {
    throw new Malformed(`${name} is not hex`);
  }
}

export function uint32Of(object: JsonObject, name: string): number {
  const [a, b, c, d] = hexOf(object, name, 4) as unknown as [number, number, number, number];
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
}

export function dateOf(object: JsonObject, name: string): number {
  const seconds = parseIsoSeconds(textOf(object, name));
  if (seconds === undefined) throw new Malformed(`${name} is no UTC time`);
  return seconds;
}

export function arrayOf(value: unknown, name: string, largest: number): readonly unknown[] {
  if (!Array.isArray(value)) throw new Malformed(`${name} is no array`);
  if (value.length > largest) throw new Malformed(`${name} is too long`);
  return value;
}
