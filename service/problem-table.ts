/**
 * Every code that a caller can see, with its HTTP status and title (RFC 9457). One line a code; a code of any domain's
 * error union that has no line does not compile.
 */
import type { AdminErrorCode } from "../administration/index.ts";
import type { BalanceErrorCode } from "../balances/index.ts";
import type { ModelErrorCode, OipErrorCode } from "../models/client.ts";
import type { ProofErrorCode } from "../proofs/client.ts";
import type { ReceiptErrorCode } from "../receipts/index.ts";
import type { VaultErrorCode } from "../vault/index.ts";
import type { DatabaseErrorCode } from "./db/error.ts";
import type { JobErrorCode } from "./jobs/error.ts";
import { ADMIN_PROBLEMS } from "./problem-admin.ts";
import { LEDGER_PROBLEMS } from "./problem-ledger.ts";
import { JOB_PROBLEMS, PROOF_PROBLEMS } from "./problem-proofs.ts";
import type { ProblemRow } from "./problem-row.ts";

/** Codes of the HTTP side and of the pipeline itself. */
type ServiceErrorCode =
  | "internal"
  | "route_not_found"
  | "method_not_allowed"
  | "request_invalid"
  | "request_header_invalid"
  | "request_body_too_large"
  | "request_body_incomplete"
  | "request_encoding_unsupported"
  | "request_encoding_invalid"
  | "request_inflates_too_much"
  | "content_type_unsupported"
  | "request_timeout"
  | "caller_gone"
  | "unauthenticated"
  | "api_key_invalid"
  | "scope_missing"
  | "tenant_suspended"
  | "tenant_not_found"
  | "tenant_limit"
  | "rate_limited"
  | "concurrency_limited"
  | "quota_exceeded"
  | "account_not_found"
  | "allowances_off"
  | "allowance_not_found"
  | "allowance_waiting"
  | "allowance_closed"
  | "key_not_found"
  | "key_limit"
  | "service_overloaded"
  | "service_draining"
  | "receipt_not_found"
  | "receipt_form_unavailable"
  | "link_expired"
  | "document_not_found"
  | "chain_not_answered"
  | "chain_unavailable"
  | "chain_request_not_found"
  | "chain_request_ended"
  | "opening_mismatch"
  | "opening_limit"
  | "checkpoint_not_found"
  | "tile_not_found"
  | "inclusion_pending"
  | "revocation_limit"
  | "evidence_unavailable"
  | "idempotency_conflict"
  | "idempotency_in_progress"
  | "idempotency_expired"
  | "replay_unreadable"
  | "salt_not_kept"
  | "sealed_key_unknown"
  | "sealed_body_invalid"
  | "sealed_replayed"
  | "sealing_required"
  | "sealing_unsupported"
  | "ohttp_key_unknown"
  | "ohttp_request_invalid"
  | "balances_off"
  | "ledger_operation_limit"
  | "ledger_operation_not_found"
  | "assurance_unsupported"
  | "assurance_too_low"
  | "circuit_missing"
  | "prover_unavailable"
  | "promise_limit"
  | "promise_not_found"
  | "promise_ended"
  | "proof_not_delivered"
  | "alias_taken"
  | "alias_not_found"
  | "deprecation_not_found"
  | "model_sunset"
  | "worker_busy"
  | "worker_circuits_missing"
  | "worker_limit"
  | "worker_paused"
  | "worker_refused"
  | "worker_session_unknown"
  | "broker_not_allowed"
  | "model_quota_exceeded"
  | "upload_not_found"
  | "upload_busy"
  | "upload_incomplete"
  | "upload_offset_mismatch"
  | "upload_digest_mismatch"
  | "session_unavailable";

/** The vault's codes are short words among themselves; callers see them with a prefix. */
export type ProblemCode =
  | ServiceErrorCode
  | OipErrorCode
  | ModelErrorCode
  | ReceiptErrorCode
  | ProofErrorCode
  | `ledger_${BalanceErrorCode}`
  | DatabaseErrorCode
  | JobErrorCode
  | AdminErrorCode
  | `vault_${VaultErrorCode}`;

const SERVICE = {
  internal: [500, "The service failed; nothing was charged"],
  route_not_found: [404, "No such resource"],
  method_not_allowed: [405, "The resource does not take this method"],
  request_invalid: [400, "A parameter or body member is not valid"],
  request_header_invalid: [400, "A request header is not valid"],
  request_body_too_large: [413, "The body is too large"],
  request_body_incomplete: [400, "The body ended before its announced length"],
  request_encoding_unsupported: [415, "The Content-Encoding is not supported"],
  request_encoding_invalid: [400, "The body is not what its Content-Encoding says"],
  request_inflates_too_much: [413, "The body inflates to too many bytes"],
  content_type_unsupported: [415, "The Content-Type is not supported"],
  request_timeout: [504, "The request took too long"],
  caller_gone: [499, "The caller closed the connection"],
  unauthenticated: [401, "An API key is needed"],
  api_key_invalid: [401, "The API key is unknown or revoked"],
  scope_missing: [403, "The API key lacks the scope for this"],
  tenant_suspended: [403, "The tenant is suspended"],
  tenant_not_found: [404, "There is no such tenant"],
  tenant_limit: [409, "There are as many tenants as there may be"],
  rate_limited: [429, "The tenant asks more often than it may"],
  concurrency_limited: [429, "As many of the tenant's requests run as may at one time"],
  quota_exceeded: [429, "The tenant's requests of this month are used up"],
  allowances_off: [503, "Allowances are off: there is no price list"],
  allowance_not_found: [404, "There is no such allowance"],
  allowance_waiting: [409, "The allowance is not debited yet"],
  allowance_closed: [402, "The allowance has ended, and what was left of it goes back"],
  account_not_found: [404, "The tenant has no such account"],
  key_not_found: [404, "The tenant has no such live API key"],
  key_limit: [409, "The tenant has as many live API keys as it may"],
  service_overloaded: [503, "Too many requests at one time"],
  service_draining: [503, "The service is shutting down"],
  receipt_not_found: [404, "No such receipt for this caller"],
  receipt_form_unavailable: [404, "The receipt has no such form"],
  link_expired: [410, "The link has expired"],
  document_not_found: [404, "No document has this digest"],
  chain_not_answered: [404, "No chain's requests are answered here"],
  chain_unavailable: [503, "The chain cannot be read right now"],
  chain_request_not_found: [404, "Neither the coordinator nor this service knows the request"],
  chain_request_ended: [409, "The request has ended"],
  opening_mismatch: [422, "This does not open the request's input"],
  opening_limit: [429, "As many openings wait as may: send the request first, or try again later"],
  checkpoint_not_found: [404, "The log has no checkpoint yet"],
  tile_not_found: [404, "No signed checkpoint covers this part of the log"],
  revocation_limit: [409, "The log has as many revocations as it may"],
  inclusion_pending: [404, "No signed checkpoint covers this statement yet"],
  evidence_unavailable: [503, "Evidence cannot be made right now"],
  alias_taken: [409, "A model has this name"],
  alias_not_found: [404, "There is no such alias"],
  deprecation_not_found: [404, "The model is not deprecated"],
  model_sunset: [410, "The model is not offered any more"],
  broker_not_allowed: [403, "The operator does not let models name this key broker"],
  model_quota_exceeded: [409, "The tenant stores as much as it may"],
  upload_not_found: [404, "The tenant has no such upload, or its time is over"],
  upload_busy: [409, "Another request is at work on this upload"],
  upload_incomplete: [409, "Parts of the upload are still missing"],
  upload_offset_mismatch: [409, "The part does not follow what came before"],
  upload_digest_mismatch: [422, "What came has another digest than was announced; the upload starts again"],
  salt_not_kept: [404, "The caller chose this receipt's salt; the service does not know it"],
  sealed_key_unknown: [422, "The request does not open under the service's key: ask for its keys again"],
  sealed_body_invalid: [400, "The sealed body is cut off, out of order or changed"],
  sealed_replayed: [409, "This sealed request was received before: seal it anew"],
  sealing_required: [403, "This resource answers sealed requests alone"],
  sealing_unsupported: [400, "This resource takes no sealed body"],
  ohttp_key_unknown: [400, "The request does not open under the gateway's key: ask for its keys again"],
  ohttp_request_invalid: [400, "The encapsulated request is no binary HTTP request for this service"],
  idempotency_conflict: [422, "The idempotency key was used with another request"],
  idempotency_in_progress: [409, "A request with this idempotency key is running"],
  idempotency_expired: [410, "The answer for this idempotency key is no longer kept"],
  replay_unreadable: [500, "The kept answer cannot be opened"],
  balances_off: [503, "Encrypted balances are off"],
  ledger_operation_limit: [429, "Too many operations on balances wait"],
  ledger_operation_not_found: [404, "There is no such operation"],
  assurance_unsupported: [422, "The model's manifest does not allow this assurance"],
  assurance_too_low: [422, "So much at risk needs a proof"],
  circuit_missing: [422, "No circuit is bound to the model"],
  prover_unavailable: [503, "No proofs are made here"],
  worker_busy: [409, "The worker has a task, or waits for one"],
  worker_circuits_missing: [409, "The worker lacks circuits that are in use"],
  worker_limit: [503, "As many workers are admitted as may be"],
  worker_paused: [
    403,
    "The account's worker sent a wrong proof or failed too often: it gets nothing for a while",
  ],
  worker_refused: [403, "The worker's evidence is refused"],
  worker_session_unknown: [404, "The worker is not admitted, or its admission is over"],
  promise_limit: [429, "The tenant waits for as many proofs and re-executions as it may"],
  promise_not_found: [404, "No such proof or re-execution for this caller"],
  promise_ended: [409, "It has ended"],
  proof_not_delivered: [409, "The proof has not been delivered"],
  session_unavailable: [503, "The vault is being started: retry"],
} as const satisfies Record<ServiceErrorCode, ProblemRow>;

const OIP = {
  oip_not_json: [400, "The request is not JSON"],
  oip_too_large: [413, "The message has too much of something"],
  oip_member_missing: [400, "A member is missing"],
  oip_member_unknown: [400, "A member is not known"],
  oip_member_invalid: [400, "A member has the wrong form"],
  oip_parameter_unsupported: [400, "A parameter is not supported"],
  oip_tensor_duplicate: [400, "A tensor appears twice"],
  oip_datatype_unknown: [400, "A datatype is not known"],
  oip_datatype_unsupported: [400, "A datatype is not supported"],
  oip_shape_invalid: [400, "A shape is not valid"],
  oip_data_length_mismatch: [400, "Data and shape differ"],
  oip_data_type_mismatch: [400, "Data and datatype differ"],
  oip_number_out_of_range: [400, "A number is not a value of its datatype"],
  oip_text_invalid: [400, "Text is not Unicode"],
  oip_header_length_invalid: [400, "The length of the JSON part is wrong or missing"],
  oip_binary_size_mismatch: [400, "The binary part does not fit the tensors"],
  oip_binary_invalid: [400, "Binary data is malformed"],
  oip_output_unknown: [400, "The model has no such output"],
  oip_not_finite: [422, "JSON cannot carry the answer: ask for binary data"],
  oip_not_text: [422, "JSON cannot carry the answer: ask for binary data"],
} as const satisfies Record<OipErrorCode, ProblemRow>;

const MODEL = {
  manifest_invalid: [500, "A model's manifest is not valid"],
  manifest_not_canonical: [500, "A model's manifest is not canonical"],
  model_exists: [409, "The model exists already"],
  model_not_found: [404, "No such model or version"],
  model_unsigned: [422, "The model has no signature"],
  model_signature_malformed: [422, "The model's signature cannot be read"],
  model_signature_invalid: [422, "The model's signature does not hold"],
  model_signer_unknown: [422, "The model is signed by a key that is not accepted"],
  model_files_mismatch: [422, "The model's files are not those that were signed"],
  model_folder_unsignable: [422, "The model's folder cannot be signed"],
  model_key_invalid: [422, "Not a key of the kind that is wanted"],
  sealed_weights_malformed: [422, "Not a file of sealed weights, or cut off"],
  sealed_weights_unreadable: [422, "The sealed weights do not open"],
  sealed_folder_invalid: [500, "A folder of sealed weights does not say whose broker opens them"],
  model_key_refused: [403, "The model's owner gives this service no key for its weights"],
  model_key_unavailable: [503, "The key of the model's weights cannot be had right now"],
  broker_message_malformed: [502, "The owner's key broker answered something else"],
  model_unavailable: [503, "The model cannot run right now"],
  weights_missing: [503, "The model's weights are missing"],
  weights_digest_mismatch: [503, "The model's weights are not those of its manifest"],
  graph_invalid: [503, "The model's graph cannot be loaded"],
  graph_mismatch: [503, "The model's graph is not that of its manifest"],
  input_invalid: [400, "An input is malformed"],
  input_name_unknown: [400, "The model has no such input"],
  input_missing: [400, "An input is missing"],
  input_duplicate: [400, "An input appears twice"],
  input_datatype_mismatch: [400, "An input has another datatype than the model's"],
  input_shape_mismatch: [400, "An input has another shape than the model's"],
  input_not_finite: [400, "An input holds NaN or infinity"],
  input_too_large: [413, "An input is too large"],
  output_invalid: [500, "The model's output is not what its manifest says"],
  output_not_finite: [422, "The model answered with NaN or infinity"],
  output_overflow: [422, "The model's output is out of range"],
  output_too_large: [500, "The model's output is too large"],
  engine_overloaded: [429, "Too many inferences are waiting"],
  engine_timeout: [504, "The model ran too long and was stopped"],
  engine_crashed: [502, "The engine died under this request"],
  engine_failed: [500, "The engine could not run the model on this input"],
  engine_provider_unavailable: [503, "No configured execution provider is available"],
  engine_provider_missing: [503, "The execution provider is not installed"],
  engine_library_missing: [503, "A library of the execution provider is not installed"],
  engine_adapter_missing: [503, "The execution provider finds no adapter"],
  engine_operation_unsupported: [503, "The execution provider lacks operations of the model"],
  engine_provider_failed: [502, "The execution provider failed"],
  engine_device_lost: [502, "The device was lost under this request"],
  cancelled: [499, "The request was cancelled"],
} as const satisfies Record<ModelErrorCode, ProblemRow>;

const RECEIPT = {
  statement_invalid: [500, "A statement's field is out of range"],
  statement_not_decodable: [400, "The statement cannot be decoded"],
  signature_invalid: [400, "The signature is malformed"],
  signature_high_s: [400, "The signature is not in its one accepted form"],
  leaf_invalid: [400, "The log leaf is malformed"],
  salt_invalid: [400, "The salt is not 32 bytes"],
  digest_input_invalid: [400, "A value to be hashed is malformed"],
  tensor_invalid: [400, "A tensor is malformed"],
  tensor_name_duplicate: [400, "A tensor appears twice"],
  tensor_limit: [413, "There are too many tensors, or they are too large"],
  tensor_encoding_invalid: [400, "The canonical tensor encoding is malformed"],
  output_kind_mismatch: [500, "The model's output cannot be encoded as its manifest says"],
  output_limit: [500, "The model's output is too large to encode"],
  output_not_finite: MODEL.output_not_finite,
  output_overflow: MODEL.output_overflow,
  keyset_invalid: [400, "The keyset is malformed"],
  keyset_not_canonical: [400, "The keyset is not canonical"],
  keyset_prefix_mismatch: [400, "The keyset does not start as it must"],
  nonce_invalid: [400, "The nonce is not 32 bytes"],
  range_invalid: [500, "The log's compact range is malformed"],
  tree_position_invalid: [400, "The log has no such position"],
  inclusion_invalid: [400, "The inclusion proof does not hold"],
  consistency_invalid: [400, "The consistency proof does not hold"],
  note_invalid: [400, "The signed note is malformed"],
  note_limit: [413, "The signed note is too long"],
  note_signature_missing: [400, "The signed note lacks the wanted signature"],
  note_signature_invalid: [400, "The signed note's signature does not hold"],
  checkpoint_invalid: [400, "The checkpoint is malformed"],
  checkpoint_origin_mismatch: [400, "The checkpoint is of another log"],
  add_checkpoint_invalid: [400, "The checkpoint's submission is malformed"],
  tile_invalid: [400, "The log tile is malformed"],
  proof_text_invalid: [400, "The proof's text is malformed"],
  header_invalid: [400, "The receipt header is malformed"],
  bundle_limit: [413, "The receipt is too large"],
  bundle_invalid: [400, "The receipt is malformed"],
  format_version_unknown: [400, "The receipt's format version is not known"],
  owner_policy_invalid: [400, "The owner's policy is malformed"],
  private_part_invalid: [400, "The receipt's private part is malformed"],
  revocation_invalid: [400, "The list of revocations is malformed"],
} as const satisfies Record<ReceiptErrorCode, ProblemRow>;

const DATABASE = {
  database_unavailable: [503, "The database cannot be reached; nothing was answered"],
  database_failed: [500, "The database refused a statement"],
  database_version: [500, "The database is too old"],
  database_unsafe: [500, "The database is not set to keep what it commits"],
  database_migration_failed: [500, "The database could not be migrated"],
  database_in_use: [500, "Another service holds the data"],
  embedded_unsupported: [500, "No embedded database exists for this system"],
  embedded_user_missing: [500, "The embedded database has no user to run as"],
  embedded_place_lost: [500, "The embedded database's place was lost"],
  embedded_place_refused: [500, "The embedded database's place was refused"],
  embedded_start_failed: [500, "The embedded database did not start"],
  append_invalid: [500, "The statement cannot be appended"],
  append_queue_full: [503, "Too many statements wait for the database"],
  append_closed: [503, "The log no longer takes statements"],
  append_outcome_unknown: [
    503,
    "Whether the statement was stored is not known: retry with the same Idempotency-Key",
  ],
  request_id_taken: [500, "The request id was used already"],
  statement_exists: [500, "The statement was stored already"],
  allowance_fenced: [402, "The allowance was closed while the answer was made"],
  idempotency_lost: [503, "The reservation of the idempotency key was lost: retry"],
  log_fenced: [503, "Another instance took over the log"],
  log_corrupt: [500, "The log's stored state does not hold together"],
  log_range: [400, "The log has no such range"],
} as const satisfies Record<DatabaseErrorCode, ProblemRow>;

const VAULT = {
  vault_malformed: [500, "The vault could not read a request"],
  vault_request_too_large: [500, "A request to the vault was too large"],
  vault_internal: [500, "The vault failed"],
  vault_key_directory_unsafe: [503, "The vault's key directory is not safe"],
  vault_key_directory_unreachable: [503, "The vault cannot reach its key directory"],
  vault_key_directory_in_use: [503, "The vault's key directory is in use"],
  vault_key_file_invalid: [503, "The vault's key file is damaged"],
  vault_cluster_keys_missing: [503, "The vault's cluster keys are missing"],
  vault_checkpoint_state_missing: [503, "The vault's last checkpoint is missing"],
  vault_checkpoint_state_invalid: [503, "The vault's last checkpoint is damaged"],
  vault_own_user_unavailable: [503, "The vault could not become its own user"],
  vault_platform_unsupported: [503, "The vault does not run on this system"],
  vault_attester_unavailable: [503, "The chosen attestation is not available"],
  vault_signer_broken: [503, "The vault's signer failed its self-test"],
  vault_ticket_unknown: [503, "The request id was not usable: retry"],
  vault_ticket_expired: [503, "The request waited too long to be signed: retry"],
  vault_keyset_missing: [503, "No keyset is installed yet"],
  vault_keyset_expired: [503, "The keyset has expired and is being replaced"],
  vault_keyset_invalid: [500, "The keyset's parameters are out of range"],
  vault_statement_invalid: [500, "The vault refused a statement"],
  vault_evidence_unknown: [500, "The vault does not know the evidence"],
  vault_quote_rate_limited: [429, "Too much evidence was asked for: try again in a second"],
  vault_quote_failed: [503, "The quote device failed"],
  vault_first_checkpoint_must_be_empty: [500, "The log's first checkpoint must be empty"],
  vault_checkpoint_rollback: [500, "The database is older than the last signed checkpoint"],
  vault_checkpoint_fork: [500, "The log does not extend its last signed checkpoint"],
  vault_checkpoint_previous_mismatch: [500, "The consistency proof starts at another size"],
  vault_origin_mismatch: [500, "The log key signed for another origin"],
  vault_vault_gone: [503, "The vault ended and is being restarted: retry"],
  vault_busy: [503, "Too many requests wait for the vault"],
  vault_balances_off: [503, "Encrypted balances are off"],
  vault_balances_unavailable: [503, "The addon of encrypted balances is not built, or does not load"],
  vault_ledger_head_invalid: [500, "An account's stored head is not genuine"],
  vault_ledger_sequence_taken: [500, "The account's stored state is older than what was signed of it"],
  vault_ledger_refused: [500, "The vault refused an entry of the ledger"],
  vault_ledger_values_invalid: [500, "An entry's ciphertexts do not hold what it says"],
  vault_ledger_journal_invalid: [503, "The vault's journal of the ledger is damaged or cannot be written"],
  vault_opening_rate_limited: [429, "Too much of this account was opened: try again later"],
  vault_record_unreadable: [500, "A sealed record does not open under its key"],
  vault_leaf_not_included: [500, "A log proof does not lead to the checkpoint's root"],
  vault_release_unknown: [409, "No release of a key is under way with this nonce"],
  vault_checkpoint_foreign: [500, "A checkpoint kept by a log witness is not one of this log key"],
  vault_document_invalid: [500, "An owner's document is not valid"],
  vault_owner_unknown: [500, "An owner's document is signed by another key than the owner's"],
  vault_opening_mismatch: [422, "Input and salt do not open the receipt's input commitment"],
  vault_circuit_input_invalid: [422, "The input is not what the circuit takes"],
  vault_sealing_key_unknown: [422, "The request is sealed to an unknown key"],
  vault_sealed_request_replayed: [409, "The sealed request was opened before"],
  vault_sealed_salt_unreadable: [422, "The sealed salt does not open"],
  vault_start_failed: [503, "The vault did not start"],
  vault_chain_policy_invalid: [500, "The vault's chain policy is not of its form"],
  vault_chain_off: [503, "No chain is configured"],
  vault_price_list_stale: [409, "Another price list is in force"],
  vault_price_missing: [422, "The price list has no price for the model"],
  vault_allowance_invalid: [422, "The allowance's terms are not what its owner signed"],
  vault_allowance_elsewhere: [409, "The allowance is for another vault: ask the service that holds it"],
  vault_allowance_expired: [402, "The allowance has ended"],
  vault_allowance_unknown: [402, "The allowance cannot be spent: it was closed"],
  vault_allowance_insufficient: [402, "The allowance does not cover the price"],
  vault_allowance_limit: [503, "The vault holds as many allowances as it can"],
  vault_restore_unknown: [500, "A restore of allowances ended early"],
  vault_opening_repeated: [409, "The signed request was answered: sign another"],
  vault_restore_incomplete: [500, "A statement of the log is without its record"],
  vault_chain_answered: [409, "Another answer to this request was signed"],
  vault_chain_call_refused: [500, "The vault does not sign for that call"],
  vault_chain_limit_reached: [503, "The chain key's limit is reached"],
  vault_passing_unknown: [403, "No such passing of keys was begun, or it was used or timed out"],
  vault_peer_refused: [403, "The vault's evidence is not accepted"],
  vault_peer_stale: [403, "The vault's evidence is not of this passing"],
  vault_peer_measurement_unknown: [403, "The vault runs an image that is not accepted"],
  vault_peer_simulated: [403, "A simulated and a genuine TEE pass each other no keys"],
  vault_peer_policy_missing: [409, "The owner's policy must say which peers are good"],
  vault_key_wrap_unavailable: [500, "The platform gives no key for the key file"],
  vault_key_wrap_missing: [500, "The key file is sealed under a key of the platform"],
  vault_joining_off: [500, "The vault was not started to get keys"],
  vault_cluster_keys_absent: [500, "The vault has no cluster's keys yet"],
  vault_policy_invalid: [422, "The policy is not a signed document of its form"],
  vault_policy_owner_unknown: [403, "The policy is not signed by the installation's owner"],
  vault_policy_stale: [409, "A policy of this or a higher version was in force"],
  vault_policy_missing: [500, "The vault's policy is gone"],
  vault_limits_state_invalid: [500, "The vault's file of used limits is damaged"],
  vault_limit_reached: [503, "The vault's limit is reached"],
  vault_sealing_keys_limit: [409, "As many sealing keys as there may be still open requests"],
  vault_worker_policy_missing: [503, "No policy says which workers elsewhere get keys"],
  vault_worker_policy_invalid: [500, "The policy for workers elsewhere is no appraisal policy"],
  vault_worker_challenge_unknown: [409, "This challenge was never given, or was used before"],
  vault_worker_challenge_expired: [409, "This challenge was given more than a minute ago"],
  vault_worker_unknown: [409, "The worker's admission is over: it shows fresh evidence"],
  vault_measurement_failed: [503, "The TEE's measurement register failed"],
} as const satisfies Record<`vault_${VaultErrorCode}`, ProblemRow>;

export const PROBLEMS = {
  ...SERVICE,
  ...OIP,
  ...RECEIPT,
  ...MODEL,
  ...PROOF_PROBLEMS,
  ...DATABASE,
  ...JOB_PROBLEMS,
  ...ADMIN_PROBLEMS,
  ...LEDGER_PROBLEMS,
  ...VAULT,
} as const satisfies Record<ProblemCode, ProblemRow>;
