/** Bytes, hashes and canonical JSON: the one folder that every other may import. */
export * from "./bytes.ts";
export * from "./jcs.ts";
export { CborError, CborTagged, decodeCbor } from "./cbor.ts";
export type { CborErrorCode, CborLimits, CborMap, CborValue } from "./cbor.ts";
export { encodeCbor } from "./cbor-write.ts";
export * as protobuf from "./protobuf.ts";
export {
  hkdfExpandSha256,
  hkdfExpander,
  hkdfExtractSha256,
  hkdfSha256,
  hmacSha256,
  keccak256,
  sha256,
  sha384,
  sha512,
} from "#hash";
