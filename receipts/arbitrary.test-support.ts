/** Arbitrary statements, drawn from the field tables. */
import * as fc from "fast-check";
import type { Field, StatementOf, StatementType } from "./fields.ts";
import { STATEMENT_FIELDS } from "./fields.ts";

export const bytes = (byteLength: number) => fc.uint8Array({ minLength: byteLength, maxLength: byteLength });

function arbitraryField(field: Field): fc.Arbitrary<unknown> {
  if (field.type === "bytes32") return bytes(32);
  if (field.type === "uint8") return fc.integer({ min: 0, max: 255 });
  if (field.type === "uint64") return fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
  return fc.string({ unit: "grapheme", maxLength: 40 });
}

export function arbitraryStatement<T extends StatementType>(type: T): fc.Arbitrary<StatementOf<T>> {
  const fields: readonly Field[] = STATEMENT_FIELDS[type];
  const record = Object.fromEntries(fields.map((field) => [field.name, arbitraryField(field)]));
  return fc.record(record) as unknown as fc.Arbitrary<StatementOf<T>>;
}

/** The same statement with one field changed to another valid value. */
export function tamper<T extends StatementType>(fields: StatementOf<T>, field: Field): StatementOf<T> {
  const value: unknown = Reflect.get(fields, field.name);
  let changed: unknown;
  if (value instanceof Uint8Array) {
    changed = value.slice();
    (changed as Uint8Array)[31]! ^= 1;
  } else if (typeof value === "bigint") changed = value ^ 1n;
  else if (typeof value === "number") changed = value ^ 1;
  else changed = `${String(value)}x`;
  return { ...fields, [field.name]: changed };
}
