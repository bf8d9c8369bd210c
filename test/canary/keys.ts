/** The private keys that a service's vault holds, read from its file as only root or the vault's own user may. */
import { hkdfSha256, utf8 } from "../../codec/index.ts";
import { clusterSecrets } from "../../vault/cluster-secrets.test-support.ts";
import type { Mark } from "./marks.ts";

/** Each use of the storage key has a subkey that leaves the vault as little as the key itself. */
const STORAGE_USES = ["salt", "record", "idempotency", "ledger", "allowance"];

export function clusterKeyMarks(vaultDirectory: string): Mark[] {
  const secrets = clusterSecrets(vaultDirectory);
  const marks = Object.entries(secrets).map(([name, bytes]) => ({ name: `vault ${name}`, bytes }));
  const subkeys = STORAGE_USES.map((use) => ({
    name: `vault storage subkey ${use}`,
    bytes: hkdfSha256(secrets["storageKey"]!, utf8(`affidavit.v1.storage.${use}`), 32),
  }));
  return [...marks, ...subkeys];
}
