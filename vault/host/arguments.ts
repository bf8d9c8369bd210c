/** The command line of the vault: `KEY_DIRECTORY ATTESTATION GPU REGISTER UID:GID|- OWNER|- CHAIN|-`, as `startVault` gives it. */
import { isAbsolute } from "node:path";
import { fromHex, toHex } from "../../codec/index.ts";
import { formatChainPolicy, parseChainPolicy, type ChainPolicy } from "../chain-policy.ts";
import { VaultError } from "../error.ts";
import type { OwnUser } from "./key-directory.ts";

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
}

export function formatArguments(host: HostArguments): string[] {
  const { keyDirectory, attestation, gpuAttestation, measurementRegister, user, owner, chain } = host;
  const as = user ? `${user.uid}:${user.gid}` : "-";
  const signed = chain ? formatChainPolicy(chain) : "-";
  return [
    keyDirectory,
    attestation,
    gpuAttestation,
    measurementRegister,
    as,
    owner ? toHex(owner) : "-",
    signed,
  ];
}

/** @throws VaultError `start_failed`, `chain_policy_invalid` */
export function parseArguments(values: readonly string[]): HostArguments {
  const [keyDirectory, attestation, gpuAttestation, measurementRegister, user, owner, chain, ...rest] =
    values;
  const isWhole =
    keyDirectory && attestation && gpuAttestation && measurementRegister && user && owner && chain;
  if (!isWhole || !isAbsolute(keyDirectory) || rest.length > 0) throw new VaultError("start_failed");
  return {
    keyDirectory,
    attestation,
    gpuAttestation,
    measurementRegister,
    user: user === "-" ? undefined : parseUser(user),
    owner: owner === "-" ? undefined : parseOwner(owner),
    chain: chain === "-" ? undefined : parseChainPolicy(chain),
  };
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
