/**
 * The log's inclusion proof as a COSE receipt (RFC 9942, verifiable data structure 1, RFC9162_SHA256), and with the leaf
 * as a SCITT transparent statement (RFC 9943). The entry that the tree hashes is the leaf data of docs/spec/log.md, which
 * is the signed statement's payload.
 */
import {
  CborError,
  decodeCbor,
  encodeCbor,
  equal,
  sha256,
  toHex0x,
  type CborMap,
  type CborValue,
} from "../../codec/index.ts";
import { LEAF_BYTES, parseLeafData } from "../leaf.ts";
import { leafHash, MAX_TREE_SIZE } from "../merkle.ts";
import { inclusionRoot } from "../merkle-verify.ts";
import { verifyEd25519 } from "../note.ts";
import { ProjectionError } from "./error.ts";
import { encodeCoseSign1, parseCoseSign1, sigStructure, type CoseSign1 } from "./cose.ts";

export const LEAF_MEDIA_TYPE = "application/vnd.affidavit.leaf";
const MAX_BYTES = 16_384;
const LIMITS = { maxBytes: MAX_BYTES, maxDepth: 8, maxItems: 256 };
const EDDSA = -8;
const RFC9162_SHA256 = 1;
const [ALG, CONTENT_TYPE, KID, CWT_CLAIMS, RECEIPTS, VDS, VDP] = [1, 3, 4, 15, 394, 395, 396] as const;
const INCLUSION_PROOFS = -1;

export interface LogPlace {
  leafIndex: bigint;
  treeSize: bigint;
  /** Hashes from the leaf's sibling up, 32 bytes each. */
  proof: readonly Uint8Array[];
}

/** The log, as its keyset names it. */
export interface LogIdentity {
  origin: string;
  /** Ed25519, 32 bytes. */
  publicKey: Uint8Array;
}

/** RFC 9679: SHA-256 of the deterministic COSE key {kty: OKP, crv: Ed25519, x}. */
function thumbprint(publicKey: Uint8Array): Uint8Array {
  return sha256(
    encodeCbor(
      new Map<number, number | Uint8Array>([
        [1, 1],
        [-1, 6],
        [-2, publicKey],
      ]),
    ),
  );
}

function claims(log: LogIdentity, leaf: Uint8Array): CborMap {
  return new Map([
    [1, log.origin],
    [2, toHex0x(parseLeafData(leaf).digest)],
  ]);
}

function receiptHeader(log: LogIdentity, leaf: Uint8Array): Uint8Array {
  return encodeCbor(
    new Map<number, CborValue>([
      [ALG, EDDSA],
      [KID, thumbprint(log.publicKey)],
      [CWT_CLAIMS, claims(log, leaf)],
      [VDS, RFC9162_SHA256],
    ]),
  );
}

function statementHeader(log: LogIdentity, leaf: Uint8Array): Uint8Array {
  return encodeCbor(
    new Map<number, CborValue>([
      [ALG, EDDSA],
      [CONTENT_TYPE, LEAF_MEDIA_TYPE],
      [KID, thumbprint(log.publicKey)],
      [CWT_CLAIMS, claims(log, leaf)],
    ]),
  );
}

/** What the log key signs over a root: Sig_structure of the receipt, its payload the root, detached. */
export function coseReceiptMessage(log: LogIdentity, leaf: Uint8Array, root: Uint8Array): Uint8Array {
  return sigStructure(receiptHeader(log, leaf), root);
}

/** What the log key signs over the leaf data: Sig_structure of the signed statement. */
export function scittStatementMessage(log: LogIdentity, leaf: Uint8Array): Uint8Array {
  return sigStructure(statementHeader(log, leaf), leaf);
}

/** @param signature of `coseReceiptMessage`, 64 bytes */
export function encodeCoseReceipt(
  log: LogIdentity,
  leaf: Uint8Array,
  { leafIndex, treeSize, proof }: LogPlace,
  signature: Uint8Array,
): Uint8Array {
  const inclusion = encodeCbor([treeSize, leafIndex, [...proof]]);
  return encodeCoseSign1({
    protectedHeader: receiptHeader(log, leaf),
    unprotected: new Map([[VDP, new Map([[INCLUSION_PROOFS, [inclusion]]])]]),
    payload: null,
    signature,
  });
}

/** @param signature of `scittStatementMessage`, 64 bytes */
export function encodeTransparentStatement(
  log: LogIdentity,
  leaf: Uint8Array,
  signature: Uint8Array,
  receipts: readonly Uint8Array[],
): Uint8Array {
  return encodeCoseSign1({
    protectedHeader: statementHeader(log, leaf),
    unprotected: new Map([[RECEIPTS, [...receipts]]]),
    payload: leaf,
    signature,
  });
}

function refuse(message: string): never {
  throw new ProjectionError("cose_receipt_invalid", message);
}

function parse(bytes: Uint8Array): CoseSign1 {
  try {
    const parsed = parseCoseSign1(bytes, LIMITS);
    if (parsed) return parsed;
  } catch (error) {
    if (!(error instanceof CborError)) throw error;
  }
  return refuse("not a tagged COSE_Sign1");
}

function isCount(value: unknown): value is number | bigint {
  return (typeof value === "number" || typeof value === "bigint") && value >= 0 && value <= MAX_TREE_SIZE;
}

function readProof(unprotected: CborMap): LogPlace {
  const vdp = unprotected.get(VDP);
  const proofs = vdp instanceof Map ? vdp.get(INCLUSION_PROOFS) : undefined;
  const [encoded, ...more] = Array.isArray(proofs) ? proofs : [];
  if (unprotected.size !== 1 || more.length > 0 || !(encoded instanceof Uint8Array))
    refuse("not one inclusion proof");
  let proof;
  try {
    proof = decodeCbor(encoded, LIMITS);
  } catch (error) {
    if (!(error instanceof CborError)) throw error;
    refuse(error.message);
  }
  const [size, index, path] = Array.isArray(proof) && proof.length === 3 ? proof : [];
  if (!isCount(size) || !isCount(index) || !Array.isArray(path)) refuse("not an inclusion proof");
  const hashes = path.filter((hash) => hash instanceof Uint8Array && hash.length === 32) as Uint8Array[];
  if (hashes.length !== path.length) refuse("a hash of the proof is not 32 bytes");
  return { treeSize: BigInt(size), leafIndex: BigInt(index), proof: hashes };
}

/**
 * Checks a COSE receipt of our log for a leaf: the root that the proof leads to is what the log key signed. The tree's
 * size is not signed (RFC 9942 section 5): another one may lead to the same root. A checkpoint signs it.
 * @throws ProjectionError `cose_receipt_invalid`; ReceiptError `leaf_invalid`, `inclusion_invalid`, `tree_position_invalid`
 */
export function verifyCoseReceipt(bytes: Uint8Array, leaf: Uint8Array, log: LogIdentity): LogPlace {
  const { protectedHeader, unprotected, payload, signature } = parse(bytes);
  if (!equal(protectedHeader, receiptHeader(log, leaf)))
    refuse("the protected header is not this log's for this leaf");
  if (payload !== null) refuse("the payload is not detached");
  const place = readProof(unprotected);
  const root = inclusionRoot(leafHash(leaf), place.leafIndex, place.treeSize, [...place.proof]);
  if (!verifyEd25519(signature, sigStructure(protectedHeader, root), log.publicKey))
    refuse("the log key did not sign this root");
  return place;
}

/**
 * Checks a transparent statement of our log with its one receipt.
 * @returns the leaf data and its place
 * @throws ProjectionError `cose_receipt_invalid`; ReceiptError `leaf_invalid`, `inclusion_invalid`, `tree_position_invalid`
 */
export function verifyTransparentStatement(
  bytes: Uint8Array,
  log: LogIdentity,
): { leaf: Uint8Array; place: LogPlace } {
  const { protectedHeader, unprotected, payload, signature } = parse(bytes);
  if (payload === null || payload.length !== LEAF_BYTES) refuse("the payload is not leaf data");
  if (!equal(protectedHeader, statementHeader(log, payload)))
    refuse("the protected header is not this log's for this leaf");
  if (!verifyEd25519(signature, sigStructure(protectedHeader, payload), log.publicKey))
    refuse("the log key did not sign this statement");
  const receipts = unprotected.get(RECEIPTS);
  const [receipt, ...more] = Array.isArray(receipts) ? receipts : [];
  if (unprotected.size !== 1 || more.length > 0 || !(receipt instanceof Uint8Array))
    refuse("not one receipt");
  return { leaf: payload, place: verifyCoseReceipt(receipt, payload, log) };
}
