/** Signs which circuit proves a model, and a circuit's commitment to an input: what the vault checks itself. */
import { equal, fromHex, sha256, utf8 } from "../../codec/index.ts";
import {
  bindingStatement,
  circuitSalt,
  commitInput,
  elements,
  ProofError,
  verifyCircuitBinding,
  type CircuitBinding,
} from "../../proofs/client.ts";
import {
  decodeStatement,
  inputCommitment,
  parseCanonicalTensors,
  ReceiptError,
  wordsDigest,
} from "../../receipts/index.ts";
import { VaultError } from "../error.ts";
import type { OpenedInput, OwnedDocument } from "../wire/assurance.ts";
import type { SignedWords } from "../wire/operations.ts";
import type { Ed25519Key } from "./ed25519.ts";
import type { Keysets } from "./keysets.ts";
import { readLoggedLeaf } from "./logged-leaf.ts";
import type { Statements } from "./statements.ts";

/** Elements whose Poseidon hash takes about 100 ms, for which everything else waits. */
const MAX_COMMITTED_ELEMENTS = 1024;

interface Parts {
  statements: Statements;
  keysets: Keysets;
  logKey: Ed25519Key;
  /** Ed25519, 32 bytes: whose circuits are accepted for models that name no owner; undefined for nobody's. */
  owner: Uint8Array | undefined;
  nowMs: () => number;
}

export class Circuits {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /**
   * Signs that the model's owner bound this circuit to the model.
   * @throws VaultError `document_invalid`, `owner_unknown`, `keyset_missing`, `keyset_expired`
   */
  signCircuitBinding(owned: OwnedDocument): SignedWords {
    this.#readBinding(owned);
    return this.#parts.statements.signNow("CircuitBinding", (issuedAtMs) =>
      bindingStatement(owned.document, issuedAtMs),
    );
  }

  /**
   * Signs the circuit's commitment to the input of a statement that the log holds: the input and its salt open the statement's
   * `inputCommitment`, and the commitment is computed here.
   * @throws VaultError `document_invalid`, `owner_unknown`, `checkpoint_foreign`, `leaf_not_included`,
   *   `statement_invalid` (the leaf is another statement's, of another model), `opening_mismatch` (another input or salt),
   *   `circuit_input_invalid` (not what the circuit takes, or too large), `keyset_missing`, `keyset_expired`
   */
  signCircuitCommitment(opened: OpenedInput): SignedWords {
    const { circuit } = this.#readBinding(opened);
    const { keysets, logKey, nowMs } = this.#parts;
    const { digest } = readLoggedLeaf(logKey, keysets.current(nowMs()).origin, opened);
    const { modelId, inputCommitment: committed } = readStatement(opened.words, digest);
    if (!equal(modelId, circuit.modelId)) throw new VaultError("statement_invalid");
    if (!equal(inputCommitment(opened.salt, opened.input), committed))
      throw new VaultError("opening_mismatch");
    if (elements(circuit.inputs) > MAX_COMMITTED_ELEMENTS) throw new VaultError("circuit_input_invalid");
    const circuitInput = commit(circuit, opened);
    return this.#parts.statements.signNow("CircuitCommitment", (issuedAtMs) => ({
      subject: digest,
      circuitId: circuit.circuitId,
      circuitInput,
      issuedAtMs,
    }));
  }

  /** @throws VaultError `document_invalid`, `owner_unknown` */
  #readBinding({ document, manifest }: OwnedDocument): CircuitBinding {
    const binding = verifyDocument(document);
    if (!equal(sha256(utf8(manifest)), binding.circuit.modelId)) throw new VaultError("document_invalid");
    const owner = ownerOf(manifest) ?? this.#parts.owner;
    if (!owner || !equal(owner, binding.owner)) throw new VaultError("owner_unknown");
    return binding;
  }
}

function verifyDocument(document: string): CircuitBinding {
  try {
    return verifyCircuitBinding(document);
  } catch (error) {
    throw error instanceof ProofError ? new VaultError("document_invalid", { cause: error }) : error;
  }
}

/** The key that the manifest names, if it names one. The text is the one that the owner's signature is about. */
function ownerOf(manifest: string): Uint8Array | undefined {
  try {
    const { owner } = JSON.parse(manifest) as { owner?: unknown };
    if (owner === undefined) return undefined;
    if (typeof owner === "string" && /^[0-9a-f]{64}$/.test(owner)) return fromHex(owner, 32);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new VaultError("document_invalid");
}

function readStatement(words: Uint8Array, digest: Uint8Array) {
  try {
    if (equal(wordsDigest("InferenceStatement", words), digest))
      return decodeStatement("InferenceStatement", words);
  } catch (error) {
    if (!(error instanceof ReceiptError)) throw error;
  }
  throw new VaultError("statement_invalid");
}

function commit(circuit: CircuitBinding["circuit"], { input, salt }: OpenedInput): Uint8Array {
  try {
    return commitInput(circuit, parseCanonicalTensors(input), circuitSalt(salt));
  } catch (cause) {
    const isInput = cause instanceof ProofError || cause instanceof ReceiptError;
    throw isInput ? new VaultError("circuit_input_invalid", { cause }) : cause;
  }
}
