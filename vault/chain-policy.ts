/** Which transactions the chain key signs: the calls, and how much they may cost. Given at the vault's start. */
import { VaultError } from "./error.ts";

export interface ContractPolicy {
  /** `0x` and 40 lower-case hex digits. */
  address: string;
  /** Function selectors, `0x` and 8 lower-case hex digits. */
  selectors: readonly string[];
  /** Calls that may be made with these arguments alone; their functions are in no `selectors`. */
  pinned: readonly PinnedCall[];
  /** Of all calls of this contract within an hour: most gas at its highest price, and value. */
  maxWeiPerHour: bigint;
}

/** A call one of whose arguments is fixed: of a withdrawal, to whom it goes. */
export interface PinnedCall {
  /** `0x` and 8 lower-case hex digits. */
  selector: string;
  /** Which of the words after the selector, from 0. */
  index: number;
  /** `0x` and 64 lower-case hex digits. */
  word: string;
}

export interface ChainPolicy {
  chainId: number;
  contracts: readonly ContractPolicy[];
  maxWeiPerTransaction: bigint;
  /** Of all contracts together. */
  maxWeiPerHour: bigint;
}

const MAX_CONTRACTS = 16;
const MAX_SELECTORS = 32;
const MAX_WORDS = 32;
const MAX_LENGTH = 32_768;

export function formatChainPolicy(policy: ChainPolicy): string {
  return JSON.stringify(policy, (_, value: unknown) =>
    typeof value === "bigint" ? value.toString() : value,
  );
}

/** @throws VaultError `chain_policy_invalid` */
export function parseChainPolicy(text: string): ChainPolicy {
  if (text.length > MAX_LENGTH) invalid();
  const root = object(readJson(text), ["chainId", "contracts", "maxWeiPerTransaction", "maxWeiPerHour"]);
  const { chainId } = root;
  if (typeof chainId !== "number" || !Number.isSafeInteger(chainId) || chainId < 1) invalid();
  return {
    chainId,
    contracts: list(root["contracts"], MAX_CONTRACTS).map((value) => {
      const entry = object(value, ["address", "selectors", "pinned", "maxWeiPerHour"]);
      return {
        address: hex(entry["address"], 40),
        selectors: list(entry["selectors"], MAX_SELECTORS).map((selector) => hex(selector, 8)),
        pinned: list(entry["pinned"], MAX_SELECTORS, 0).map(pinnedCall),
        maxWeiPerHour: wei(entry["maxWeiPerHour"]),
      };
    }),
    maxWeiPerTransaction: wei(root["maxWeiPerTransaction"]),
    maxWeiPerHour: wei(root["maxWeiPerHour"]),
  };
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    invalid();
  }
}

function object(value: unknown, names: readonly string[]): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) invalid();
  const given = Object.keys(value);
  if (given.length !== names.length || names.some((name) => !given.includes(name))) invalid();
  return value as Record<string, unknown>;
}

function pinnedCall(value: unknown): PinnedCall {
  const { selector, index, word } = object(value, ["selector", "index", "word"]);
  if (typeof index !== "number" || !Number.isInteger(index) || index < 0 || index >= MAX_WORDS) invalid();
  return { selector: hex(selector, 8), index, word: hex(word, 64) };
}

function list(value: unknown, maxLength: number, minLength = 1): unknown[] {
  if (!Array.isArray(value) || value.length < minLength || value.length > maxLength) invalid();
  return value;
}

function hex(value: unknown, digits: number): string {
  if (typeof value !== "string" || !new RegExp(`^0x[0-9a-f]{${digits}}$`).test(value)) invalid();
  return value;
}

function wei(value: unknown): bigint {
  if (typeof value !== "string" || !/^(0|[1-9][0-9]{0,40})$/.test(value)) invalid();
  return BigInt(value);
}

function invalid(): never {
  throw new VaultError("chain_policy_invalid");
}
