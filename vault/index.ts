/** The security module: a process of its own that holds the private keys and signs typed statements alone. */
export { VaultError, type VaultErrorCode } from "./error.ts";
export type { SignedInference, VaultEvidence } from "./client.ts";
export type { SignedStatement } from "./signed-statement.ts";
export { startVault, type Vault, type VaultOptions } from "./start.ts";
export type {
  Keyset,
  KeysetFields,
  KeysetParameters,
  LastCheckpoint,
  RevocationFields,
  ServiceTlsKey,
  Ticket,
  Eip712Checkpoint,
  VaultInfo,
} from "./wire/operations.ts";
export type { OpenedProjections, ProjectionRequest } from "./wire/projections.ts";
export type { OpenedInput, OwnedDocument, ProofFields, ReexecutionFields } from "./wire/assurance.ts";
export type { RequestKeys, SealedRequest, SealingKeyInfo, Tending } from "./wire/sealing.ts";
export { joinCluster, type PassingRelay } from "./join.ts";
export type { OwnEvidence, PassingAsked, PeerEvidence } from "./wire/passing.ts";
export type { PolicyView } from "./wire/policy.ts";
export type { SealingRotation } from "./host/sealing-keys.ts";
export { type ChainPolicy, type ContractPolicy } from "./chain-policy.ts";
export type { BalancesPolicy } from "./host/arguments.ts";
export { readLedgerHead } from "./ledger-head.ts";
export type { RestoreRequest, WalkedLeaf } from "./wire/allowances.ts";
export type { LedgerEntryRequest, ReadingRequest, VouchedEntry } from "./wire/balances.ts";
export type { Admission, WorkerChallenge, WorkerEvidence } from "./wire/workers.ts";
export type { SignedTransaction, UnsignedTransaction } from "./wire/chain.ts";
