/**
 * Every way the vault refuses, with what to do about it. The order is the wire number (from 1): append only.
 */
const REFUSALS = [
  ["malformed", "the request does not have its operation's exact layout"],
  ["request_too_large", "the request is above the operation's limit"],
  ["internal", "the vault failed on this request; its log says where"],
  ["key_directory_unsafe", "the key directory or a file in it has another owner, a wider mode or is a link"],
  ["key_directory_unreachable", "the key directory cannot be made or entered"],
  ["key_directory_in_use", "another vault holds the key directory: stop it first"],
  ["key_file_invalid", "the cluster key file is damaged or of an unknown version: restore it"],
  [
    "cluster_keys_missing",
    "checkpoints were signed under cluster keys that are gone: restore the key file, or move the checkpoint state away to start a new log",
  ],
  [
    "checkpoint_state_missing",
    "the cluster keys are there but the last signed checkpoint is not: restore it from the same backup as the keys",
  ],
  [
    "checkpoint_state_invalid",
    "the last signed checkpoint is damaged, of an unknown version, or another log key's: restore it",
  ],
  ["own_user_unavailable", "the vault could not become the user that it was told to be"],
  ["platform_unsupported", "the vault needs Linux or macOS"],
  ["attester_unavailable", "the chosen attestation is not available to the vault's user"],
  ["signer_broken", "the signer failed its self-test"],
  ["ticket_unknown", "the request id was never drawn, was used already or was crowded out: draw another"],
  ["ticket_expired", "the request id was drawn too long ago: draw another"],
  ["keyset_missing", "no keyset is installed yet"],
  ["keyset_expired", "the keyset's time is over: install another"],
  ["keyset_invalid", "the keyset's parameters are out of range"],
  ["statement_invalid", "a statement field breaks a rule that the vault holds"],
  ["evidence_unknown", "the evidence digest is not of a quote that this vault made for the installed keyset"],
  ["quote_rate_limited", "too many quotes were asked for: try again in a second"],
  ["quote_failed", "the quote device failed"],
  ["first_checkpoint_must_be_empty", "a new log key first signs size 0 with the empty tree's root"],
  [
    "checkpoint_rollback",
    "the database is older than the last signed checkpoint: restore the newer one or start a new log",
  ],
  [
    "checkpoint_fork",
    "the tree does not extend the last signed checkpoint: restore the database that it was signed from or start a new log",
  ],
  [
    "checkpoint_previous_mismatch",
    "the consistency proof starts at another size than the last signed checkpoint: ask for that and prove again",
  ],
  ["origin_mismatch", "this log key signed for another origin: restore that origin or start a new log"],
  ["vault_gone", "the vault ended; what was asked may or may not have been done"],
  ["busy", "too many requests wait for the vault"],
  ["start_failed", "the vault did not start"],
  ["checkpoint_foreign", "the checkpoint to go on from is not one that this log key signed"],
  ["record_unreadable", "the record does not open under its key: it was changed or is another's"],
  ["leaf_not_included", "the proof does not show the leaf in the tree of that checkpoint"],
  [
    "document_invalid",
    "the document is not one of its form, signed by the key it names, about that manifest",
  ],
  ["owner_unknown", "the document is signed by another key than the model owner's"],
  ["opening_mismatch", "input and salt do not open the statement's input commitment"],
  ["circuit_input_invalid", "the input is not what the circuit takes, or too large"],
  [
    "sealing_key_unknown",
    "the request is sealed to a key that this vault does not hold, or its key is no point",
  ],
  ["sealed_request_replayed", "a request with this encapsulated key was opened before"],
  ["sealed_salt_unreadable", "the salt is not sealed to the request's key and for this request"],
  ["measurement_failed", "the TEE's measurement register failed: the vault's log says how"],
  ["chain_policy_invalid", "the chain policy is not of its form"],
  ["chain_off", "no chain is configured"],
  [
    "chain_call_refused",
    "the transaction is for another chain, contract or function than the vault was told to sign for",
  ],
  ["chain_limit_reached", "the transaction may cost more than is left of its limits: lower it, or wait"],
  [
    "release_unknown",
    "no release of a key was begun with this nonce, or it was finished or timed out: begin again",
  ],
  ["balances_off", "encrypted balances are off"],
  ["balances_unavailable", "the addon of encrypted balances is not built, or does not load"],
  ["ledger_head_invalid", "no vault of this cluster said so of the account"],
  ["ledger_sequence_taken", "another entry of the account was signed at this place: it comes first"],
  ["ledger_refused", "the ledger's rules refuse it"],
  ["ledger_values_invalid", "the ciphertexts do not hold what the entry says"],
  ["ledger_journal_invalid", "the vault's journal of the ledger is damaged, or cannot be written"],
  ["opening_rate_limited", "too much of this account was opened: try again later"],
  ["chain_answered", "another answer to this request of a contract was signed: deliver that one"],
  ["price_list_stale", "a price list of a higher version, or another of this one, is in force"],
  ["price_missing", "the price list has no price for the model"],
  ["allowance_invalid", "the allowance's terms or its record are not what was signed of it"],
  ["allowance_elsewhere", "the allowance is for another vault"],
  ["allowance_expired", "the allowance has ended"],
  ["allowance_unknown", "this vault holds no such allowance to be spent"],
  ["allowance_insufficient", "the allowance does not cover the price"],
  ["allowance_limit", "the vault holds as many allowances as it can"],
  ["restore_unknown", "no restore of allowances is under way with this number: begin again"],
  [
    "restore_incomplete",
    "a statement of the log is without its record: the allowances stay frozen until it is back",
  ],
  [
    "sealing_keys_limit",
    "as many HPKE keys as there may be still open requests: wait until one ends, or end them",
  ],
  ["opening_repeated", "this request of the owner was answered: sign another"],
  ["worker_policy_missing", "no policy says which workers elsewhere get keys"],
  ["worker_policy_invalid", "the policy for workers elsewhere is no appraisal policy"],
  ["worker_challenge_unknown", "this challenge was never given to a worker, or was used before"],
  ["worker_challenge_expired", "this challenge was given to a worker more than a minute ago"],
  ["worker_unknown", "no worker was admitted with this nonce, or its time or its keys are used up"],
  ["policy_invalid", "the policy is not a signed document of its form, or limits what cannot be limited"],
  ["policy_owner_unknown", "the policy is not by the owner whose key this vault keeps since its first start"],
  ["policy_stale", "a policy of this version, or of a higher one, was in force"],
  ["policy_missing", "the owner's policy is gone: restore vault.policy from the same backup as the keys"],
  ["limits_state_invalid", "the file of used limits is damaged: restore it, or remove it"],
  [
    "limit_reached",
    "the owner's policy, or the vault's default, allows no more of this: wait, or change the policy",
  ],
  [
    "passing_unknown",
    "no passing of keys was begun with this nonce, or it was used or timed out: begin again",
  ],
  ["peer_refused", "the other vault's evidence is not accepted: the log says why"],
  [
    "peer_stale",
    "the other vault's evidence is of another passing, for another key, or for other keys than came with it",
  ],
  ["peer_measurement_unknown", "the other vault runs another image, which no policy of the owner accepts"],
  ["peer_simulated", "a simulated and a genuine TEE pass each other no keys"],
  [
    "peer_policy_missing",
    "for this TEE no image can be called the same: the owner's policy must say which peers are good",
  ],
  ["joining_off", "the vault has its cluster's keys, or was not started to get them"],
  [
    "cluster_keys_absent",
    "the vault was started to get its cluster's keys, and does nothing before it has them",
  ],
  ["key_wrap_unavailable", "the platform gives no key to seal the key file under: the log says why"],
  ["key_wrap_missing", "the key file is sealed under a key of the platform: set what it was sealed under"],
] as const;

export type VaultErrorCode = (typeof REFUSALS)[number][0];

const MESSAGES = new Map<string, string>(REFUSALS);

export class VaultError extends Error {
  override readonly name = "VaultError";
  readonly code: VaultErrorCode;
  constructor(code: VaultErrorCode, options?: ErrorOptions) {
    super(MESSAGES.get(code), options);
    this.code = code;
  }
}

export function errorNumber(code: VaultErrorCode): number {
  return REFUSALS.findIndex(([name]) => name === code) + 1;
}

/** @throws VaultError `malformed` for a number that no code has */
export function errorOfNumber(number: number): VaultError {
  const refusal = REFUSALS[number - 1];
  if (!refusal) throw new VaultError("malformed");
  return new VaultError(refusal[0]);
}
