/** The command line that `startVault` gives its child: `KEY_DIRECTORY ATTESTATION UID:GID|-`. */
import { isAbsolute } from "node:path";
import { VaultError } from "../error.ts";
import type { OwnUser } from "./key-directory.ts";

export interface HostArguments {
  keyDirectory: string;
  attestation: string;
  user: OwnUser | undefined;
}

export function formatArguments({ keyDirectory, attestation, user }: HostArguments): string[] {
  return [keyDirectory, attestation, user ? `${user.uid}:${user.gid}` : "-"];
}

/** @throws VaultError `start_failed` */
export function parseArguments(values: readonly string[]): HostArguments {
  const [keyDirectory, attestation, user, ...rest] = values;
  if (!keyDirectory || !isAbsolute(keyDirectory) || !attestation || !user || rest.length > 0) {
    throw new VaultError("start_failed");
  }
  return { keyDirectory, attestation, user: user === "-" ? undefined : parseUser(user) };
}

function parseUser(value: string): OwnUser {
  const match = /^([1-9][0-9]{0,9}):([1-9][0-9]{0,9})$/.exec(value);
  if (!match) throw new VaultError("start_failed");
  return { uid: Number(match[1]), gid: Number(match[2]) };
}
