/**
 * Statements as EIP-712 structs in the domain `{name: "Affidavit", version: "1"}`, encoded by hand: the structs are flat,
 * so a digest is two Keccak calls over a buffer of 32-byte words. Specification: docs/spec/receipt.md, EIP-712.
 */
import { concat, keccak256, utf8 } from "../codec/index.ts";
import { ReceiptError } from "./error.ts";
import type { Field, FieldValue, StatementOf, StatementType } from "./fields.ts";
import { STATEMENT_FIELDS, STATEMENT_TYPES } from "./fields.ts";

const WORD = 32;
const UINT64_MAX = 2n ** 64n - 1n;
const MAX_STRING_BYTES = 1024;

/** The EIP-712 type string, such as `Keyset(bytes32 keysetDigest,…)`. */
export function typeString(type: StatementType): string {
  const members = STATEMENT_FIELDS[type].map((field) => `${field.type} ${field.name}`);
  return `${type}(${members.join(",")})`;
}

const TYPE_HASHES = new Map<string, Uint8Array>(
  STATEMENT_TYPES.map((type) => [type, keccak256(utf8(typeString(type)))]),
);

/** keccak256 of the encoded domain: 32 bytes. */
export const DOMAIN_SEPARATOR = keccak256(
  concat(
    keccak256(utf8("EIP712Domain(string name,string version)")),
    keccak256(utf8("Affidavit")),
    keccak256(utf8("1")),
  ),
);

function fieldsOf(type: StatementType): readonly Field[] {
  if (!TYPE_HASHES.has(type)) throw new ReceiptError("statement_invalid", "unknown statement type");
  return STATEMENT_FIELDS[type];
}

function invalid(field: Field, problem: string): ReceiptError {
  return new ReceiptError("statement_invalid", `${field.name}: ${problem}`);
}

function writeWord(target: Uint8Array, offset: number, field: Field, value: unknown): void {
  if (field.type === "bytes32") {
    if (!(value instanceof Uint8Array) || value.length !== WORD) throw invalid(field, "not 32 bytes");
    target.set(value, offset);
  } else if (field.type === "uint8") {
    if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value > 255) {
      throw invalid(field, "not an integer from 0 to 255");
    }
    target[offset + 31] = value;
  } else if (field.type === "uint64") {
    if (typeof value !== "bigint" || value < 0n || value > UINT64_MAX)
      throw invalid(field, "not a uint64 bigint");
    new DataView(target.buffer, target.byteOffset + offset + 24, 8).setBigUint64(0, value);
  } else {
    if (typeof value !== "string" || !value.isWellFormed()) throw invalid(field, "not well-formed text");
    const bytes = utf8(value);
    if (bytes.length > MAX_STRING_BYTES) throw invalid(field, `longer than ${MAX_STRING_BYTES} bytes`);
    target.set(keccak256(bytes), offset);
  }
}

function writeWords(target: Uint8Array, offset: number, fields: readonly Field[], values: object): void {
  let position = offset;
  for (const field of fields) {
    const value: unknown = Object.hasOwn(values, field.name) ? Reflect.get(values, field.name) : undefined;
    writeWord(target, position, field, value);
    position += WORD;
  }
}

/**
 * The ABI words of a statement in field order: 32 bytes a field, integers big-endian, a string as keccak256 of its UTF-8.
 * @throws ReceiptError `statement_invalid` where a field is missing or out of range
 */
export function encodeStatement<T extends StatementType>(type: T, fields: StatementOf<T>): Uint8Array {
  const table = fieldsOf(type);
  const words = new Uint8Array(WORD * table.length);
  writeWords(words, 0, table, fields);
  return words;
}

function readWord(view: DataView, words: Uint8Array, offset: number, field: Field): FieldValue {
  if (field.type === "bytes32") return words.slice(offset, offset + WORD);
  if (field.type === "string") {
    throw new ReceiptError("statement_not_decodable", `${field.name}: a string's word is a hash`);
  }
  const start = field.type === "uint8" ? 31 : 24;
  for (let i = 0; i < start; i++) {
    if (words[offset + i] !== 0) throw invalid(field, "padding is not zero");
  }
  return field.type === "uint8" ? words[offset + 31]! : view.getBigUint64(offset + 24);
}

/**
 * ABI words to fields. Nothing is trusted yet: the words carry no signature.
 * @throws ReceiptError `statement_invalid` (length, padding), `statement_not_decodable` (`Checkpoint`)
 */
export function decodeStatement<T extends StatementType>(type: T, words: Uint8Array): StatementOf<T> {
  const table = fieldsOf(type);
  if (words.length !== WORD * table.length) {
    throw new ReceiptError(
      "statement_invalid",
      `${type} takes ${WORD * table.length} bytes, got ${words.length}`,
    );
  }
  const view = new DataView(words.buffer, words.byteOffset, words.length);
  const entries = table.map((field, i) => [field.name, readWord(view, words, i * WORD, field)]);
  return Object.fromEntries(entries) as StatementOf<T>;
}

function digestOfStruct(struct: Uint8Array): Uint8Array {
  const message = new Uint8Array(66);
  message[0] = 0x19;
  message[1] = 0x01;
  message.set(DOMAIN_SEPARATOR, 2);
  message.set(keccak256(struct), 34);
  return keccak256(message);
}

/**
 * The EIP-712 digest that the receipt key signs: 32 bytes.
 * @throws ReceiptError `statement_invalid`
 */
export function statementDigest<T extends StatementType>(type: T, fields: StatementOf<T>): Uint8Array {
  const table = fieldsOf(type);
  const struct = new Uint8Array(WORD * (table.length + 1));
  struct.set(TYPE_HASHES.get(type)!, 0);
  writeWords(struct, WORD, table, fields);
  return digestOfStruct(struct);
}

/**
 * The same digest from words that `encodeStatement` made; integer padding is not looked at.
 * @throws ReceiptError `statement_invalid` where the length is another type's
 */
export function wordsDigest(type: StatementType, words: Uint8Array): Uint8Array {
  const table = fieldsOf(type);
  if (words.length !== WORD * table.length)
    throw new ReceiptError("statement_invalid", `wrong length for ${type}`);
  return digestOfStruct(concat(TYPE_HASHES.get(type)!, words));
}
