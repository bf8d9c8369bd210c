/** Weights sealed by their owner: only the owner's broker can open the content key, and it does so for whom it appraised. */
export { unwrapContentKey } from "./content-key.ts";
export {
  parseHead,
  sealedByteLength,
  sealedLengths,
  type SealedDescription,
  type SealedHead,
} from "./header.ts";
export * from "./wire.ts";
export { openSegments } from "./segments.ts";
export { readAt, readSealedHead, sealWeights, type SealOptions } from "./seal-file.ts";
export {
  BROKER_FILE,
  brokerUrlSchema,
  checkHead,
  SEALED_FILE,
  type KeyWanted,
  type ReleaseKey,
} from "./sealed-folder.ts";
