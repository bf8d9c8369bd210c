/** SubjectPublicKeyInfo of the key types that attestation uses. */
import { fromHex } from "../../codec/index.ts";

export type Curve = "p256" | "p384";

/** What stands before the uncompressed point in an elliptic-curve SubjectPublicKeyInfo (RFC 5480). */
export const SPKI_PREFIX: Readonly<Record<Curve, Uint8Array>> = {
  p256: fromHex("3059301306072a8648ce3d020106082a8648ce3d030107034200"),
  p384: fromHex("3076301006072a8648ce3d020106052b81040022036200"),
};
