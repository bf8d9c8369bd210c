/** Openings of inputs that requests to a coordinator only commit to: for the service that is asked, and for nobody else. */
import { CodecError, fromBase64, fromHex, fromUtf8, toBase64, toHex0x, utf8 } from "../../codec/index.ts";
import { ChainError } from "./error.ts";

export interface ChainOpening {
  /** 32 bytes. */
  requestId: Uint8Array;
  /** 20 bytes. */
  requester: Uint8Array;
  /** Of the requester's requests, from 0. */
  nonce: bigint;
  /** 32 bytes each. */
  modelId: Uint8Array;
  policyDigest: Uint8Array;
  circuitInput: Uint8Array;
  salt: Uint8Array;
  /** Canonical tensors, at most 262,144 bytes. */
  input: Uint8Array;
}

const LENGTHS = {
  requestId: 32,
  requester: 20,
  modelId: 32,
  policyDigest: 32,
  circuitInput: 32,
  salt: 32,
} as const;
type HexMember = keyof typeof LENGTHS;
const HEX_MEMBERS = Object.keys(LENGTHS) as HexMember[];

/** The body of `POST /v1/chain/requests/{requestId}/opening`: JSON in UTF-8. */
export function openingBody(opening: ChainOpening): Uint8Array {
  const { requestId: _, ...body } = openingToJson(opening);
  return utf8(JSON.stringify(body));
}

/** For a file that its owner alone reads. */
export function serializeOpening(opening: ChainOpening): string {
  return `${JSON.stringify({ formatVersion: 1, ...openingToJson(opening) }, null, 2)}\n`;
}

/** @throws ChainError `opening_invalid` */
export function parseOpening(bytes: Uint8Array): ChainOpening {
  try {
    const value = JSON.parse(fromUtf8(bytes)) as Record<string, unknown> | null;
    const text = (name: string) => {
      const member = value?.[name];
      return typeof member === "string" ? member : invalid();
    };
    if (value?.["formatVersion"] !== 1 || !/^\d{1,20}$/.test(text("nonce"))) return invalid();
    const read = (name: HexMember) => fromHex(text(name).replace(/^0x/, ""), LENGTHS[name]);
    const hex = Object.fromEntries(HEX_MEMBERS.map((name) => [name, read(name)]));
    const rest = { nonce: BigInt(text("nonce")), input: fromBase64(text("input")) };
    return { ...(hex as Record<HexMember, Uint8Array>), ...rest };
  } catch (cause) {
    if (cause instanceof SyntaxError || cause instanceof CodecError) return invalid(cause);
    throw cause;
  }
}

function invalid(cause?: unknown): never {
  throw new ChainError("opening_invalid", "not an opening as chain request writes them", { cause });
}

function openingToJson(opening: ChainOpening) {
  const hex = Object.fromEntries(HEX_MEMBERS.map((name) => [name, toHex0x(opening[name])]));
  const { nonce, input } = opening;
  return { ...(hex as Record<HexMember, string>), nonce: nonce.toString(), input: toBase64(input) };
}
