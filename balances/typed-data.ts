/** Flat EIP-712 structs in the statements' domain that are not statements: what owners and the operator sign. */
import { concat, fromHex, keccak256, toHex0x, utf8 } from "../codec/index.ts";
import { DOMAIN_SEPARATOR } from "../receipts/index.ts";
import { BalanceError, type BalanceErrorCode } from "./error.ts";

const UINT64_MAX = 2n ** 64n - 1n;

export type FieldTable = readonly {
  readonly name: string;
  readonly type: "bytes32" | "uint8" | "uint64" | "string";
}[];

interface Values {
  bytes32: Uint8Array;
  uint8: number;
  uint64: bigint;
  string: string;
}

/** The struct of a table. */
export type StructOf<T extends FieldTable> = {
  [F in T[number] as F["name"]]: Values[F["type"]];
};

type FieldValue = Uint8Array | number | bigint | string;

/** The EIP-712 type string. */
export function structType(name: string, table: FieldTable): string {
  return `${name}(${table.map((field) => `${field.type} ${field.name}`).join(",")})`;
}

function word(value: unknown, type: keyof Values): Uint8Array | undefined {
  if (type === "bytes32") return value instanceof Uint8Array && value.length === 32 ? value : undefined;
  if (type === "string")
    return typeof value === "string" && value.isWellFormed() ? keccak256(utf8(value)) : undefined;
  const number = type === "uint8" && Number.isInteger(value) ? BigInt(value as number) : value;
  if (typeof number !== "bigint" || number < 0n || number > (type === "uint8" ? 255n : UINT64_MAX))
    return undefined;
  const bytes = new Uint8Array(32);
  new DataView(bytes.buffer).setBigUint64(24, number);
  return bytes;
}

/**
 * The EIP-712 digest of a struct: 32 bytes.
 * @throws BalanceError `code` where a field is missing or out of range
 */
export function structDigest<T extends FieldTable>(
  name: string,
  table: T,
  struct: StructOf<T>,
  code: BalanceErrorCode,
): Uint8Array {
  const words = table.map((field) => {
    const encoded = word(Reflect.get(struct, field.name), field.type);
    if (!encoded) throw new BalanceError(code, `${field.name} is no ${field.type}`);
    return encoded;
  });
  const hash = keccak256(concat(keccak256(utf8(structType(name, table))), ...words));
  return keccak256(concat(Uint8Array.of(0x19, 0x01), DOMAIN_SEPARATOR, hash));
}

/** As JSON: bytes as `0x` and lower-case hex, uint8 as a number, uint64 as decimal text. */
export function structToJson<T extends FieldTable>(
  table: T,
  struct: StructOf<T>,
): Record<string, string | number> {
  return Object.fromEntries(
    table.map(({ name }) => {
      const value = Reflect.get(struct, name) as FieldValue;
      if (value instanceof Uint8Array) return [name, toHex0x(value)];
      return [name, typeof value === "bigint" ? value.toString() : value];
    }),
  );
}

function fieldFromJson(value: unknown, type: keyof Values): FieldValue | undefined {
  if (type === "uint8")
    return Number.isInteger(value) && Number(value) <= 255 ? (value as number) : undefined;
  if (typeof value !== "string") return undefined;
  if (type === "string") return value;
  if (type === "bytes32") return /^0x[0-9a-f]{64}$/.test(value) ? fromHex(value) : undefined;
  return /^(0|[1-9][0-9]{0,19})$/.test(value) ? BigInt(value) : undefined;
}

/**
 * The reverse: exactly these members, one spelling a value. Nothing is signed yet.
 * @throws BalanceError `code`
 */
export function structFromJson<T extends FieldTable>(
  table: T,
  json: unknown,
  code: BalanceErrorCode,
): StructOf<T> {
  const known = typeof json === "object" && json !== null && !Array.isArray(json);
  if (!known || Object.keys(json).length !== table.length)
    throw new BalanceError(code, "not exactly the members that are due");
  const entries = table.map(({ name, type }) => {
    const value = Object.hasOwn(json, name) ? fieldFromJson(Reflect.get(json, name), type) : undefined;
    if (value === undefined || !word(value, type)) throw new BalanceError(code, `${name} is no ${type}`);
    return [name, value];
  });
  return Object.fromEntries(entries) as StructOf<T>;
}
