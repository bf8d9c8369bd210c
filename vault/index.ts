/** The security module: a process of its own that holds the private keys and signs typed statements alone. */
export { VaultError, type VaultErrorCode } from "./error.ts";
export type { SignedStatement } from "./client.ts";
export { DEFAULT_VAULT_ID, startVault, type Vault, type VaultOptions } from "./start.ts";
export {
  MAX_DRAW,
  MAX_TAG_MESSAGE_BYTES,
  type Keyset,
  type KeysetFields,
  type KeysetParameters,
  type LastCheckpoint,
  type ServiceTlsKey,
  type Eip712Checkpoint,
  type VaultInfo,
} from "./wire/operations.ts";
