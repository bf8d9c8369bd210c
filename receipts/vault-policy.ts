/**
 * The vault's policy: how much the installation's owner lets a vault do. JSON (RFC 8785) with an Ed25519 signature by the owner; its
 * SHA-256 is the `documentDigest` of a `PolicyChange` statement (docs/spec/vault.md). Browser-safe.
 */
import { ed25519 } from "@noble/curves/ed25519.js";
import { CodecError, concat, jcs, sha256, toHex0x, utf8, type Json } from "../codec/index.ts";
import { Shape } from "./shape.ts";

/** How much of each in an hour, and at once. What is not named has the vault's own default, or no limit. */
export interface VaultLimits {
  /** By the operation's name: how often in an hour. */
  operationsPerHour: ReadonlyMap<string, number>;
  /** What one transaction of the chain key may cost at most, and those of an hour together; null for no limit of the owner's. */
  weiPerTransaction: bigint | null;
  weiPerHour: bigint | null;
  /** The largest credit of an encrypted balance by one voucher; null for no limit. */
  creditAtomic: bigint | null;
}

export interface VaultPolicy {
  /** From 1; a policy with a higher one replaces it. */
  version: number;
  issuedAtMs: bigint;
  limits: VaultLimits;
  /**
   * The appraisal policy (docs/spec/appraisal.md) by which another vault may have this one's cluster keys; null for vaults of the same
   * image alone. Not read here.
   */
  peers: Json;
  /** The owner's Ed25519 public key, 32 bytes. Whether it is the owner's is for the reader to know. */
  owner: Uint8Array;
}

export const MAX_VAULT_POLICY_LENGTH = 32_768;
const FORMAT_VERSION = 1;
const MAX_OPERATIONS = 64;
/** Above what any vault does in an hour. */
const MAX_PER_HOUR = 2 ** 40;
const MAX_VERSION = 2 ** 40;
const WEI_DIGITS = 40;
const SIGNED_CONTEXT = utf8("affidavit.vault-policy.v1\n");
const shape: Shape = new Shape("owner_policy_invalid");

const amount = (value: bigint | null): Json => (value === null ? null : value.toString());

function unsigned({ version, issuedAtMs, limits, peers, owner }: VaultPolicy): { [member: string]: Json } {
  return {
    formatVersion: FORMAT_VERSION,
    issuedAtMs: issuedAtMs.toString(),
    limits: {
      creditAtomic: amount(limits.creditAtomic),
      operationsPerHour: Object.fromEntries(limits.operationsPerHour),
      weiPerHour: amount(limits.weiPerHour),
      weiPerTransaction: amount(limits.weiPerTransaction),
    },
    owner: toHex0x(owner),
    peers,
    version,
  };
}

/** "affidavit.vault-policy.v1" ‖ 0x0a ‖ the JCS text of the document without its member `signature`. */
const signedBytes = (policy: VaultPolicy): Uint8Array => concat(SIGNED_CONTEXT, utf8(jcs(unsigned(policy))));

/**
 * The signed document's text.
 * @param secretKey Ed25519 seed, 32 bytes
 * @throws ReceiptError `owner_policy_invalid` for what no reader would take
 */
export function signVaultPolicy(members: Omit<VaultPolicy, "owner">, secretKey: Uint8Array): string {
  const policy = { ...members, owner: ed25519.getPublicKey(secretKey) };
  const signature = ed25519.sign(signedBytes(policy), secretKey);
  const text = jcs({ ...unsigned(policy), signature: toHex0x(signature) });
  verifyVaultPolicy(text);
  return text;
}

/**
 * Text to a policy whose signature is by the `owner` that it names; whose key that is, is not known here.
 * @throws ReceiptError `owner_policy_invalid`
 */
export function verifyVaultPolicy(text: string): VaultPolicy {
  const document = shape.json(text, MAX_VAULT_POLICY_LENGTH);
  const members = [
    "formatVersion",
    "issuedAtMs",
    "limits",
    "owner",
    "peers",
    "signature",
    "version",
  ] as const;
  const root = shape.object(document, members, "document");
  if (root.formatVersion !== FORMAT_VERSION) shape.fail("formatVersion", "not known");
  const policy = {
    version: shape.integer(root.version, 1, MAX_VERSION, "version"),
    issuedAtMs: shape.uint64(root.issuedAtMs, "issuedAtMs"),
    limits: readVaultLimits(root.limits),
    peers: readPeers(root.peers),
    owner: shape.hex(root.owner, 32, "owner"),
  };
  const signature = shape.hex(root.signature, 64, "signature");
  if (canonical({ ...unsigned(policy), signature: toHex0x(signature) }) !== text)
    shape.fail("document", "not in canonical form");
  if (!isSignedBy(policy, signature)) shape.fail("signature", "not by the owner that it names");
  return policy;
}

function canonical(value: Json): string | undefined {
  try {
    return jcs(value);
  } catch (error) {
    if (!(error instanceof CodecError)) throw error;
    return undefined;
  }
}

function readPeers(value: unknown): Json {
  if (value !== null && (typeof value !== "object" || Array.isArray(value)))
    shape.fail("peers", "not an object");
  return value as Json;
}

/** The member `limits`, which an owner writes. @throws ReceiptError `owner_policy_invalid` */
export function readVaultLimits(value: unknown): VaultLimits {
  const names = ["creditAtomic", "operationsPerHour", "weiPerHour", "weiPerTransaction"] as const;
  const limits = shape.object(value, names, "limits");
  const operations: unknown = limits.operationsPerHour;
  if (typeof operations !== "object" || operations === null || Array.isArray(operations))
    shape.fail("limits.operationsPerHour", "not an object");
  const entries = Object.entries(operations);
  if (entries.length > MAX_OPERATIONS) shape.fail("limits.operationsPerHour", "too many");
  return {
    operationsPerHour: new Map(
      entries.map(([name, most]): [string, number] => {
        if (!/^[a-zA-Z]{1,40}$/.test(name))
          shape.fail("limits.operationsPerHour", "a name is not an operation's");
        return [name, shape.integer(most, 0, MAX_PER_HOUR, `limits.operationsPerHour.${name}`)];
      }),
    ),
    creditAtomic: readAmount(limits.creditAtomic, "limits.creditAtomic"),
    weiPerHour: readAmount(limits.weiPerHour, "limits.weiPerHour"),
    weiPerTransaction: readAmount(limits.weiPerTransaction, "limits.weiPerTransaction"),
  };
}

function readAmount(value: unknown, path: string): bigint | null {
  if (value === null) return null;
  const text = shape.text(value, WEI_DIGITS, path);
  if (!/^(0|[1-9][0-9]*)$/.test(text)) shape.fail(path, "not a decimal number");
  return BigInt(text);
}

/** SHA-256 of the document's text: 32 bytes. */
export const vaultPolicyDigest = (text: string): Uint8Array => sha256(utf8(text));

function isSignedBy(policy: VaultPolicy, signature: Uint8Array): boolean {
  try {
    return ed25519.verify(signature, signedBytes(policy), policy.owner, { zip215: false });
  } catch {
    // noble throws on a key that is no point.
    return false;
  }
}
