/** The service's end: calls become frames, and statements asked for in one turn of the event loop share one. */
import {
  encodeStatement,
  LEAF_TYPES,
  ReceiptError,
  type AbortedStatement,
  type DstackAlgorithm,
  type EvidenceParts,
  type InferenceStatement,
  type StatementOf,
  type StatementType,
} from "../receipts/index.ts";
import { VaultError } from "./error.ts";
import { KeyCalls } from "./key-calls.ts";
import type { SignedStatement } from "./signed-statement.ts";
import {
  MAX_BATCH,
  type CheckpointRequest,
  type Keyset,
  type KeysetFields,
  type KeysetParameters,
  type LastCheckpoint,
  type RevocationFields,
  type Eip712Checkpoint,
  type LeafSignatures,
  type LoggedLeaf,
  type SignedAnswer,
  type SignedTicketed,
  type Ticket,
  type UnsignedStatement,
  type VaultInfo,
} from "./wire/operations.ts";
import type { OpenedInput, OwnedDocument, ProofFields, ReexecutionFields } from "./wire/assurance.ts";
import type { OpenedProjections, ProjectionRequest } from "./wire/projections.ts";
import type { AdmittedAllowance, AllowanceAsked, RestoreRequest } from "./wire/allowances.ts";
import type {
  KeyPart,
  LedgerCheckRequest,
  LedgerEntryRequest,
  ReadingRequest,
  SignedLedgerEntry,
} from "./wire/balances.ts";
import type { ChainRequest } from "../receipts/index.ts";
import type { SignedTransaction, UnsignedTransaction } from "./wire/chain.ts";
import type { Admission, WorkerChallenge, WorkerEvidence } from "./wire/workers.ts";

/** An inference's statement as signed, with its other forms where they were asked for. */
export interface SignedInference extends SignedStatement, SignedTicketed {
  type: StatementType;
}

/** Evidence for a keyset, with what was collected and measured beside it. */
export interface VaultEvidence extends EvidenceParts {
  type: string;
  /** DER, as the host gave them beside the quote; not verified. */
  certificates: readonly Uint8Array[];
}

type BodyDigest = "requestDigest" | "responseDigest";
type FilledByVault = "keysetDigest" | "issuedAtMs" | "sequence";

interface Waiting {
  statement: UnsignedStatement;
  resolve: (signed: SignedTicketed) => void;
  reject: (error: unknown) => void;
}

const ZERO = new Uint8Array(32);

export class VaultClient extends KeyCalls {
  #batch: Waiting[] = [];

  /** Asks once for what the vault is; also tells why it did not start. */
  describe(): Promise<VaultInfo> {
    return this.call("describe", {});
  }

  /** Draws 1 to 1,024 request ids with their default salts, each good for one signature within ten minutes. */
  async drawTickets(count: number): Promise<Ticket[]> {
    return [...(await this.call("drawTickets", { count }))];
  }

  /**
   * Builds the keyset from the vault's own keys and these parameters; what is signed from now on names it.
   * @throws VaultError `keyset_invalid`
   */
  installKeyset(parameters: KeysetParameters): Promise<Keyset> {
    return this.call("installKeyset", parameters);
  }

  /**
   * Evidence for the installed keyset, with report data and a GPU nonce that the vault computes.
   * @param nonce 32 bytes or null
   * @throws VaultError `keyset_missing`, `keyset_expired`, `quote_rate_limited`, `quote_failed`
   */
  async quote(nonce: Uint8Array | null): Promise<VaultEvidence> {
    const { gpu, measuredModels, ...quoted } = await this.call("quote", { nonce });
    return { ...quoted, gpu: gpu ?? undefined, measuredModels: measuredModels ?? undefined };
  }

  /**
   * Measures a model into the TEE's register, which every later quote shows; once each.
   * @returns whether there is such a register
   * @throws VaultError `measurement_failed`, `request_too_large` above 256 models
   */
  async measureModel(modelId: Uint8Array): Promise<boolean> {
    return (await this.call("measureModel", { modelId })).measured;
  }

  /**
   * @param fields `evidenceDigest` is that of one of the last 64 pieces of evidence for this keyset
   * @throws VaultError `statement_invalid`, `keyset_missing`, `keyset_expired`, `evidence_unknown`
   */
  async signKeyset(fields: KeysetFields): Promise<SignedStatement> {
    return { type: "Keyset", ...(await this.call("signKeyset", fields)) };
  }

  /**
   * Signs that something no longer holds, from a leaf index on. The vault sets the time.
   * @throws VaultError `statement_invalid`, `keyset_missing`, `keyset_expired`
   */
  async signRevocation(fields: RevocationFields): Promise<SignedStatement> {
    return { type: "Revocation", ...(await this.call("signRevocation", fields)) };
  }

  /**
   * Signs a complete answer and uses its ticket up. The vault sets keyset, time and sequence.
   * @param projection signs it in the formats that others read too, and seals these in the reply
   * @param allowance the one that pays for it, 32 bytes: the vault takes the model's price from it, or signs nothing
   * @throws VaultError `statement_invalid`, `keyset_missing`, `keyset_expired`, `ticket_unknown`, `ticket_expired`,
   *   `allowance_unknown`, `allowance_expired`, `allowance_insufficient`, `price_missing`
   */
  async signInference(
    fields: Omit<InferenceStatement, FilledByVault>,
    projection: ProjectionRequest | null = null,
    allowance: Uint8Array | null = null,
  ): Promise<SignedInference> {
    const signed = await this.#enqueue("InferenceStatement", fields, projection, allowance);
    return { type: "InferenceStatement", ...signed };
  }

  /** Signs that an answer ended early; otherwise as `signInference`. */
  async signAborted(
    fields: Omit<AbortedStatement, FilledByVault>,
  ): Promise<SignedStatement & Pick<SignedAnswer, "spent">> {
    const { sealedProjections: _, ...signed } = await this.#enqueue("Aborted", fields, null, null);
    return { type: "Aborted", ...signed };
  }

  /**
   * A statement's other forms, which its owner alone may see.
   * @param digest the statement's, 32 bytes
   * @throws VaultError `record_unreadable`
   */
  openProjections(digest: Uint8Array, sealed: Uint8Array): Promise<OpenedProjections> {
    return this.call("openProjections", { digest, sealed });
  }

  /** The address of the cluster's chain key: 20 bytes. It pays for what `signTransaction` signs. */
  async chainAccount(): Promise<Uint8Array> {
    return (await this.call("chainAccount", {})).address;
  }

  /**
   * Signs a call that the vault was told to sign for, within its limits; each signature counts, sent or not.
   * @throws VaultError `chain_off`, `chain_call_refused`, `chain_limit_reached`
   */
  signTransaction(unsigned: UnsignedTransaction): Promise<SignedTransaction> {
    return this.call("signTransaction", unsigned);
  }

  /**
   * Signs the answer to a contract's request, under the id that the request has there, for its requester, and as the answer of
   * the chain key's account: another operator can neither be paid for it nor vote with it. One answer a request: signing the
   * same output again is no other answer.
   * @param fields without body digests: on a chain there are no bodies
   * @throws VaultError `statement_invalid`, `keyset_missing`, `keyset_expired`, `chain_off`, `chain_call_refused` (another
   *   chain or coordinator than the vault was told of), `chain_answered`
   */
  async signChainAnswer(
    request: ChainRequest,
    fields: Omit<InferenceStatement, FilledByVault | "requestId" | "audience" | "settlement" | BodyDigest>,
  ): Promise<SignedStatement & SignedAnswer> {
    const none = {
      requestId: ZERO,
      audience: ZERO,
      settlement: ZERO,
      requestDigest: ZERO,
      responseDigest: ZERO,
    };
    const words = wordsOf("InferenceStatement", { ...fields, ...none });
    return { type: "InferenceStatement", ...(await this.call("signChainAnswer", { ...request, words })) };
  }

  /**
   * Evidence over one signing key and a nonce, in the layout of dstack's verifiers.
   * @param nonce 32 bytes
   * @throws VaultError `quote_rate_limited`, `quote_failed`
   */
  quoteSigner(algorithm: DstackAlgorithm, nonce: Uint8Array): Promise<{ type: string; quote: Uint8Array }> {
    return this.call("quoteSigner", { ed25519: algorithm === "ed25519", nonce });
  }

  /**
   * The log key's COSE signatures for a leaf that a checkpoint of its own holds.
   * @throws VaultError `keyset_missing`, `keyset_expired`, `checkpoint_foreign`, `leaf_not_included`
   */
  signLeaf(logged: LoggedLeaf): Promise<LeafSignatures> {
    return this.call("signLeaf", logged);
  }

  /**
   * Signs that the model's owner bound a circuit to the model: the document's signature is by the key that the manifest names
   * as owner, or by the one that the vault was started with.
   * @throws VaultError `document_invalid`, `owner_unknown`, `keyset_missing`, `keyset_expired`
   */
  async signCircuitBinding(owned: OwnedDocument): Promise<SignedStatement> {
    return { type: "CircuitBinding", ...(await this.call("signCircuitBinding", owned)) };
  }

  /**
   * Signs a circuit's commitment to the input of a logged statement, which the input and the salt must open.
   * @throws VaultError `document_invalid`, `owner_unknown`, `checkpoint_foreign`, `leaf_not_included`, `statement_invalid`,
   *   `opening_mismatch`, `circuit_input_invalid`, `keyset_missing`, `keyset_expired`
   */
  async signCircuitCommitment(opened: OpenedInput): Promise<SignedStatement> {
    return { type: "CircuitCommitment", ...(await this.call("signCircuitCommitment", opened)) };
  }

  /** Signs how a proof ended. @throws VaultError `statement_invalid`, `keyset_missing`, `keyset_expired` */
  async signProof(fields: ProofFields): Promise<SignedStatement> {
    return { type: "Proof", ...(await this.call("signProof", fields)) };
  }

  /** Signs how a re-execution ended. @throws VaultError `statement_invalid`, `keyset_missing`, `keyset_expired` */
  async signReexecution(fields: ReexecutionFields): Promise<SignedStatement> {
    return { type: "Reexecution", ...(await this.call("signReexecution", fields)) };
  }

  /** A nonce for the evidence of a worker elsewhere, for a minute. @throws VaultError `worker_policy_missing`, `busy` */
  drawWorkerChallenge(): Promise<WorkerChallenge> {
    return this.call("drawWorkerChallenge", {});
  }

  /**
   * Appraises a worker's evidence under the policy of the vault's start; a refusal is an answer. Uses the challenge up.
   * @throws VaultError `worker_policy_missing`, `worker_challenge_unknown`, `worker_challenge_expired`, `busy`
   */
  admitWorker(evidence: WorkerEvidence): Promise<Admission> {
    return this.call("admitWorker", evidence);
  }

  /**
   * The key of one job's payload, sealed to the worker that was admitted with the nonce, and the `KeyRelease` that says so.
   * @throws VaultError `worker_policy_missing`, `worker_unknown`, `keyset_missing`, `keyset_expired`
   */
  async releaseJobKey(
    nonce: Uint8Array,
    jobId: string,
  ): Promise<{ sealedKey: Uint8Array; statement: SignedStatement }> {
    const { sealedKey, statement } = await this.call("releaseJobKey", { nonce, jobId });
    return { sealedKey, statement: { type: "KeyRelease", ...statement } };
  }

  /**
   * Up to 1 MiB of an FHE public key: 0 the evaluation key, 1 the compact public key, 2 the reference string.
   * @throws VaultError `balances_off`, `malformed`
   */
  readFheKey(index: 0 | 1 | 2, offset: bigint): Promise<KeyPart> {
    return this.call("readFheKey", { index, offset });
  }

  /** A fresh encryption of 0, for an account's first entry. @throws VaultError `balances_off` */
  async encryptZero(): Promise<Uint8Array> {
    return (await this.call("encryptZero", {})).zero;
  }

  /**
   * Signs the account's next entry, and opens whether a debit was covered. The vault decrypts what went in and what came out, and
   * signs nothing that does not add up; asked again with the same words, it signs the same again.
   * @throws VaultError `balances_off`, `ledger_head_invalid`, `ledger_sequence_taken`, `ledger_refused`,
   *   `ledger_values_invalid`, `opening_rate_limited` (too much was refused of the account), `ledger_journal_invalid`,
   *   `statement_invalid`, `keyset_missing`, `keyset_expired`
   */
  async signLedgerEntry(
    request: LedgerEntryRequest,
  ): Promise<
    SignedStatement & Omit<SignedLedgerEntry, "entry" | "opening"> & { opening: SignedStatement | null }
  > {
    const { entry, opening, ...rest } = await this.call("signLedgerEntry", request);
    const opened = opening && { type: "Opening" as const, ...opening };
    return { type: "LedgerEntry", ...entry, ...rest, opening: opened };
  }

  /**
   * Says once more whether an entry that a vault of this cluster signed adds up.
   * @returns its `Opening` of kind 3, with `result` 1 where it does
   * @throws VaultError `balances_off`, `ledger_head_invalid`, `ledger_refused`, `ledger_values_invalid`, `opening_rate_limited`,
   *   `keyset_missing`, `keyset_expired`
   */
  async checkLedgerEntry(request: LedgerCheckRequest): Promise<SignedStatement> {
    return { type: "Opening", ...(await this.call("checkLedgerEntry", request)) };
  }

  /**
   * Opens a balance for its owner: sealed to the key that the signed request names, once a request.
   * @returns the `Opening` and the 64-byte sealed reading
   * @throws VaultError `balances_off`, `ledger_head_invalid`, `ledger_sequence_taken`, `ledger_refused`,
   *   `ledger_values_invalid`, `opening_repeated`, `opening_rate_limited`, `keyset_missing`, `keyset_expired`
   */
  async readBalance(request: ReadingRequest): Promise<SignedStatement & { reading: Uint8Array }> {
    const { reading, opening } = await this.call("readBalance", request);
    return { type: "Opening", ...opening, reading };
  }

  /**
   * Puts a price list of the service's owner in force, and states it.
   * @param document the signed document's exact text
   * @throws VaultError `document_invalid`, `owner_unknown`, `price_list_stale`, `keyset_missing`, `keyset_expired`
   */
  async installPriceList(document: string): Promise<SignedStatement> {
    return { type: "PolicyChange", ...(await this.call("installPriceList", { document })) };
  }

  /**
   * Opens the terms of an allowance for this vault alone. Nothing is taken yet.
   * @returns what the vaults of the cluster know the allowance by, sealed, and when it ends
   * @throws VaultError `balances_off`, `ledger_head_invalid`, `ledger_refused`, `allowance_invalid`, `allowance_elsewhere`,
   *   `allowance_expired`, `price_list_stale`
   */
  admitAllowance(asked: AllowanceAsked): Promise<AdmittedAllowance> {
    return this.call("admitAllowance", asked);
  }

  /** An encryption of what an admitted allowance takes, or a closed one gives back. @throws VaultError `allowance_invalid` */
  async encryptAllowance(sealed: Uint8Array): Promise<Uint8Array> {
    return (await this.call("encryptAllowance", { sealed })).amount;
  }

  /**
   * Lets a debited allowance be spent by this vault, once: asked again, nothing changes.
   * @throws VaultError `balances_off`, `allowance_invalid`, `allowance_elsewhere`, `allowance_expired`, `price_missing`,
   *   `allowance_limit`
   */
  async activateAllowance(sealed: Uint8Array): Promise<void> {
    await this.call("activateAllowance", { sealed });
  }

  /**
   * Ends a debited allowance of this vault: no statement spends from it any more.
   * @returns what is left, sealed
   * @throws VaultError `balances_off`, `allowance_invalid`, `allowance_elsewhere`, `allowance_unknown`, `allowance_limit`
   */
  async closeAllowance(sealed: Uint8Array): Promise<Uint8Array> {
    return (await this.call("closeAllowance", { sealed })).sealed;
  }

  /**
   * One step of finding out from the log what is left of a vault's debited allowances, which this vault then spends no more.
   * @returns the restore's number and, where it is finished, what is left of each, sealed
   * @throws VaultError `balances_off`, `allowance_invalid`, `checkpoint_foreign`, `checkpoint_rollback`, `checkpoint_fork`,
   *   `restore_unknown`, `restore_incomplete`, `allowance_limit`
   */
  restoreAllowances(step: RestoreRequest): Promise<{ number: bigint; closed: readonly Uint8Array[] }> {
    return this.call("restoreAllowances", step);
  }

  /** The 32-byte salt of a request whose caller chose none; the same whenever it is asked for. */
  defaultSalt(requestId: Uint8Array): Promise<Uint8Array> {
    return this.call("defaultSalt", { requestId });
  }

  /** The 32-byte AEAD key of one stored record. @param context 32 bytes that name the record */
  recordKey(context: Uint8Array): Promise<Uint8Array> {
    return this.call("recordKey", { context });
  }

  /** A 32-byte HMAC. @param message at most 65,536 bytes: put a hash of anything longer in it */
  idempotencyTag(message: Uint8Array): Promise<Uint8Array> {
    return this.call("idempotencyTag", { message });
  }

  /** What the log key signed last, null for a new one: where the next consistency proof starts. */
  lastCheckpoint(): Promise<LastCheckpoint | null> {
    return this.call("lastCheckpoint", {});
  }

  /**
   * Shows the vault a checkpoint that this log key signed before and a log witness kept: where it is newer than the last
   * one the vault knows of, the vault goes on from there.
   * @param note the signed note, at most 16,384 bytes
   * @returns what the vault goes on from
   * @throws VaultError `keyset_missing`, `keyset_expired`, `origin_mismatch`, `checkpoint_foreign`, `checkpoint_fork`
   */
  adoptCheckpoint(note: string): Promise<LastCheckpoint> {
    return this.call("adoptCheckpoint", { note });
  }

  /**
   * Signs a log head that extends the last one signed, which is on disk before this resolves.
   * @throws VaultError `keyset_missing`, `keyset_expired`, `first_checkpoint_must_be_empty`, `checkpoint_rollback`,
   * `checkpoint_fork`, `checkpoint_previous_mismatch`, `origin_mismatch`
   */
  signCheckpoint(
    request: Omit<CheckpointRequest, "previousSize"> & { previousSize?: bigint | undefined },
  ): Promise<{ note: string; eip712: Eip712Checkpoint }> {
    return this.call("signCheckpoint", { ...request, previousSize: request.previousSize ?? null });
  }

  #enqueue<T extends "InferenceStatement" | "Aborted">(
    type: T,
    fields: Omit<StatementOf<T>, FilledByVault>,
    projection: ProjectionRequest | null,
    allowance: Uint8Array | null,
  ): Promise<SignedTicketed> {
    return new Promise((resolve, reject) => {
      const statement = { type: LEAF_TYPES[type], words: wordsOf(type, fields), projection, allowance };
      this.#batch.push({ statement, resolve, reject });
      // After the microtasks of this turn, which is where most of a turn's callers run.
      if (this.#batch.length === 1) process.nextTick(() => this.#flush());
    });
  }

  #flush(): void {
    const batch = this.#batch;
    this.#batch = [];
    for (let start = 0; start < batch.length; start += MAX_BATCH) {
      void this.#sendBatch(batch.slice(start, start + MAX_BATCH));
    }
  }

  async #sendBatch(batch: Waiting[]): Promise<void> {
    try {
      const outcomes = await this.call(
        "sign",
        batch.map((waiting) => waiting.statement),
      );
      if (outcomes.length !== batch.length) throw new VaultError("malformed");
      outcomes.forEach((outcome, index) => {
        if (outcome instanceof VaultError) batch[index]!.reject(outcome);
        else batch[index]!.resolve(outcome);
      });
    } catch (error) {
      for (const waiting of batch) waiting.reject(error);
    }
  }
}

function wordsOf<T extends StatementType>(type: T, fields: Omit<StatementOf<T>, FilledByVault>): Uint8Array {
  const unfilled = { ...fields, keysetDigest: ZERO, issuedAtMs: 0n, sequence: 0n };
  try {
    return encodeStatement(type, unfilled as unknown as StatementOf<T>);
  } catch (error) {
    throw error instanceof ReceiptError ? new VaultError("statement_invalid", { cause: error }) : error;
  }
}
