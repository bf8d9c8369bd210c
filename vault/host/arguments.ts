/** The command line that `startVault` gives its child: `KEY_DIRECTORY ATTESTATION UID:GID|- OWNER|-`. */
import { isAbsolute } from "node:path";
import { fromHex, toHex } from "../../codec/index.ts";
import { VaultError } from "../error.ts";
import type { OwnUser } from "./key-directory.ts";

export interface HostArguments {
  keyDirectory: string;
  attestation: string;
  user: OwnUser | undefined;
  /** The Ed25519 key of the owner of models that name none: 32 bytes. */
  owner: Uint8Array | undefined;
}

export function formatArguments({ keyDirectory, attestation, user, owner }: HostArguments): string[] {
  return [keyDirectory, attestation, user ? `${user.uid}:${user.gid}` : "-", owner ? toHex(owner) : "-"];
}

/** @throws VaultError `start_failed` */
export function parseArguments(values: readonly string[]): HostArguments {
  const [keyDirectory, attestation, user, owner, ...rest] = values;
  if (!keyDirectory || !isAbsolute(keyDirectory) || !attestation || !user || !owner || rest.length > 0) {
    throw new VaultError("start_failed");
  }
  return {
    keyDirectory,
    attestation,
    user: user === "-" ? undefined : parseUser(user),
    owner: owner === "-" ? undefined : parseOwner(owner),
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
