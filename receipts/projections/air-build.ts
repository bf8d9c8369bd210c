/** Building AIR v1 receipts. What signs is handed in: this file holds no key. */
import { encodeCbor } from "../../codec/index.ts";
import { encodeAirClaims, type AirClaims } from "./air-claims.ts";
import { encodeCoseSign1, sigStructure } from "./cose.ts";

/** `{1: -8 (EdDSA), 3: 61 (application/cwt)}` */
const PROTECTED_HEADER: Uint8Array = encodeCbor(
  new Map([
    [1, -8],
    [3, 61],
  ]),
);

/**
 * A COSE_Sign1 over the claims.
 * @param sign Ed25519 over the given bytes: 64 bytes R ‖ S
 */
export function buildAirReceipt(claims: AirClaims, sign: (message: Uint8Array) => Uint8Array): Uint8Array {
  const payload = encodeAirClaims(claims);
  const signature = sign(sigStructure(PROTECTED_HEADER, payload));
  return encodeCoseSign1({ protectedHeader: PROTECTED_HEADER, unprotected: new Map(), payload, signature });
}
