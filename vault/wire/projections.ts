/** The layouts of what is signed beside a statement in the formats that others read. */
import { block, bytes, nullable, record, text, u64 } from "./shape.ts";

/** The longest sealed record of a statement's other forms, in bytes. */
export const MAX_SEALED_BYTES = 8192;

/** What the other forms of an inference's receipt say beside its statement. */
export interface ProjectionRequest {
  /** SHA-256 of the bodies, unsalted: 32 bytes each. */
  requestHash: Uint8Array;
  responseHash: Uint8Array;
  /** The salts of the statement's request and response digests: with the hashes they must give these digests. */
  requestSalt: Uint8Array;
  responseSalt: Uint8Array;
  /** As the manifest says. */
  modelName: string;
  modelVersion: string;
  /** The path that was called. */
  endpoint: string;
  /** The caller's own, 8 to 64 bytes, for AIR's `eat_nonce`. */
  challengeNonce: Uint8Array | null;
  executionTimeMs: bigint;
}

/** A receipt's other forms, in clear: for its owner alone. */
export interface Projections {
  /** An AIR v1 receipt; null where AIR has no place for this platform's measurements. */
  air: Uint8Array | null;
  /** An ACI v1 receipt in its JCS form. */
  aci: string;
  /** `sha256hex(request):sha256hex(response)` */
  dstackText: string;
  /** Over the text as a personal message (EIP-191), by the receipt key: r ‖ s ‖ v, 65 bytes. */
  dstackEcdsa: Uint8Array;
}

/** As opened: what Ed25519 adds is signed then, by the key that this vault can have attested afresh. */
export interface OpenedProjections extends Projections {
  /** Over the text, by this vault's ACI key: 64 bytes. */
  dstackEd25519: Uint8Array;
}

const bytes32 = bytes(32);

export const projectionRequest = record<ProjectionRequest>({
  requestHash: bytes32,
  responseHash: bytes32,
  requestSalt: bytes32,
  responseSalt: bytes32,
  modelName: text(256),
  modelVersion: text(64),
  endpoint: text(1024),
  challengeNonce: nullable(block(64)),
  executionTimeMs: u64,
});

export const projections = record<Projections>({
  air: nullable(block(2048)),
  aci: text(4096),
  dstackText: text(129),
  dstackEcdsa: bytes(65),
});

export const openedProjections = record<OpenedProjections>({
  air: nullable(block(2048)),
  aci: text(4096),
  dstackText: text(129),
  dstackEcdsa: bytes(65),
  dstackEd25519: bytes(64),
});
