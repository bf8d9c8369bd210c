/** Signs typed statements with the receipt key, under the installed keyset alone. */
import {
  audienceDigest,
  chainRequestId,
  chainSettlement,
  decodeStatement,
  encodeStatement,
  LEAF_TYPES,
  MAX_TREE_SIZE,
  ReceiptError,
  REVOCATION_KINDS,
  wordsDigest,
  type StatementOf,
} from "../../receipts/index.ts";
import { VaultError } from "../error.ts";
import type {
  KeysetFields,
  RevocationFields,
  SignedAnswer,
  SignedTicketed,
  SignedWords,
  UnsignedStatement,
} from "../wire/operations.ts";
import type { ChainAnswer } from "../wire/chain.ts";
import type { Allowances, Charge } from "./allowances.ts";
import type { ChainAnswers } from "./chain-answers.ts";
import type { Keysets } from "./keysets.ts";
import type { ProjectionSigner } from "./projections.ts";
import type { Signer } from "./signer.ts";
import { checkChainAnswer, checkTicketed, type TicketedType } from "./statement-rules.ts";
import type { Tickets } from "./tickets.ts";

interface Parts {
  signer: Signer;
  tickets: Tickets;
  answers: ChainAnswers;
  keysets: Keysets;
  projections: ProjectionSigner;
  /** Undefined where balances are off. */
  allowances?: Pick<Allowances, "charge" | "take"> | undefined;
  nowMs: () => number;
}

const TICKETED = new Map<number, TicketedType>([
  [LEAF_TYPES.InferenceStatement, "InferenceStatement"],
  [LEAF_TYPES.Aborted, "Aborted"],
]);

type UnticketedType =
  | "Revocation"
  | "CircuitBinding"
  | "CircuitCommitment"
  | "Proof"
  | "Reexecution"
  | "KeyRelease"
  | "LedgerEntry"
  | "Opening"
  | "PolicyChange";

export class Statements {
  readonly #parts: Parts;
  #lastSequence = 0n;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /**
   * Signs one statement, uses its ticket up and takes what the allowance is charged; a refused one keeps its ticket and costs
   * nothing. Runs to its end without yielding, so no other request comes between a check and what follows from it.
   * @throws VaultError `statement_invalid`, `keyset_missing`, `keyset_expired`, `ticket_unknown`, `ticket_expired`, and what
   *   `Allowances.charge` throws
   */
  signTicketed(unsigned: UnsignedStatement): SignedTicketed {
    const type = TICKETED.get(unsigned.type);
    if (!type) throw new VaultError("statement_invalid");
    const fields = decode(type, unsigned.words);
    checkTicketed(type, fields);
    const nowMs = this.#parts.nowMs();
    const keyset = this.#parts.keysets.current(nowMs);
    const { projection, allowance } = unsigned;
    // Only a complete answer has other forms, and is paid for: they know nothing of one that ended early.
    if ((projection || allowance) && !("outputDigest" in fields)) throw new VaultError("statement_invalid");
    if (projection) this.#parts.projections.check(fields, projection);
    const { allowances } = this.#parts;
    const charge = allowance ? charged(allowances, allowance, fields.modelId) : undefined;
    this.#parts.tickets.consume(fields.requestId);
    const sequence = ++this.#lastSequence;
    const filled = { ...fields, keysetDigest: keyset.digest, issuedAtMs: BigInt(nowMs), sequence };
    const signed = this.#sign(type, filled, sequence, keyset.digest);
    const sealedProjections =
      projection && "outputDigest" in filled
        ? this.#parts.projections.seal(signed, filled, projection, keyset)
        : null;
    const spent = allowances?.take(signed.digest, charge) ?? null;
    return { ...signed, sealedProjections, spent };
  }

  /**
   * Signs an answer to a contract's request. That the coordinator is one to answer to, its caller has checked.
   * @param operator whose answer it is: 20 bytes
   * @throws VaultError `statement_invalid`, `keyset_missing`, `keyset_expired`, `chain_answered`
   */
  signChainAnswer({ words, ...request }: ChainAnswer, operator: Uint8Array): SignedAnswer {
    const fields = decode("InferenceStatement", words);
    checkChainAnswer(fields);
    const nowMs = this.#parts.nowMs();
    const keyset = this.#parts.keysets.current(nowMs);
    const requestId = chainRequestId(request, fields);
    this.#parts.answers.record(requestId, fields.outputDigest);
    const sequence = ++this.#lastSequence;
    const audience = audienceDigest(request.chainId, request.requester);
    const settlement = chainSettlement(requestId, operator);
    const issuedAtMs = BigInt(nowMs);
    const forChain = { requestId, audience, settlement };
    const filled = { ...fields, ...forChain, keysetDigest: keyset.digest, issuedAtMs, sequence };
    const signed = this.#sign("InferenceStatement", filled, sequence, keyset.digest);
    return { ...signed, spent: this.#parts.allowances?.take(signed.digest, undefined) ?? null };
  }

  /**
   * Signs that this keyset is attested by that evidence, which must be a quote made here for it.
   * @throws VaultError `statement_invalid`, `keyset_missing`, `keyset_expired`, `evidence_unknown`
   */
  signKeyset(fields: KeysetFields): SignedWords {
    const keyset = this.#parts.keysets.current(this.#parts.nowMs());
    if (fields.notBeforeMs >= fields.notAfterMs || fields.notAfterMs > keyset.notAfterMs) {
      throw new VaultError("statement_invalid");
    }
    keyset.attest(fields.evidenceDigest);
    return this.#sign("Keyset", { ...fields, keysetDigest: keyset.digest }, 0n, keyset.digest);
  }

  /**
   * Signs that something is revoked. Who may say so is the service's to decide: a revocation can refuse what was
   * good, and never accept what was not.
   * @throws VaultError `statement_invalid`, `keyset_missing`, `keyset_expired`
   */
  signRevocation({ kind, subject, fromIndex }: RevocationFields): SignedWords {
    const isKnown = (Object.values(REVOCATION_KINDS) as number[]).includes(kind);
    if (!isKnown || subject.every((byte) => byte === 0) || fromIndex > MAX_TREE_SIZE)
      throw new VaultError("statement_invalid");
    return this.signNow("Revocation", (issuedAtMs) => ({ kind, subject, fromIndex, issuedAtMs }));
  }

  /**
   * Signs a statement that uses no ticket, at the vault's own time. Whoever calls this has checked what it says.
   * @throws VaultError `keyset_missing`, `keyset_expired`
   */
  signNow<T extends UnticketedType>(type: T, fields: (issuedAtMs: bigint) => StatementOf<T>): SignedWords {
    const nowMs = this.#parts.nowMs();
    const { digest } = this.#parts.keysets.current(nowMs);
    return this.#sign(type, fields(BigInt(nowMs)), 0n, digest);
  }

  #sign<T extends "Keyset" | UnticketedType | TicketedType>(
    type: T,
    fields: StatementOf<T>,
    sequence: bigint,
    keysetDigest: Uint8Array,
  ): SignedWords {
    const words = encodeStatement(type, fields);
    const digest = wordsDigest(type, words);
    const signature = this.#parts.signer.sign(digest);
    return { words, digest, signature, sequence, keysetDigest };
  }
}

/** @throws VaultError `balances_off`, and what `Allowances.charge` throws */
function charged(allowances: Parts["allowances"], allowance: Uint8Array, modelId: Uint8Array): Charge {
  if (!allowances) throw new VaultError("balances_off");
  return allowances.charge(allowance, modelId);
}

function decode<T extends TicketedType>(type: T, words: Uint8Array): StatementOf<T> {
  try {
    return decodeStatement(type, words);
  } catch (error) {
    throw error instanceof ReceiptError ? new VaultError("statement_invalid") : error;
  }
}
