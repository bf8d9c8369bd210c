/** The private keys that a service's vault holds, read from its file as only root or the vault's own user may. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { hkdfSha256, utf8 } from "../../codec/index.ts";
import { parseClusterKeys } from "../../vault/host/cluster-keys.ts";
import type { Mark } from "./marks.ts";

/** Each use of the storage key has a subkey that leaves the vault as little as the key itself. */
const STORAGE_USES = ["salt", "record", "idempotency"];

export function clusterKeyMarks(vaultDirectory: string): Mark[] {
  const { keys } = parseClusterKeys(readFileSync(join(vaultDirectory, "cluster.keys")));
  const { epoch: _, ...secrets } = keys;
  const marks = Object.entries(secrets).map(([name, bytes]) => ({ name: `vault ${name}`, bytes }));
  const subkeys = STORAGE_USES.map((use) => ({
    name: `vault storage subkey ${use}`,
    bytes: hkdfSha256(keys.storageKey, utf8(`affidavit.v1.storage.${use}`), 32),
  }));
  return [...marks, ...subkeys];
}
