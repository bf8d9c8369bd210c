/** Whose log a database holds: a vault with other keys must not go on with it unasked. */
import type { Logger } from "pino";
import { ReceiptError, verifyCheckpoint } from "../receipts/index.ts";
import type { Vault } from "../vault/index.ts";
import { ConfigError, type Config } from "./config.ts";
import { latestCheckpoint, type Database } from "./db/index.ts";

type Started = Pick<Vault, "info">;

/** Whether the vault's log key signed the database's newest checkpoint; undefined where there is none. */
async function signedByVault(
  database: Database,
  { logOrigin }: Pick<Config, "logOrigin">,
  { info: { logPublicKey } }: Started,
): Promise<boolean | undefined> {
  const newest = await latestCheckpoint(database);
  if (!newest) return undefined;
  try {
    verifyCheckpoint(newest.note, { name: logOrigin, publicKey: logPublicKey });
    return true;
  } catch (error) {
    if (!(error instanceof ReceiptError)) throw error;
    return false;
  }
}

/**
 * A worker opens what the service's vault sealed, and signs in its log: its vault must hold the same cluster's keys. Another
 * would start a log of its own over the service's statements.
 * @throws ConfigError `setting_invalid`
 */
export async function requireClusterKeys(
  database: Database,
  config: Pick<Config, "logOrigin">,
  vault: Started,
): Promise<void> {
  if (await signedByVault(database, config, vault)) return;
  throw new ConfigError(
    "setting_invalid",
    ["AFFIDAVIT_VAULT_DIR"],
    "the vault does not hold the cluster's keys: give it a copy of the service's vault folder",
  );
}

/**
 * A vault whose folder was lost makes new keys: what the old one sealed opens no more, and the log would go on under another key.
 * That happens where the operator says so, and not by a mistyped path.
 * @throws ConfigError `setting_invalid`
 */
export async function requireKnownLogKey(
  database: Database,
  config: Pick<Config, "logOrigin" | "acceptNewLogKey">,
  vault: Started,
  log: Logger,
): Promise<void> {
  if ((await signedByVault(database, config, vault)) !== false) return;
  if (!config.acceptNewLogKey)
    throw new ConfigError(
      "setting_invalid",
      ["AFFIDAVIT_VAULT_DIR", "AFFIDAVIT_ACCEPT_NEW_LOG_KEY"],
      "the vault does not hold the key that signed this database's log. Give it its folder back (AFFIDAVIT_VAULT_DIR), or, where it is lost for good, set AFFIDAVIT_ACCEPT_NEW_LOG_KEY=true for one start: what the old keys sealed stays closed, and log witnesses and monitors must be told of the new key",
    );
  log.warn(
    { setting: "AFFIDAVIT_ACCEPT_NEW_LOG_KEY" },
    "the database's log was signed by another key: it goes on under this vault's, as it was told to",
  );
}
