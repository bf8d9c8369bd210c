/**
 * The owner's policy of this vault: the signed document as it is, beside the cluster keys, whose file holds the owner's key and the
 * lowest version that may hold. A document that is newer than that was written just before a crash.
 */
import { equal, fromUtf8, toHex, utf8 } from "../../codec/index.ts";
import {
  MAX_VAULT_POLICY_LENGTH,
  ReceiptError,
  vaultPolicyDigest,
  verifyVaultPolicy,
  type VaultPolicy,
} from "../../receipts/index.ts";
import { VaultError } from "../error.ts";
import type { SignedWords } from "../wire/operations.ts";
import { POLICY_FILE } from "./key-directory.ts";
import type { Limits } from "./limits.ts";
import type { PeerPolicy } from "./peers.ts";
import type { PolicyPin } from "./policy-pin.ts";
import { readPrivateFile, writePrivateFile } from "./private-file.ts";
import type { Statements } from "./statements.ts";

interface Parts {
  limits: Limits;
  /** Returns when it is on disk. */
  savePin: (pin: PolicyPin) => Promise<void>;
}

interface InForce {
  document: string;
  /** Which peers may have the cluster's keys; undefined for those of the same image. */
  peers: PeerPolicy | undefined;
}

export class OwnersPolicy {
  readonly #parts: Parts;
  #pin: PolicyPin;
  #inForce: InForce | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(parts: Parts, pin: PolicyPin) {
    this.#parts = parts;
    this.#pin = pin;
  }

  /**
   * @param configured the owner key that this start was given: the first one is kept
   * @throws VaultError `policy_missing`, `policy_invalid`, `policy_stale`, `policy_owner_unknown`, `key_directory_unsafe`
   */
  static async open(
    parts: Parts,
    pin: PolicyPin,
    configured: Uint8Array | undefined,
    log: (line: string) => void,
  ): Promise<OwnersPolicy> {
    const policy = new OwnersPolicy(parts, pin);
    if (!pin.owner && configured) await policy.#save({ ...pin, owner: configured });
    if (pin.owner && configured && !equal(pin.owner, configured))
      log(`the owner of the vault's policy stays the one of its first start: ${toHex(pin.owner)}`);
    await policy.#load();
    return policy;
  }

  /** The document in force, and whose documents count. */
  read(): { owner: Uint8Array | null; document: string | null } {
    return { owner: this.#pin.owner, document: this.#inForce?.document ?? null };
  }

  /** By which other vaults are judged; undefined for this one's image alone. */
  get peers(): PeerPolicy | undefined {
    return this.#inForce?.peers;
  }

  /**
   * Puts the owner's document in force and states it. On disk before it holds; the same again is stated again, for a log
   * that a crash kept it from.
   * @throws VaultError `policy_invalid`, `policy_owner_unknown`, `policy_stale`, `keyset_missing`, `keyset_expired`
   */
  change(document: string, statements: Pick<Statements, "signNow">): Promise<SignedWords> {
    const changed = this.#turn.then(() => this.#change(document, statements));
    this.#turn = changed.catch(() => undefined);
    return changed;
  }

  async #change(document: string, statements: Pick<Statements, "signNow">): Promise<SignedWords> {
    const policy = this.#verify(document);
    const again = this.#inForce?.document === document;
    if (!again && policy.version <= this.#pin.version) throw new VaultError("policy_stale");
    // Before anything holds: whether it can be stated, and whether its limits can be applied.
    const signed = statements.signNow("PolicyChange", (issuedAtMs) => ({
      documentDigest: vaultPolicyDigest(document),
      issuedAtMs,
    }));
    if (again) return signed;
    this.#parts.limits.check(policy.limits);
    const peers = await peersOf(policy, document);
    await writePrivateFile(POLICY_FILE, utf8(document));
    await this.#save({ ...this.#pin, version: policy.version });
    this.#apply(policy, { document, peers });
    return signed;
  }

  async #load(): Promise<void> {
    const file = await readPrivateFile(POLICY_FILE, MAX_VAULT_POLICY_LENGTH);
    if (!file) {
      if (this.#pin.version > 0) throw new VaultError("policy_missing");
      return;
    }
    const document = readText(file);
    const policy = this.#verify(document);
    if (policy.version < this.#pin.version) throw new VaultError("policy_stale");
    if (policy.version > this.#pin.version) await this.#save({ ...this.#pin, version: policy.version });
    this.#apply(policy, { document, peers: await peersOf(policy, document) });
  }

  #verify(document: string): VaultPolicy {
    return verifyBy(this.#pin.owner, document);
  }

  #apply(policy: VaultPolicy, inForce: InForce): void {
    this.#parts.limits.apply(policy.limits);
    this.#inForce = inForce;
  }

  async #save(pin: PolicyPin): Promise<void> {
    await this.#parts.savePin(pin);
    this.#pin = pin;
  }
}

/** @throws VaultError `policy_invalid`, `policy_owner_unknown` */
function verifyBy(owner: Uint8Array | null, document: string): VaultPolicy {
  let policy: VaultPolicy;
  try {
    policy = verifyVaultPolicy(document);
  } catch (cause) {
    throw cause instanceof ReceiptError ? new VaultError("policy_invalid", { cause }) : cause;
  }
  if (!owner || !equal(owner, policy.owner)) throw new VaultError("policy_owner_unknown");
  return policy;
}

/** With what it is read by, which most policies do not need. @throws VaultError `policy_invalid` */
async function peersOf(policy: VaultPolicy, document: string): Promise<PeerPolicy | undefined> {
  if (policy.peers === null) return undefined;
  return (await import("./peers.ts")).peerPolicyOf(policy, document);
}

/**
 * An owner's document as a vault without one in force reads it, for its peers alone.
 * @throws VaultError `policy_invalid`, `policy_owner_unknown`, `peer_policy_missing`
 */
export async function readPeerPolicy(document: string, owner: Uint8Array | undefined): Promise<PeerPolicy> {
  const peers = await peersOf(verifyBy(owner ?? null, document), document);
  if (!peers) throw new VaultError("peer_policy_missing");
  return peers;
}

function readText(file: Uint8Array): string {
  try {
    return fromUtf8(file);
  } catch (cause) {
    throw new VaultError("policy_invalid", { cause });
  }
}
