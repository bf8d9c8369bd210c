/**
 * The field table of every statement. Encoding, decoding, type hashes, JSON and tamper matrices all come from it,
 * so that a field cannot exist in one and be missing from another.
 */

export type FieldType = "bytes32" | "uint8" | "uint64" | "string";

export interface Field {
  readonly name: string;
  readonly type: FieldType;
}

const INFERENCE_STATEMENT = [
  { name: "requestId", type: "bytes32" },
  { name: "modelId", type: "bytes32" },
  { name: "inputCommitment", type: "bytes32" },
  { name: "outputDigest", type: "bytes32" },
  { name: "requestDigest", type: "bytes32" },
  { name: "responseDigest", type: "bytes32" },
  { name: "circuitInput", type: "bytes32" },
  { name: "executionDigest", type: "bytes32" },
  { name: "keysetDigest", type: "bytes32" },
  { name: "policyDigest", type: "bytes32" },
  { name: "requester", type: "bytes32" },
  { name: "audience", type: "bytes32" },
  { name: "settlement", type: "bytes32" },
  { name: "promised", type: "uint8" },
  { name: "promiseDeadlineMs", type: "uint64" },
  { name: "issuedAtMs", type: "uint64" },
  { name: "sequence", type: "uint64" },
] as const satisfies readonly Field[];

const ABORTED = [
  { name: "requestId", type: "bytes32" },
  { name: "modelId", type: "bytes32" },
  { name: "inputCommitment", type: "bytes32" },
  { name: "requestDigest", type: "bytes32" },
  { name: "responseDigest", type: "bytes32" },
  { name: "circuitInput", type: "bytes32" },
  { name: "executionDigest", type: "bytes32" },
  { name: "keysetDigest", type: "bytes32" },
  { name: "policyDigest", type: "bytes32" },
  { name: "requester", type: "bytes32" },
  { name: "audience", type: "bytes32" },
  { name: "settlement", type: "bytes32" },
  { name: "promised", type: "uint8" },
  { name: "promiseDeadlineMs", type: "uint64" },
  { name: "issuedAtMs", type: "uint64" },
  { name: "sequence", type: "uint64" },
] as const satisfies readonly Field[];

const KEYSET = [
  { name: "keysetDigest", type: "bytes32" },
  { name: "evidenceDigest", type: "bytes32" },
  { name: "endorsementsDigest", type: "bytes32" },
  { name: "notBeforeMs", type: "uint64" },
  { name: "notAfterMs", type: "uint64" },
] as const satisfies readonly Field[];

const CHECKPOINT = [
  { name: "origin", type: "string" },
  { name: "size", type: "uint64" },
  { name: "root", type: "bytes32" },
  { name: "keysetDigest", type: "bytes32" },
  { name: "timeMs", type: "uint64" },
] as const satisfies readonly Field[];

const POLICY_CHANGE = [
  { name: "documentDigest", type: "bytes32" },
  { name: "issuedAtMs", type: "uint64" },
] as const satisfies readonly Field[];

const CIRCUIT_BINDING = [
  { name: "modelId", type: "bytes32" },
  { name: "circuitId", type: "bytes32" },
  { name: "vkDigest", type: "bytes32" },
  { name: "srsDigest", type: "bytes32" },
  { name: "inputScale", type: "uint8" },
  { name: "outputScale", type: "uint8" },
  { name: "bound", type: "uint64" },
  { name: "inputRange", type: "uint64" },
  { name: "documentDigest", type: "bytes32" },
  { name: "issuedAtMs", type: "uint64" },
] as const satisfies readonly Field[];

const CIRCUIT_COMMITMENT = [
  { name: "subject", type: "bytes32" },
  { name: "circuitId", type: "bytes32" },
  { name: "circuitInput", type: "bytes32" },
  { name: "issuedAtMs", type: "uint64" },
] as const satisfies readonly Field[];

const PROOF = [
  { name: "subject", type: "bytes32" },
  { name: "circuitId", type: "bytes32" },
  { name: "instancesDigest", type: "bytes32" },
  { name: "srsDigest", type: "bytes32" },
  { name: "difference", type: "uint64" },
  { name: "outcome", type: "uint8" },
  { name: "issuedAtMs", type: "uint64" },
] as const satisfies readonly Field[];

const REEXECUTION = [
  { name: "subject", type: "bytes32" },
  { name: "executionDigest", type: "bytes32" },
  { name: "difference", type: "uint64" },
  { name: "tolerance", type: "uint64" },
  { name: "outcome", type: "uint8" },
  { name: "issuedAtMs", type: "uint64" },
] as const satisfies readonly Field[];

const LEDGER_ENTRY = [
  { name: "account", type: "bytes32" },
  { name: "sequence", type: "uint64" },
  { name: "operation", type: "uint8" },
  { name: "previousDigest", type: "bytes32" },
  { name: "newDigest", type: "bytes32" },
  { name: "operandDigest", type: "bytes32" },
  { name: "serverKeyDigest", type: "bytes32" },
  { name: "executionDigest", type: "bytes32" },
  { name: "issuedAtMs", type: "uint64" },
] as const satisfies readonly Field[];

const OPENING = [
  { name: "account", type: "bytes32" },
  { name: "sequence", type: "uint64" },
  { name: "kind", type: "uint8" },
  { name: "subject", type: "bytes32" },
  { name: "requestDigest", type: "bytes32" },
  { name: "result", type: "uint8" },
  { name: "issuedAtMs", type: "uint64" },
] as const satisfies readonly Field[];

const KEY_RELEASE = [
  { name: "modelId", type: "bytes32" },
  { name: "brokerKeyDigest", type: "bytes32" },
  { name: "policyDigest", type: "bytes32" },
  { name: "resultDigest", type: "bytes32" },
  { name: "challengeNonce", type: "bytes32" },
  { name: "issuedAtMs", type: "uint64" },
] as const satisfies readonly Field[];

const REVOCATION = [
  { name: "kind", type: "uint8" },
  { name: "subject", type: "bytes32" },
  { name: "fromIndex", type: "uint64" },
  { name: "issuedAtMs", type: "uint64" },
] as const satisfies readonly Field[];

/** Fields in signing order. */
export const STATEMENT_FIELDS = {
  InferenceStatement: INFERENCE_STATEMENT,
  Keyset: KEYSET,
  Aborted: ABORTED,
  Checkpoint: CHECKPOINT,
  CircuitBinding: CIRCUIT_BINDING,
  PolicyChange: POLICY_CHANGE,
  CircuitCommitment: CIRCUIT_COMMITMENT,
  Proof: PROOF,
  Reexecution: REEXECUTION,
  LedgerEntry: LEDGER_ENTRY,
  Opening: OPENING,
  KeyRelease: KEY_RELEASE,
  Revocation: REVOCATION,
} as const satisfies Record<string, readonly Field[]>;

export type StatementType = keyof typeof STATEMENT_FIELDS;

export const STATEMENT_TYPES = Object.keys(STATEMENT_FIELDS) as StatementType[];

interface FieldValues {
  bytes32: Uint8Array;
  uint8: number;
  uint64: bigint;
  string: string;
}

/** What a field holds: `bytes32` 32 bytes, `uint8` a number, `uint64` a bigint, `string` text. */
export type FieldValue = FieldValues[FieldType];

type Table = typeof STATEMENT_FIELDS;

/** The fields of one statement type, as the table says. */
export type StatementOf<T extends StatementType> = {
  [F in Table[T][number] as F["name"]]: FieldValues[F["type"]];
};

/** One complete answer: which model, which input, which output, for whom, when. */
export type InferenceStatement = StatementOf<"InferenceStatement">;
/** A stream that ended early: an `InferenceStatement` without `outputDigest`. */
export type AbortedStatement = StatementOf<"Aborted">;
/** "This keyset is attested by this evidence from then to then", logged before the keyset is used. */
export type KeysetStatement = StatementOf<"Keyset">;
/** A log head for contracts, which cannot check Ed25519. */
export type CheckpointStatement = StatementOf<"Checkpoint">;
export type PolicyChangeStatement = StatementOf<"PolicyChange">;
export type RevocationStatement = StatementOf<"Revocation">;

/** How a proof or a re-execution of the statement `subject` ended. Only `delivered` redeems a promise. */
export const OUTCOMES = { delivered: 1, disagrees: 2, incomparable: 3, expired: 4 } as const;
/** `difference` where nothing was compared. */
export const NOT_COMPARED = 2n ** 64n - 1n;

/** Bits of `promised`. */
export const PROMISED_PROOF = 1;
export const PROMISED_REEXECUTION = 2;

/** The type byte of leaf data and of the header form. `Checkpoint` has none: it is never appended. */
export const LEAF_TYPES = {
  InferenceStatement: 1,
  Keyset: 2,
  Aborted: 3,
  CircuitBinding: 4,
  PolicyChange: 5,
  CircuitCommitment: 6,
  Proof: 7,
  Reexecution: 8,
  LedgerEntry: 9,
  Opening: 10,
  KeyRelease: 11,
  Revocation: 12,
} as const;

/** Statement types that have both a field table and a leaf number. */
export type LoggedType = StatementType & keyof typeof LEAF_TYPES;

export const LOGGED_TYPES = STATEMENT_TYPES.filter((type): type is LoggedType => type !== "Checkpoint");
