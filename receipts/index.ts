/** Statements, their digests and encodings, the keyset, the log's tree and notes, and the receipt bundle. Browser-safe. */
export * from "./error.ts";
export * from "./fields.ts";
export * from "./statements.ts";
export * from "./signature.ts";
export * from "./leaf.ts";
export * from "./digests.ts";
export * from "./tensors.ts";
export * from "./output.ts";
export * from "./compact-range.ts";
export {
  EMPTY_ROOT,
  MAX_TREE_SIZE,
  consistencyProof,
  inclusionProof,
  leafHash,
  nodeHash,
  planConsistency,
  planInclusion,
  rangeNodes,
  treeRoot,
} from "./merkle.ts";
export type { LeafRange, NodeGetter, NodeId } from "./merkle.ts";
export * from "./merkle-verify.ts";
export * from "./keyset.ts";
export * from "./report-data.ts";
export * from "./key-release.ts";
export * from "./worker-key.ts";
export * from "./header.ts";
export * from "./note.ts";
export * from "./checkpoint.ts";
export { checkpointStatementToJson, readCheckpointStatement } from "./checkpoint-statement.ts";
export type { SignedCheckpointStatement } from "./checkpoint-statement.ts";
export { statementToJson } from "./statement-json.ts";
export * from "./bundle.ts";
export {
  evidenceDigest,
  evidenceIndex,
  MAX_GPU_EVIDENCE_BYTES,
  MAX_MEASURED_MODELS,
  modelEventDigest,
  parseEvidenceIndex,
  replayMeasuredModels,
} from "./evidence.ts";
export type { EvidenceParts, MeasuredModels } from "./evidence.ts";
export {
  ATTESTATION_MEDIA_TYPE,
  attestationToJson,
  logProofToJson,
  parseAttestation,
} from "./keyset-record.ts";
export type { AttestationDocument, KeysetRecord, LogProof, NoncedEvidence } from "./keyset-record.ts";
export * from "./private-part.ts";
export * from "./tiles.ts";
export * from "./tlog-proof.ts";
export * from "./revocation.ts";
export * from "./vault-policy.ts";
export * from "./cluster-keys.ts";
export * from "./verifier-key.ts";
export * from "./add-checkpoint.ts";
export * from "./projections/index.ts";
