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
  brokerUrlSchema,
  checkHead,
  openSealedModel,
  type KeyWanted,
  type ReleaseKey,
  type SealedReader,
} from "./sealed-folder.ts";
