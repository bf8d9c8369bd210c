/**
 * What a receipt tells of its keyset: text, statement, evidence, endorsements, log proof. Read from the database, which
 * is not believed: a verifier checks all of it, and so nothing here needs to.
 */
import { fromUtf8, toHex } from "../codec/index.ts";
import {
  checkpointNonce,
  decodeStatement,
  parseEvidenceIndex,
  parseKeyset,
  parseNote,
  reportData,
  type KeysetRecord,
  type LogProof,
  type EvidenceParts,
} from "../receipts/index.ts";
import {
  checkpointsUpTo,
  readDocuments,
  readKeysetStatement,
  type Database,
  type LogTree,
} from "./db/index.ts";
import { bestCovering, isComplete } from "./covering.ts";
import { ServiceError } from "./problem.ts";
import { readingStored } from "./stored.ts";

const CACHED = 64;
/** Checkpoints that other replicas may have signed between the attested one and the keyset's leaf. */
const CANDIDATES = 32;

export class KeysetRecords {
  readonly #database: Database;
  readonly #tree: LogTree;
  readonly #origin: string;
  readonly #witnesses: number;
  readonly #cache = new Map<string, Promise<KeysetRecord>>();

  /** @param witnesses how many log witnesses are asked */
  constructor(database: Database, tree: LogTree, origin: string, witnesses: number) {
    this.#database = database;
    this.#tree = tree;
    this.#origin = origin;
    this.#witnesses = witnesses;
  }

  /** @throws ServiceError `evidence_unavailable` */
  get(digest: Uint8Array): Promise<KeysetRecord> {
    const name = toHex(digest);
    const cached = this.#cache.get(name);
    if (cached) return cached;
    const record = readingStored(() => this.#load(digest));
    if (this.#cache.size >= CACHED) this.#cache.delete(this.#cache.keys().next().value!);
    this.#cache.set(name, record);
    // Cosignatures that are missing may still come.
    record.then(
      ({ keysetLog }) => isComplete(keysetLog.checkpoint, this.#witnesses) || this.#cache.delete(name),
      () => this.#cache.delete(name),
    );
    return record;
  }

  async #load(digest: Uint8Array): Promise<KeysetRecord> {
    const stored = await readKeysetStatement(this.#database, digest);
    if (!stored) throw new ServiceError("evidence_unavailable", "the keyset is not in the log yet");
    const statement = decodeStatement("Keyset", stored.words);
    const { evidenceDigest, endorsementsDigest } = statement;
    const documents = await readDocuments(this.#database, [digest, evidenceDigest, endorsementsDigest]);
    const [keyset, evidence, endorsements] = [digest, evidenceDigest, endorsementsDigest].map((wanted) =>
      documents.get(toHex(wanted)),
    );
    const keysetLog = await this.logProof(stored.leafIndex);
    if (!keyset || !evidence || !endorsements || !keysetLog) throw missing();
    const text = fromUtf8(keyset);
    const parts = await this.#evidenceParts(evidence);
    const { nonce, note } = await this.#attestedCheckpoint(digest, parts.quote, stored.leafIndex);
    return {
      keyset: text,
      keysetStatement: { statement, signature: stored.signature },
      evidence: { type: parseKeyset(text).attester.type, ...parts, nonce },
      endorsements: JSON.parse(fromUtf8(endorsements)) as KeysetRecord["endorsements"],
      keysetLog: { ...keysetLog, attestedCheckpoint: note },
    };
  }

  /** The stored evidence is a quote, or an index of what came with it. */
  async #evidenceParts(stored: Uint8Array): Promise<EvidenceParts> {
    const index = parseEvidenceIndex(stored);
    if (!index) return { quote: stored };
    const { gpu, measuredModels } = index;
    const wanted = [index.quote, ...(gpu ? [gpu.sha256] : [])];
    const documents = await readDocuments(this.#database, wanted);
    const [quote, list] = wanted.map((digest) => documents.get(toHex(digest)));
    if (!quote || (gpu && !list)) throw missing();
    return { quote, ...(gpu && { gpu: { type: gpu.type, quote: list! } }), measuredModels };
  }

  /** The leaf's place under a checkpoint that covers it; undefined before there is one. */
  async logProof(leafIndex: bigint): Promise<LogProof | undefined> {
    const checkpoint = await bestCovering(this.#database, leafIndex + 1n, this.#witnesses);
    if (!checkpoint) return undefined;
    const proof = await this.#tree.inclusionProof(leafIndex, checkpoint.size);
    return { origin: this.#origin, leafIndex, proof, checkpoint: checkpoint.note };
  }

  /** The checkpoint over which the evidence was made: the one whose report data the quote holds. */
  async #attestedCheckpoint(
    keysetDigest: Uint8Array,
    quote: Uint8Array,
    leafIndex: bigint,
  ): Promise<{ nonce: Uint8Array; note: string }> {
    // Some evidence is JSON with the quote in hex.
    const evidence = Buffer.from(quote);
    const holds = (data: Uint8Array): boolean =>
      evidence.includes(Buffer.from(data)) || evidence.includes(toHex(data));
    for (const { note } of await checkpointsUpTo(this.#database, leafIndex, CANDIDATES)) {
      const nonce = checkpointNonce(parseNote(note).text);
      if (holds(reportData(keysetDigest, nonce))) return { nonce, note };
    }
    throw new ServiceError("evidence_unavailable", "the checkpoint that the evidence names is missing");
  }
}

function missing(): ServiceError {
  return new ServiceError("evidence_unavailable", "a document of the keyset is missing");
}
