/** The circuits in use: bound to a model by its owner, as the vault checked, and in the log. */
import type { Logger } from "pino";
import { toHex, utf8 } from "../../codec/index.ts";
import type { LoadedModel } from "../../models/index.ts";
import { bindingDigest, type CircuitStore, type StoredCircuit } from "../../proofs/index.ts";
import { VaultError } from "../../vault/index.ts";
import { documentOf, putDocuments, readDocument, type Appender, type Database } from "../db/index.ts";
import { appendOwn } from "../own-statement.ts";
import { policyDocument } from "../policy.ts";
import type { SessionHolder } from "../session.ts";
import type { BoundCircuit } from "./plan.ts";

interface Parts {
  database: Database;
  appender: Pick<Appender, "append">;
  sessions: SessionHolder;
  models: { list(): LoadedModel[] };
  log: Logger;
  zkAboveMicroUsd: bigint | undefined;
}

/**
 * The circuit of each model that has one: of several, the one that its owner bound last. One whose binding the vault refuses is
 * left out, and the log says why.
 * @returns by the hex of the model's id
 */
export async function bindCircuits(parts: Parts, store: CircuitStore): Promise<Map<string, BoundCircuit>> {
  const bound = new Map<string, BoundCircuit>();
  for (const model of parts.models.list()) {
    const circuit = store.ofModel(model.modelId).find(({ binding }) => binding !== undefined);
    if (circuit && (await logBinding(parts, model, circuit))) {
      const digest = bindingDigest(circuit.binding!.text);
      const policy = policyDocument("tee+zk", digest, parts.zkAboveMicroUsd);
      await putDocuments(parts.database, [documentOf("policy", utf8(policy.text))]);
      bound.set(toHex(model.modelId), { circuit, policy });
    }
  }
  return bound;
}

/** The vault is asked each time, so that a key that is no longer the owner's binds nothing; it is logged once. */
async function logBinding(
  parts: Parts,
  model: LoadedModel,
  { binding, circuit }: StoredCircuit,
): Promise<boolean> {
  const { text } = binding!;
  const owned = { document: text, manifest: model.manifestText };
  try {
    const statement = await parts.sessions.current().signWith((vault) => vault.signCircuitBinding(owned));
    const document = documentOf("circuit-binding", utf8(text));
    if (!(await readDocument(parts.database, document.digest)))
      await appendOwn(parts.appender, "CircuitBinding", statement, [document]);
    return true;
  } catch (error) {
    if (!(error instanceof VaultError) || !["owner_unknown", "document_invalid"].includes(error.code))
      throw error;
    const about = { code: error.code, model: model.manifest.name, circuitId: toHex(circuit.circuitId) };
    parts.log.warn(about, "a circuit is not used");
    return false;
  }
}
