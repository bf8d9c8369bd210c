/** The circuits that a service has in use, as it offers them: `GET /v1/circuits` and the documents that it names. */
import { equal, fromHex, fromUtf8, toHex0x } from "../../codec/index.ts";
import { ProofError, verifyCircuitBinding, bindingDigest, type Circuit } from "../../proofs/client.ts";
import { parseReceiptHeader, ReceiptError, type StatementOf } from "../../receipts/index.ts";
import { AffidavitError } from "../errors.ts";

/** `CircuitBinding`, under the keyset that signed it. Whose keyset that is, the chain's registry says. */
export interface SignedBinding {
  statement: StatementOf<"CircuitBinding">;
  /** 32 bytes. */
  keysetDigest: Uint8Array;
  /** 65 bytes. */
  signature: Uint8Array;
}

export interface OfferedCircuit {
  /** Of a document that its owner signed; whose key that is, is not known here. */
  circuit: Circuit;
  /** Of answers under `tee+zk` by this circuit, 32 bytes. */
  policyDigest: Uint8Array;
  signed: SignedBinding;
}

export interface CircuitSource {
  /** JSON text of `GET /v1/circuits`. */
  circuits(): Promise<string>;
  /** @param digest SHA-256, 32 bytes */
  document(digest: Uint8Array): Promise<Uint8Array>;
}

/** As the service writes it; nothing in it is believed. */
interface Entry {
  modelId: string;
  policyDigest: string;
  statement: string;
  keysetDigest: string;
}

/**
 * The circuit of a model; undefined where it has none in use.
 * @param modelId 32 bytes
 * @throws AffidavitError `server_response_invalid` where the parts do not fit each other, and as the source
 */
export async function offeredCircuit(
  source: CircuitSource,
  modelId: Uint8Array,
): Promise<OfferedCircuit | undefined> {
  try {
    const { circuits } = JSON.parse(await source.circuits()) as { circuits: Entry[] };
    const entry = circuits.find((one) => one.modelId === toHex0x(modelId));
    return entry && (await readEntry(source, entry));
  } catch (cause) {
    const malformed = [SyntaxError, TypeError, ReceiptError, ProofError].some(
      (kind) => cause instanceof kind,
    );
    if (!malformed) throw cause;
    throw invalid("it is not what /v1/circuits answers", cause);
  }
}

async function readEntry(source: CircuitSource, entry: Entry): Promise<OfferedCircuit> {
  const header = parseReceiptHeader(entry.statement);
  if (header.type !== "CircuitBinding") throw invalid("its statement is another one");
  const { statement, signature } = header;
  const text = fromUtf8(await source.document(statement.documentDigest));
  if (!equal(bindingDigest(text), statement.documentDigest)) throw invalid("its document is another one");
  const { circuit } = verifyCircuitBinding(text);
  const same =
    equal(circuit.circuitId, statement.circuitId) &&
    equal(circuit.modelId, statement.modelId) &&
    toHex0x(circuit.modelId) === entry.modelId;
  if (!same) throw invalid("it is about another circuit than its document");
  const keysetDigest = fromHex(entry.keysetDigest, 32);
  return {
    circuit,
    policyDigest: fromHex(entry.policyDigest, 32),
    signed: { statement, keysetDigest, signature },
  };
}

function invalid(problem: string, cause?: unknown): AffidavitError {
  return new AffidavitError("server_response_invalid", `the service's circuit: ${problem}`, { cause });
}
