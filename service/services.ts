/** What the HTTP side needs from the rest of the service: handed to `createApp`, never imported by a route. */
import type { Logger } from "pino";
import type { AnsweredContracts } from "./chain-services.ts";
import type { Manifest } from "../models/client.ts";
import type {
  DstackAlgorithm,
  LogProof,
  RevocationKind,
  SignedCheckpointStatement,
  TileId,
} from "../receipts/index.ts";
import type { OfferedCircuit, Opening, PromiseKind, PromiseView, Wish } from "./assurance/index.ts";
import type { AccountState, LedgerRequest, Owner } from "../balances/index.ts";
import type { LedgerAllowances } from "./allowance-services.ts";
import type { LedgerOperationRow } from "./db/ledger.ts";
import type { FheKeyName } from "./ledger/keys.ts";
import type { Wish as LedgerWish } from "./ledger/wish.ts";
import type { Deprecation } from "./deprecation.ts";
import type { JobAdministration } from "./jobs/administration.ts";
import type { Administration } from "./admin/contract.ts";
import type { Sealing } from "./sealed/sealing.ts";
import type { VaultAdministration } from "./vault-administration.ts";
import type { Lifecycle } from "./middleware/lifecycle.ts";
import type { Metrics } from "./metrics.ts";
import type { Tenants } from "./tenants/contract.ts";
import type { WorkerSessions } from "./workers/index.ts";

/** Who calls, as the API key said. */
export interface Account {
  accountId: string;
  tenantId: string;
  keyId: string;
}

/** What a key may do: `infer` asks for inferences and reads its account's receipts, `admin` manages its tenant's keys. */
export const SCOPES = ["infer", "admin", "worker"] as const;
export type Scope = (typeof SCOPES)[number];

/** A live key. Scopes are as stored: one that is not of {@link SCOPES} allows nothing. */
export interface KeyHolder {
  account: Account;
  scopes: readonly string[];
  /** As stored, 32 bytes. */
  digest: Uint8Array;
}

/** A key as its tenant's administrators see it: never its text. */
export interface KeyView {
  id: string;
  accountId: string;
  /** First characters of the text, for people to tell keys apart. */
  prefix: string;
  label: string;
  scopes: string[];
  createdAt: Date;
  expiresAt: Date | null;
  revokedAt: Date | null;
}

export interface NewKey {
  tenantId: string;
  label: string;
  scopes: Scope[];
  /** An account of the tenant; a new one where left out. */
  accountId: string | undefined;
  expiresAt: Date | undefined;
}

/** API keys, stored as SHA-256 of their text. */
export interface Keys {
  /** The live key with this digest (32 bytes); undefined where there is none or it was revoked. */
  find(digest: Uint8Array): Promise<KeyHolder | undefined>;
  /**
   * @returns the key's text, which is kept nowhere
   * @throws ServiceError `account_not_found`, `key_limit`
   */
  create(wanted: NewKey): Promise<{ key: string; view: KeyView }>;
  /** All of the tenant that are not revoked, then the newest revoked ones, as far as a thousand go. */
  list(tenantId: string): Promise<KeyView[]>;
  /** @returns whether the tenant had such a live key */
  revoke(id: string, tenantId: string): Promise<boolean>;
}

/** The contract that a receipt is meant for. */
export interface Audience {
  chainId: bigint;
  /** 20 bytes. */
  address: Uint8Array;
}

export interface InferCall {
  account: Account;
  /** Names the call in logs and problems; no secret, and not the statement's requestId. */
  traceId: string;
  modelName: string;
  modelVersion: string | undefined;
  /** The path as the caller wrote it, without its query. */
  path: string;
  /** Identity content-coding: already unsealed and inflated. */
  body: Uint8Array;
  /** Bytes of the JSON part, where binary tensor data follows. */
  headerLength: number | undefined;
  /** 32 bytes; undefined: the vault makes one. */
  salt: Uint8Array | undefined;
  audience: Audience | undefined;
  /** The caller's own, 8 to 64 bytes: what an AIR receipt shows as `eat_nonce`. */
  challengeNonce: Uint8Array | undefined;
  idempotencyKey: string | undefined;
  /** Digest of the request that opened the allowance that pays, 32 bytes; undefined where none does. */
  allowance: Uint8Array | undefined;
  /** What the answer is to rest on beside the TEE. */
  wish: Wish;
  /** Aborts when the caller goes away or its time is over. */
  signal: AbortSignal;
}

/** An answer that goes out byte for byte as it is. */
export interface InferAnswer {
  status: number;
  headers: Record<string, string>;
  body: Uint8Array;
}

export interface Pipeline {
  /** @throws an error of any domain whose code is in the problem table */
  infer(call: InferCall): Promise<InferAnswer>;
}

/** A model as the API shows it. */
export interface ModelView {
  manifest: Manifest;
  /** Exact canonical text, whose SHA-256 is `modelId`. */
  manifestText: string;
  /** 32 bytes. */
  modelId: Uint8Array;
}

/** To whom a model is shown: a tenant, or somebody without an account. */
type Tenant = string | undefined;

export interface Models {
  list(tenantId: Tenant): ModelView[];
  /** The newest version where none is named. */
  get(name: string, version: string | undefined, tenantId: Tenant): ModelView | undefined;
  /** Undefined where it is not deprecated. */
  deprecation(model: Pick<ModelView, "modelId">): Deprecation | undefined;
  /** Names of models that the tenant sees, beside their own. */
  aliases(tenantId: Tenant): { name: string; modelId: Uint8Array }[];
  /** Whether an inference would find its weights and an engine now; `reason` in plain words where not. */
  readiness(model: ModelView): { ready: boolean; reason?: string };
}

export interface NewUpload {
  /** JSON text. */
  manifest: string;
  brokerUrl: string;
  /** Of the sealed file. */
  bytes: number;
  /** Of the sealed file: 32 bytes. */
  sha256: Uint8Array;
  /** Text of a signature (docs/operate/model-signatures.md), where the service wants one. */
  signature?: string | undefined;
}

export interface UploadView {
  id: string;
  /** 32 bytes. */
  modelId: Uint8Array;
  bytes: number;
  receivedBytes: number;
  expiresAt: Date;
}

/** Models that tenants upload. All throw ServiceError or ModelError where the tenant has no such upload or model. */
export interface PrivateModels {
  uploads: {
    begin(tenantId: string, wanted: NewUpload): Promise<UploadView>;
    find(tenantId: string, id: string): Promise<UploadView>;
    put(tenantId: string, id: string, offset: number, part: Uint8Array): Promise<UploadView>;
    complete(tenantId: string, id: string): Promise<ModelView>;
    remove(tenantId: string, id: string): Promise<void>;
  };
  /** Tenants that the model's own tenant let in. */
  guests(modelId: Uint8Array, tenantId: string): string[];
  allow(modelId: Uint8Array, tenantId: string, guest: string): Promise<void>;
  deny(modelId: Uint8Array, tenantId: string, guest: string): Promise<void>;
  remove(modelId: Uint8Array, tenantId: string): Promise<void>;
}

export interface Attestation {
  /**
   * Evidence, endorsements, keyset, its statement and log proof, as `docs/spec` lays them out.
   * @param nonce 32 bytes of the caller's own, or null for the evidence that the `Keyset` statement names
   */
  document(nonce: Uint8Array | null): Promise<unknown>;
  /** Digest of the keyset in use, 32 bytes; undefined between two. */
  keysetDigest(): Uint8Array | undefined;
  /** ACI's attestation report. @param nonce 32 bytes or null */
  aciReport(nonce: Uint8Array | null): Promise<unknown>;
  /** dstack's attestation report: evidence over one signing key and a nonce of 32 bytes. */
  signerReport(algorithm: DstackAlgorithm, nonce: Uint8Array): Promise<SignerReport>;
}

export interface SignerReport {
  /** Lower-case: 0x and 40 hex digits, or the 64 hex digits of an Ed25519 key. */
  signing_address: string;
  signing_algo: DstackAlgorithm;
  /** Hex. */
  request_nonce: string;
  intel_quote: string;
  /** Whether that quote is of the simulated TEE. */
  simulated: boolean;
}

/** What dstack's signature endpoint answers. */
export interface DstackSignature {
  text: string;
  /** Hex: 0x and r ‖ s ‖ v, or 64 bytes of Ed25519. */
  signature: string;
  signing_address: string;
  signing_algo: DstackAlgorithm;
}

/** A receipt in the formats of others. Whoever asks has shown that it is theirs: these hold unsalted hashes. */
export interface OwnersForms {
  /** An AIR v1 receipt. @throws ServiceError `receipt_form_unavailable` */
  air(receiptId: string): Promise<Uint8Array>;
  /** An ACI v1 receipt: JSON. @throws ServiceError `receipt_form_unavailable` */
  aci(receiptId: string): Promise<string>;
  /** @throws ServiceError `receipt_form_unavailable` */
  dstack(receiptId: string, algorithm: DstackAlgorithm): Promise<DstackSignature>;
}

/** A receipt as a list shows it. */
export interface ReceiptEntry {
  receiptId: string;
  type: string;
  leafIndex: bigint;
  issuedAtMs: bigint;
}

export interface Receipts {
  forms: OwnersForms;
  /**
   * The inclusion proof as a COSE receipt, or with the leaf as a SCITT transparent statement.
   * @throws ServiceError `receipt_not_found`, `inclusion_pending`
   */
  cose(receiptId: string, form: "cose" | "scitt"): Promise<Uint8Array>;
  owner(receiptId: string): Promise<{ accountId: string; tenantId: string } | undefined>;
  /**
   * The salt that the vault made for a receipt whose caller chose none: 32 bytes; undefined where the caller did. Whoever
   * asks has shown that it is theirs.
   */
  salt(receiptId: string): Promise<Uint8Array | undefined>;
  /** JSON text of the receipt bundle; undefined where there is no such receipt. */
  bundle(receiptId: string): Promise<string | undefined>;
  /** The account's statements, the newest first, from below leaf `before`. */
  list(account: Account, page: { before: bigint | undefined; limit: number }): Promise<ReceiptEntry[]>;
  /** `tokenDigest`: SHA-256 of the token's text, the only form that is stored. */
  addLink(link: {
    receiptId: string;
    account: Account;
    tokenDigest: Uint8Array;
    expiresAtMs: number;
  }): Promise<void>;
  /** The link with this digest, expired or not, with the digest as stored. */
  findLink(
    tokenDigest: Uint8Array,
  ): Promise<{ receiptId: string; tokenDigest: Uint8Array; expiresAtMs: number } | undefined>;
}

interface Documents {
  /** A public, content-addressed document: evidence, endorsements, keyset, manifest, policy, execution record. */
  get(digest: Uint8Array): Promise<{ mediaType: string; body: Uint8Array } | undefined>;
}

export interface TransparencyLog {
  /** Text of the newest signed note; undefined before the first. */
  checkpoint(): Promise<string | undefined>;
  /** The same head in the form for contracts. */
  checkpointStatement(): Promise<SignedCheckpointStatement | undefined>;
  /** Hashes of a tile, or a bundle of entries; undefined where no signed checkpoint covers all of it. */
  tile(tile: TileId): Promise<Uint8Array | undefined>;
  /**
   * Where a receipt's statement is in the log; undefined where no checkpoint covers it yet.
   * @param size of a signed checkpoint; without it the first one that covers the statement
   */
  inclusion(receiptId: string, size?: bigint): Promise<LogProof | undefined>;
  /** Waits until a checkpoint covers the statement; false where time or the signal ended the wait. */
  covered(receiptId: string, timeoutMs: number, signal: AbortSignal): Promise<boolean>;
}

export interface NewRevocation {
  kind: RevocationKind;
  /** 32 bytes. */
  subject: Uint8Array;
  /** The leaf from which it holds; undefined for the next one. */
  fromIndex: bigint | undefined;
}

export interface Revocations {
  /** @throws ServiceError `scope_missing`, `request_invalid`, `revocation_limit` */
  add(
    account: Account,
    revocation: NewRevocation,
  ): Promise<{ receiptId: string; leafIndex: bigint; fromIndex: bigint }>;
  /** JSON text of all that a checkpoint covers. */
  list(): Promise<string>;
}

/** What answers rest on beside the TEE: an account's proofs and re-executions. */
export interface Assurances {
  /** @throws ServiceError `promise_not_found` */
  find(account: Account, kind: PromiseKind, id: string): Promise<PromiseView>;
  /** After the next change of it that this process makes, or the time. */
  changed(id: string, timeoutMs: number): Promise<void>;
  /** @returns it, cancelled. @throws ServiceError `promise_not_found`, `promise_ended` */
  cancel(account: Account, kind: PromiseKind, id: string): Promise<PromiseView>;
  /**
   * A proof of an answer that promised none; that the account owns the receipt was decided before.
   * @throws as `askLateProof`
   */
  prove(account: Account, receiptId: string, opening: Opening): Promise<PromiseView>;
  /** Those in use, of models that everybody may use. @throws ServiceError `session_unavailable` */
  circuits(): Promise<OfferedCircuit[]>;
  /** JSON text of a proof bundle. @throws ServiceError `promise_not_found`, `proof_not_delivered` */
  bundle(account: Account, id: string): Promise<string>;
}

/** What the vault last said of an account; not what it holds. */
export type LedgerAccountView = AccountState;
export type LedgerOperationView = LedgerOperationRow;

/** What the vault said of an entry when it decrypted it once more, and the receipt of that. */
export interface LedgerCheckView {
  consistent: boolean;
  /** Hex of the `Opening`'s statement digest. */
  receiptId: string;
}

export interface LedgerReadingAsked {
  request: LedgerRequest;
  signature: Uint8Array;
  /** X25519: 32 bytes. */
  publicKey: Uint8Array;
}

/** Encrypted balances. An account is its tenant's; who signs for it is another matter. Each throws BalanceError where it says no. */
export interface Ledger {
  /** The FHE public keys by digest, as `0x` and hex, and whose vouchers count. */
  describe(): { operator: string; serverKeyDigest: string; keys: { name: FheKeyName; sha256: string }[] };
  key(name: FheKeyName): Promise<Uint8Array>;
  blob(digest: Uint8Array): Promise<Uint8Array | undefined>;
  open(account: Account, owner: Owner): Promise<LedgerAccountView>;
  account(account: Account, id: Uint8Array): Promise<LedgerAccountView>;
  /** @throws ServiceError `ledger_operation_limit` */
  ask(account: Account, id: Uint8Array, wish: LedgerWish): Promise<LedgerOperationView>;
  /** @throws ServiceError `ledger_operation_not_found` */
  operation(account: Account, id: Uint8Array, operationId: string): Promise<LedgerOperationView>;
  /** The balance, sealed to the owner's key; the log says that it was opened. */
  read(
    account: Account,
    id: Uint8Array,
    asked: LedgerReadingAsked,
  ): Promise<{ reading: Uint8Array; receiptId: string }>;
  /** Asks the vault whether an entry adds up; the log says what it found. */
  check(account: Account, id: Uint8Array, sequence: bigint): Promise<LedgerCheckView>;
  /** JSON text of the entries after a sequence that a checkpoint covers. */
  entries(account: Account, id: Uint8Array, after: bigint): Promise<string>;
  allowances: LedgerAllowances;
}

export interface Jobs {
  /**
   * For the operator's own tenant: jobs are the whole installation's.
   * @throws ServiceError `scope_missing`; JobError `jobs_unsupported` where there is no queue
   */
  administration(account: Account): JobAdministration;
}

/** One part of the service as `/readyz` shows it. */
export interface Component {
  name: string;
  /** `off` is an optional part that nobody turned on; it does not keep the service from being ready. */
  status: "ok" | "degraded" | "down" | "off";
  /** Plain words for the operator: what is simulated, which signer, how to turn an optional part on. */
  notes: string[];
}

export interface Health {
  components(): Promise<Component[]>;
}

export interface HttpLimits {
  /** Largest infer body, as received and, apart from it, after inflating. */
  maxBodyBytes: number;
  /** Sum of the infer bodies held at one time. */
  maxHeldBodyBytes: number;
  /** Largest ratio of inflated to received bytes. */
  maxInflateRatio: number;
  /** Infer requests at one time. */
  maxInFlight: number;
  /** From the first byte of a request to its answer. */
  requestTimeoutMs: number;
  /** How long a looked-up API key is believed: a revoked one works at most so long. */
  keyCacheMs: number;
}

export const DEFAULT_HTTP_LIMITS: HttpLimits = {
  maxBodyBytes: 64 * 1024 * 1024,
  maxHeldBodyBytes: 512 * 1024 * 1024,
  maxInflateRatio: 200,
  maxInFlight: 1024,
  requestTimeoutMs: 120_000,
  keyCacheMs: 2_000,
};

export interface Services {
  /** Of the program, as in package.json. */
  version: string;
  limits: HttpLimits;
  log: Logger;
  metrics: Metrics;
  lifecycle: Lifecycle;
  nowMs(): number;
  randomBytes(length: number): Uint8Array;
  keys: Keys;
  tenants: Tenants;
  administration: Administration;
  pipeline: Pipeline;
  models: Models;
  privateModels: PrivateModels;
  attestation: Attestation;
  receipts: Receipts;
  documents: Documents;
  transparencyLog: TransparencyLog;
  revocations: Revocations;
  assurances: Assurances;
  jobs: Jobs;
  /** Workers elsewhere. @throws JobError `jobs_unsupported` */
  workers(): Pick<WorkerSessions, "challenge" | "begin" | "next" | "report" | "end">;
  /** @throws ServiceError `balances_off` */
  ledger(): Ledger;
  /** Undefined where no contract's requests are answered. */
  chain: AnsweredContracts | undefined;
  sealing: Sealing;
  vaultAdministration: VaultAdministration;
  health: Health;
}
