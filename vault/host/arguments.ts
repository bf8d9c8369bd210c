/** The command line of the vault: `KEY_DIRECTORY ATTESTATION GPU REGISTER UID:GID|- OWNER|- CHAIN|- BALANCES|- ROTATION:OVERLAP WORKERS|- join|- KEYWRAP`, as `startVault` gives it. */
import { isAbsolute } from "node:path";
import { fromHex, toHex } from "../../codec/index.ts";
import { BalanceError, ownerToText, parseOwner as parseOperator, type Owner } from "../../balances/client.ts";
import { formatChainPolicy, parseChainPolicy, type ChainPolicy } from "../chain-policy.ts";
import { VaultError } from "../error.ts";
import type { OwnUser } from "./key-directory.ts";
import type { SealingRotation } from "./sealing-keys.ts";

export interface HostArguments {
  keyDirectory: string;
  attestation: string;
  /** Whose evidence goes with the machine's own: `auto`, `none`, `nvml`, `nvml:/path` or `simulated`. */
  gpuAttestation: string;
  /** What models are measured into: `auto`, `none` or a path. */
  measurementRegister: string;
  user: OwnUser | undefined;
  /** The Ed25519 key of the owner of models that name none: 32 bytes. */
  owner: Uint8Array | undefined;
  /** What the chain key signs; nothing where undefined. */
  chain: ChainPolicy | undefined;
  /** Encrypted balances; off where undefined. */
  balances: BalancesPolicy | undefined;
  sealing: SealingRotation;
  /** The appraisal policy, JSON text, for workers elsewhere; they get nothing where undefined. */
  workers: string | undefined;
  /** Whether it gets its cluster's keys from another vault, and does nothing else. */
  joining: boolean;
  /** What the key file is sealed under: `none`, `dstack` or `dstack:/socket`. */
  keyWrap: string;
}

export interface BalancesPolicy {
  /** Whose vouchers and freezes count. */
  operator: Owner;
  /** Where the addon lies: the user's cache folder of this program. */
  cacheDirectory: string;
}

export function formatArguments(host: HostArguments): string[] {
  const {
    keyDirectory,
    attestation,
    gpuAttestation,
    measurementRegister,
    user,
    owner,
    chain,
    balances,
    workers,
  } = host;
  const { rotateAfterMs, overlapMs } = host.sealing;
  const as = user ? `${user.uid}:${user.gid}` : "-";
  const signed = chain ? formatChainPolicy(chain) : "-";
  const ledger = balances ? `${ownerToText(balances.operator)}@${balances.cacheDirectory}` : "-";
  return [
    keyDirectory,
    attestation,
    gpuAttestation,
    measurementRegister,
    as,
    owner ? toHex(owner) : "-",
    signed,
    ledger,
    `${rotateAfterMs}:${overlapMs}`,
    workers ?? "-",
    host.joining ? "join" : "-",
    host.keyWrap,
  ];
}

/** @throws VaultError `start_failed`, `chain_policy_invalid` */
export function parseArguments(values: readonly string[]): HostArguments {
  const [keyDirectory, attestation, gpuAttestation, measurementRegister, ...optional] = values;
  const [user, owner, chain, balances, sealing, workers, joining, keyWrap, ...rest] = optional;
  const hasAll = keyDirectory && attestation && gpuAttestation && measurementRegister;
  const isWhole = hasAll && user && owner && chain && balances && sealing && workers && joining && keyWrap;
  if (!isWhole || !isAbsolute(keyDirectory) || rest.length > 0) throw new VaultError("start_failed");
  return {
    keyDirectory,
    attestation,
    gpuAttestation,
    measurementRegister,
    user: user === "-" ? undefined : parseUser(user),
    owner: owner === "-" ? undefined : parseOwner(owner),
    chain: chain === "-" ? undefined : parseChainPolicy(chain),
    balances: balances === "-" ? undefined : parseBalances(balances),
    sealing: parseRotation(sealing),
    workers: workers === "-" ? undefined : workers,
    joining: joining === "join",
    keyWrap,
  };
}

/** Ages above a hundred years are slips. */
function parseRotation(value: string): SealingRotation {
  const match = /^([0-9]{1,13}):([0-9]{1,13})$/.exec(value);
  if (!match) throw new VaultError("start_failed");
  return { rotateAfterMs: Number(match[1]), overlapMs: Number(match[2]) };
}

function parseBalances(value: string): BalancesPolicy {
  const at = value.indexOf("@");
  const cacheDirectory = value.slice(at + 1);
  try {
    if (at > 0 && isAbsolute(cacheDirectory))
      return { operator: parseOperator(value.slice(0, at)), cacheDirectory };
  } catch (error) {
    if (!(error instanceof BalanceError)) throw error;
  }
  throw new VaultError("start_failed");
}

function parseOwner(value: string): Uint8Array {
  if (!/^[0-9a-f]{64}$/.test(value)) throw new VaultError("start_failed");
  return fromHex(value, 32);
}

function parseUser(value: string): OwnUser {
  const match = /^([1-9][0-9]{0,9}):([1-9][0-9]{0,9})$/.exec(value);
  if (!match) throw new VaultError("start_failed");
  return { uid: Number(match[1]), gid: Number(match[2]) };
}
