/** The circuits in use, under the keyset in use: a contract takes no binding of a keyset that has ended. */
import { equal, toHex0x } from "../../codec/index.ts";
import { bindingDigest } from "../../proofs/index.ts";
import { encodeReceiptHeader } from "../../receipts/index.ts";
import type { LoadedModel } from "../../models/index.ts";
import type { SessionHolder } from "../session.ts";
import type { BoundCircuit } from "./plan.ts";

export interface OfferedCircuit {
  /** Digests: 0x and 64 hex digits. */
  modelId: string;
  circuitId: string;
  policyDigest: string;
  /** Of the document that the owner signed. */
  documentDigest: string;
  /** Header form of the `CircuitBinding`. */
  statement: string;
  keysetDigest: string;
}

interface Parts {
  sessions: SessionHolder;
  /** Whose circuits everyone may see. */
  models(): LoadedModel[];
  circuit(modelId: Uint8Array): BoundCircuit | undefined;
}

export class OfferedCircuits {
  readonly #parts: Parts;
  #signed: { keyset: Uint8Array; circuits: Promise<OfferedCircuit[]> } | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Signed once a keyset, however often it is asked for. @throws ServiceError `session_unavailable`; VaultError */
  async list(): Promise<OfferedCircuit[]> {
    const { digest } = this.#parts.sessions.current().keyset;
    if (!this.#signed || !equal(this.#signed.keyset, digest))
      this.#signed = { keyset: digest, circuits: this.#sign() };
    const signed = this.#signed;
    try {
      return await signed.circuits;
    } catch (error) {
      if (this.#signed === signed) this.#signed = undefined;
      throw error;
    }
  }

  async #sign(): Promise<OfferedCircuit[]> {
    const { models, circuit, sessions } = this.#parts;
    const offered: OfferedCircuit[] = [];
    for (const { modelId, manifestText } of models()) {
      const bound = circuit(modelId);
      if (!bound) continue;
      const { text } = bound.circuit.binding!;
      const signed = await sessions
        .current()
        .signWith((vault) => vault.signCircuitBinding({ document: text, manifest: manifestText }));
      offered.push({
        modelId: toHex0x(modelId),
        circuitId: toHex0x(bound.circuit.circuit.circuitId),
        policyDigest: toHex0x(bound.policy.digest),
        documentDigest: toHex0x(bindingDigest(text)),
        statement: encodeReceiptHeader({ ...signed, type: "CircuitBinding" }),
        keysetDigest: toHex0x(signed.keysetDigest),
      });
    }
    return offered;
  }
}
