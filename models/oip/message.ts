/** What requests and responses share: the split into JSON and binary parts, members, parameters, tensors. */
import { CodecError, fromUtf8 } from "../../codec/index.ts";
import type { Tensor } from "../../receipts/index.ts";
import { checkBinaryData } from "./binary.ts";
import { parseDatatype } from "./datatypes.ts";
import { OipError } from "./errors.ts";
import { quoteLongIntegers } from "./integers.ts";
import { decodeJsonData, encodeJsonData } from "./json-data.ts";
import { checkStructure } from "./structure.ts";

export interface OipLimits {
  /** Longest JSON part, in bytes. */
  maxJsonBytes: number;
  /** Most tensors in a message, and most requested outputs. */
  maxTensors: number;
}

export const OIP_LIMITS: OipLimits = { maxJsonBytes: 32 * 1024 * 1024, maxTensors: 64 };

const MAX_RANK = 16;
const MAX_DIMENSION = 2 ** 31 - 1;
const MAX_NAME_LENGTH = 256;
const MAX_PARAMETERS = 64;
const MAX_PARAMETER_LENGTH = 4096;

export type ParameterValue = string | number | boolean;
export type Parameters = ReadonlyMap<string, ParameterValue>;
/** A JSON object whose members were checked against a list. */
export type Members = Record<string, unknown>;

/** A message on its way out. `headerLength` is the JSON part's length where binary parts follow, else undefined. */
export interface EncodedMessage {
  body: Uint8Array;
  headerLength: number | undefined;
  contentType: "application/json" | "application/octet-stream";
}

/** Parameters that change what a request means and that nothing here can honour: refused, not ignored. */
const UNSUPPORTED_PARAMETERS = new Set([
  "classification",
  "sequence_id",
  "sequence_start",
  "sequence_end",
  "shared_memory_region",
  "shared_memory_offset",
  "shared_memory_byte_size",
]);

/** The JSON part, read, and what is left of the binary part. */
export class MessageReader {
  readonly root: unknown;
  readonly hasBinary: boolean;
  #text: string;
  #binary: Uint8Array;
  #exact: unknown;

  /** @throws OipError `oip_header_length_invalid`, `oip_too_large`, `oip_not_json` */
  constructor(body: Uint8Array, headerLength: number | undefined, limits: OipLimits) {
    const jsonLength = headerLength ?? body.length;
    if (!Number.isSafeInteger(jsonLength) || jsonLength < 1 || jsonLength > body.length) {
      throw new OipError("oip_header_length_invalid", "the JSON part must be 1 byte to the whole body");
    }
    if (jsonLength > limits.maxJsonBytes) {
      throw new OipError("oip_too_large", `the JSON part has more than ${limits.maxJsonBytes} bytes`);
    }
    this.hasBinary = headerLength !== undefined;
    this.#binary = body.subarray(jsonLength);
    const json = body.subarray(0, jsonLength);
    checkStructure(json);
    try {
      this.#text = fromUtf8(json);
      this.root = JSON.parse(this.#text);
    } catch (error) {
      // The engine's message quotes the text, which must not reach a log.
      if (error instanceof SyntaxError || error instanceof CodecError) {
        throw new OipError("oip_not_json", "the JSON part is not JSON in UTF-8");
      }
      throw error;
    }
  }

  /** The same tree with long integers as strings. */
  exact(): unknown {
    this.#exact ??= JSON.parse(quoteLongIntegers(this.#text));
    return this.#exact;
  }

  /** The next bytes of the binary part, as a view. */
  take(where: string, byteLength: number): Uint8Array {
    if (byteLength > this.#binary.length) {
      throw new OipError("oip_binary_size_mismatch", `${where}: the binary part ends too early`);
    }
    const taken = this.#binary.subarray(0, byteLength);
    this.#binary = this.#binary.subarray(byteLength);
    return taken;
  }

  /** @throws OipError `oip_binary_size_mismatch` where bytes are left that no tensor claimed */
  finish(): void {
    if (this.#binary.length > 0) {
      throw new OipError("oip_binary_size_mismatch", `${this.#binary.length} bytes belong to no tensor`);
    }
  }
}

/** An object with no other members than these. */
export function readMembers(where: string, value: unknown, known: readonly string[]): Members {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalid(where, "an object");
  }
  for (const name of Object.keys(value)) {
    if (!known.includes(name)) {
      const shown = JSON.stringify(name.slice(0, 64));
      throw new OipError("oip_member_unknown", `${where} has a member ${shown}, which is not known`);
    }
  }
  return value as Members;
}

export function readText(where: string, value: unknown): string {
  if (value === undefined) throw new OipError("oip_member_missing", `${where} is missing`);
  if (typeof value !== "string" || value.length > MAX_NAME_LENGTH || !value.isWellFormed()) {
    throw invalid(where, `a string of at most ${MAX_NAME_LENGTH} characters`);
  }
  return value;
}

export function readList(where: string, value: unknown, maximum: number): readonly unknown[] {
  if (value === undefined) throw new OipError("oip_member_missing", `${where} is missing`);
  if (!Array.isArray(value)) throw invalid(where, "an array");
  if (value.length > maximum)
    throw new OipError("oip_too_large", `${where} has more than ${maximum} entries`);
  return value;
}

/** @throws OipError `oip_member_invalid`, `oip_too_large`, `oip_parameter_unsupported` */
export function readParameters(where: string, value: unknown): Parameters {
  const parameters = new Map<string, ParameterValue>();
  if (value === undefined) return parameters;
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw invalid(where, "an object");
  const entries = Object.entries(value);
  if (entries.length > MAX_PARAMETERS) {
    throw new OipError("oip_too_large", `${where} has more than ${MAX_PARAMETERS} entries`);
  }
  for (const [name, entry] of entries) {
    if (UNSUPPORTED_PARAMETERS.has(name)) {
      throw new OipError("oip_parameter_unsupported", `${where}: ${name} is not supported`);
    }
    if (name.length > MAX_NAME_LENGTH || !isParameterValue(entry)) {
      throw invalid(where, "strings, finite numbers and booleans by name");
    }
    parameters.set(name, entry);
  }
  return parameters;
}

function isParameterValue(value: unknown): value is ParameterValue {
  if (typeof value === "string") return value.length <= MAX_PARAMETER_LENGTH;
  return typeof value === "boolean" || (typeof value === "number" && Number.isFinite(value));
}

/** A boolean parameter, or undefined where it is absent. */
export function readFlag(where: string, parameters: Parameters, name: string): boolean | undefined {
  const value = parameters.get(name);
  if (value === undefined || typeof value === "boolean") return value;
  throw invalid(`${where}.${name}`, "true or false");
}

const TENSOR_MEMBERS = ["name", "shape", "datatype", "parameters", "data"];

/**
 * The tensors of a message, in its order; binary ones take their bytes in that order too.
 * @param member `inputs` or `outputs`
 */
export function readTensors(reader: MessageReader, member: string, list: readonly unknown[]): Tensor[] {
  const names = new Set<string>();
  return list.map((entry, index) => {
    const where = `${member}[${index}]`;
    const tensor = readTensor(reader, member, index, readMembers(where, entry, TENSOR_MEMBERS));
    if (names.has(tensor.name)) {
      throw new OipError("oip_tensor_duplicate", `${where}: an earlier entry has the same name`);
    }
    names.add(tensor.name);
    return tensor;
  });
}

function readTensor(reader: MessageReader, member: string, index: number, entry: Members): Tensor {
  const where = `${member}[${index}]`;
  const name = readText(`${where}.name`, entry.name);
  const datatype = parseDatatype(entry.datatype, where);
  const shape = readShape(`${where}.shape`, entry.shape);
  const byteLength = readParameters(`${where}.parameters`, entry.parameters).get("binary_data_size");
  if (byteLength === undefined) {
    const data = readList(`${where}.data`, entry.data, Infinity);
    const exact = (): readonly unknown[] => {
      const root = reader.exact() as Record<string, { data: unknown[] }[]>;
      return root[member]![index]!.data;
    };
    return { name, datatype, shape, data: decodeJsonData(`${where}.data`, datatype, shape, data, exact) };
  }
  if (!reader.hasBinary) {
    throw new OipError("oip_header_length_invalid", `${where} is binary, and no header length was given`);
  }
  if (typeof byteLength !== "number" || !Number.isSafeInteger(byteLength) || byteLength < 0) {
    throw invalid(`${where}.parameters.binary_data_size`, "a number of bytes");
  }
  if (entry.data !== undefined) throw invalid(`${where}.data`, "absent where the data is binary");
  const data = reader.take(where, byteLength);
  checkBinaryData(where, datatype, elementCount(where, shape), data);
  return { name, datatype, shape, data };
}

function readShape(where: string, value: unknown): number[] {
  const shape = readList(where, value, Infinity);
  const good = shape.length <= MAX_RANK && shape.every(isDimension);
  if (!good)
    throw new OipError("oip_shape_invalid", `${where} must be at most ${MAX_RANK} whole numbers from 0`);
  elementCount(where, shape as number[]);
  return shape as number[];
}

function isDimension(size: unknown): boolean {
  return typeof size === "number" && Number.isInteger(size) && size >= 0 && size <= MAX_DIMENSION;
}

function elementCount(where: string, shape: readonly number[]): number {
  const count = shape.reduce((product, size) => product * size, 1);
  if (count <= MAX_DIMENSION) return count;
  throw new OipError("oip_shape_invalid", `${where}: more than ${MAX_DIMENSION} elements`);
}

/** JSON text of one tensor; with `binary` its data is named by size only. */
export function tensorText(tensor: Tensor, binary: boolean): string {
  const { name, datatype, shape, data } = tensor;
  const head = `{"name":${JSON.stringify(name)},"datatype":"${datatype}","shape":[${shape.join(",")}],`;
  if (binary) return `${head}"parameters":{"binary_data_size":${data.length}}}`;
  return `${head}"data":${encodeJsonData(tensor)}}`;
}

export function parametersText(parameters: Parameters | undefined): string {
  return JSON.stringify(Object.fromEntries(parameters ?? []));
}

/** JSON and binary parts to one body. */
export function joinMessage(json: Uint8Array, binary: readonly Uint8Array[] | undefined): EncodedMessage {
  if (binary === undefined) return { body: json, headerLength: undefined, contentType: "application/json" };
  let length = json.length;
  for (const part of binary) length += part.length;
  const body = new Uint8Array(length);
  body.set(json);
  let offset = json.length;
  for (const part of binary) {
    body.set(part, offset);
    offset += part.length;
  }
  return { body, headerLength: json.length, contentType: "application/octet-stream" };
}

function invalid(where: string, wanted: string): OipError {
  return new OipError("oip_member_invalid", `${where} must be ${wanted}`);
}
