/**
 * Openings of inputs that requests only commit to. Who knows an opening can post it, before the request is on the chain or after:
 * it gives the request's id by itself. It is kept as ciphertext under the vault's key, until the request ends.
 */
import { bytesToHex } from "viem";
import { concat, equal, sha256, utf8 } from "../../codec/index.ts";
import { checkInputs, ModelError, type LoadedModel } from "../../models/index.ts";
import { chainRequestId, inputCommitment, parseCanonicalTensors, type Tensor } from "../../receipts/index.ts";
import type { ChainOpening } from "../chain-services.ts";
import type { Assured } from "../assurance/index.ts";
import {
  findRequest,
  findOpening,
  hastenRequest,
  keepOpening,
  type ChainPlace,
  type Database,
} from "../db/index.ts";
import { ServiceError } from "../problem.ts";
import { openRecord, sealRecord } from "../sealed-record.ts";
import type { SessionHolder } from "../session.ts";
import { STATUS, type Coordinator } from "./coordinator.ts";

const SALT_BYTES = 32;
/** Long enough to send the transaction after it. */
const EARLY_LIFETIME_MS = 15 * 60_000;
/** Anybody can make those that no request stands behind, so that these are few. */
const LIMITS = { early: 256, all: 4096 };

export interface Opened {
  /** Canonical tensors. */
  input: Uint8Array;
  /** 32 bytes. */
  salt: Uint8Array;
}

interface Parts {
  database: Database;
  coordinator: Coordinator;
  place: ChainPlace;
  sessions: Pick<SessionHolder, "current">;
  /** Models that anybody may use. */
  models: { list(): LoadedModel[] };
  assured: Pick<Assured, "plan" | "commit">;
  nowMs: () => number;
}

export class Openings {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /**
   * Keeps an opening.
   * @returns whether the coordinator knows the request
   * @throws ServiceError `opening_mismatch`, `opening_limit`, `chain_request_ended`; ModelError `model_not_found`, and what is
   *   wrong with the input; ReceiptError; ChainError `chain_unreachable`; ProofError
   */
  async post(requestId: Uint8Array, opening: ChainOpening): Promise<{ asked: boolean }> {
    const { database, place, sessions, nowMs } = this.#parts;
    await this.#check(requestId, opening);
    const deadlineAt = await this.#deadlineOf(requestId);
    const context = contextOf(requestId);
    const key = await sessions.current().vault.recordKey(context);
    const kept = await keepOpening(
      database,
      {
        requestId,
        sealed: sealRecord(key, context, [opening.salt, opening.input]),
        asked: deadlineAt !== undefined,
        expiresAt: deadlineAt ?? new Date(nowMs() + EARLY_LIFETIME_MS),
      },
      LIMITS,
    );
    if (!kept) throw new ServiceError("opening_limit");
    await hastenRequest(database, place, requestId);
    return { asked: deadlineAt !== undefined };
  }

  /** Undefined before it was posted, and where what is kept is not what was. */
  async find(requestId: Uint8Array): Promise<Opened | undefined> {
    const { database, sessions } = this.#parts;
    const sealed = await findOpening(database, requestId);
    if (!sealed) return undefined;
    const context = contextOf(requestId);
    const plain = openRecord(await sessions.current().vault.recordKey(context), context, sealed);
    return plain && { salt: plain.subarray(0, SALT_BYTES), input: plain.subarray(SALT_BYTES) };
  }

  /** That it opens this very request, and that the request's model takes the input. */
  async #check(
    requestId: Uint8Array,
    { requester, nonce, salt, input, ...asked }: ChainOpening,
  ): Promise<void> {
    const { place, models } = this.#parts;
    const commitment = inputCommitment(salt, input);
    const named = { ...asked, inputCommitment: commitment };
    if (!equal(chainRequestId({ ...place, requester, nonce }, named), requestId))
      throw new ServiceError("opening_mismatch", "requester, nonce, terms, input and salt give another id");
    const model = models.list().find(({ modelId }) => equal(modelId, asked.modelId));
    if (!model) throw new ModelError("model_not_found", "no model that anybody may use has this id");
    const inputs = parseCanonicalTensors(input);
    checkInputs(model.manifest, inputs);
    await this.#checkCircuit(model, inputs, salt, asked.circuitInput);
  }

  async #checkCircuit(
    model: LoadedModel,
    inputs: Tensor[],
    salt: Uint8Array,
    circuitInput: Uint8Array,
  ): Promise<void> {
    if (circuitInput.every((byte) => byte === 0)) return;
    const { assured } = this.#parts;
    const wish = { assurance: "tee+zk", valueAtRiskMicroUsd: undefined, publicInput: false } as const;
    const plan = assured.plan(model, wish);
    const committed = await assured.commit(plan, inputs, salt);
    if (!committed || !equal(committed, circuitInput))
      throw new ServiceError("opening_mismatch", "the circuit's commitment is to another input or salt");
  }

  /** Of a request that the coordinator knows. @throws ServiceError `chain_request_ended` */
  async #deadlineOf(requestId: Uint8Array): Promise<Date | undefined> {
    const { database, coordinator, place } = this.#parts;
    const row = await findRequest(database, place, requestId);
    const { status, deadlineSeconds } = await coordinator.request(bytesToHex(requestId));
    const ended = status === STATUS.delivered || status === STATUS.refunded;
    if (ended || (row && row.state !== "open")) throw new ServiceError("chain_request_ended");
    return status === STATUS.open ? new Date(deadlineSeconds * 1000) : undefined;
  }
}

function contextOf(requestId: Uint8Array): Uint8Array {
  return sha256(concat(utf8("affidavit.v1.chain-opening"), requestId));
}
