/** What a statement must look like before the vault fills in its part and signs. */
import {
  PROMISED_PROOF,
  PROMISED_REEXECUTION,
  STATEMENT_FIELDS,
  type StatementOf,
} from "../../receipts/index.ts";
import { VaultError } from "../error.ts";

/** The statements that use up a ticket. */
export type TicketedType = "InferenceStatement" | "Aborted";

/** The scalar field of BN254, in which a circuit's instances live: big-endian. */
const FIELD_MODULUS = Buffer.from("30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001", "hex");

const FILLED_BY_VAULT = new Set<string>(["keysetDigest", "issuedAtMs", "sequence"]);
/** Zero means "none" here; every other digest is of something, so zero can only be a mistake. */
const MAY_BE_ZERO: Record<TicketedType, ReadonlySet<string>> = {
  InferenceStatement: new Set(["circuitInput", "audience", "settlement"]),
  Aborted: new Set(["circuitInput", "audience", "settlement", "executionDigest"]),
};

/** What the vault computes itself, and what a request of a contract has not. */
const NOT_ON_CHAIN = new Set(["requestId", "audience", "requestDigest", "responseDigest", "settlement"]);

/** @throws VaultError `statement_invalid` */
export function checkChainAnswer(fields: StatementOf<"InferenceStatement">): void {
  check("InferenceStatement", fields, (name) => NOT_ON_CHAIN.has(name) || FILLED_BY_VAULT.has(name));
}

/**
 * A ticket is never a request from a chain, whose id is a hash, so request and response digests are required whatever
 * the audience.
 * @throws VaultError `statement_invalid`
 */
export function checkTicketed(type: TicketedType, fields: StatementOf<TicketedType>): void {
  check(type, fields, (name) => FILLED_BY_VAULT.has(name));
}

function check(
  type: TicketedType,
  fields: StatementOf<TicketedType>,
  mustBeZero: (name: string) => boolean,
): void {
  for (const { name, type: fieldType } of STATEMENT_FIELDS[type]) {
    const value: unknown = Reflect.get(fields, name);
    const zero = value instanceof Uint8Array ? value.every((byte) => byte === 0) : Number(value) === 0;
    if (mustBeZero(name)) {
      if (!zero) throw new VaultError("statement_invalid");
    } else if (fieldType === "bytes32" && zero && !MAY_BE_ZERO[type].has(name)) {
      throw new VaultError("statement_invalid");
    }
  }
  if (FIELD_MODULUS.compare(fields.circuitInput) <= 0) throw new VaultError("statement_invalid");
  checkPromise(fields.promised, fields.promiseDeadlineMs);
}

function checkPromise(promised: number, deadlineMs: bigint): void {
  const known = PROMISED_PROOF | PROMISED_REEXECUTION;
  const deadlineFits = (promised === 0) === (deadlineMs === 0n);
  if ((promised & ~known) !== 0 || !deadlineFits) throw new VaultError("statement_invalid");
}
