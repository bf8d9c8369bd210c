/** Statements in JSON: bytes as `0x` and lower-case hex, uint8 as a number, uint64 as decimal text. */
import { toHex0x } from "../codec/index.ts";
import type { Json } from "../codec/index.ts";
import type { Field, FieldValue, StatementOf, StatementType } from "./fields.ts";
import { STATEMENT_FIELDS } from "./fields.ts";
import type { Shape } from "./shape.ts";

function toJson(value: unknown): Json {
  if (value instanceof Uint8Array) return toHex0x(value);
  if (typeof value === "bigint") return value.toString();
  return value as number | string;
}

/** A statement as a JSON object, members in signing order. */
export function statementToJson<T extends StatementType>(
  type: T,
  fields: StatementOf<T>,
): { [member: string]: Json } {
  const names = STATEMENT_FIELDS[type].map((field) => field.name);
  return Object.fromEntries(names.map((name) => [name, toJson(Reflect.get(fields, name))]));
}

function readField(shape: Shape, field: Field, value: unknown, path: string): FieldValue {
  if (field.type === "bytes32") return shape.hex(value, 32, path);
  if (field.type === "uint8") return shape.integer(value, 0, 255, path);
  if (field.type === "uint64") return shape.uint64(value, path);
  return shape.text(value, 1024, path);
}

/** The reverse, under the error code of `shape`. */
export function readStatement<T extends StatementType>(
  shape: Shape,
  type: T,
  value: unknown,
  path: string,
): StatementOf<T> {
  const table: readonly Field[] = STATEMENT_FIELDS[type];
  const members = shape.object(
    value,
    table.map((field) => field.name),
    path,
  );
  const entries = table.map((field) => [
    field.name,
    readField(shape, field, members[field.name], `${path}.${field.name}`),
  ]);
  return Object.fromEntries(entries) as StatementOf<T>;
}
