/** Bytes as JSON of JavaScript and of older Rust programs spells them: a list of numbers, or what `Buffer` writes. */
import { toHex } from "../../codec/index.ts";

function listOf(value: unknown): readonly unknown[] | undefined {
  if (Array.isArray(value)) return value;
  if (typeof value !== "object" || value === null) return undefined;
  const { type, data } = value as { readonly type?: unknown; readonly data?: unknown };
  return type === "Buffer" && Array.isArray(data) ? data : undefined;
}

function isByte(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= 255;
}

/**
 * Lower-case hex of `[48, 130, …]` or `{"type": "Buffer", "data": [48, 130, …]}`.
 * @returns undefined for any other value, an empty list, and more than `maxByteLength` bytes
 */
export function hexOfByteList(value: unknown, maxByteLength: number): string | undefined {
  const list = listOf(value);
  if (list === undefined || list.length === 0 || list.length > maxByteLength) return undefined;
  return list.every(isByte) ? toHex(Uint8Array.from(list)) : undefined;
}
