/**
 * Signed sets of reference values: a JSON text and an ECDSA P-256 signature with SHA-256 over the text behind a
 * prefix, so that a signature made for another purpose never counts. The set is worth what its signer is worth: a
 * policy names the signers.
 */
import { verifyEcdsa } from "#p256";
import { z } from "zod";
import { equal, utf8 } from "../../codec/index.ts";
import { AttestationError } from "../error.ts";
import { SPKI_PREFIX } from "../verify/spki.ts";
import { nitroMeasurement } from "./nitro-policy.ts";
import { base64, isoSeconds, sgxMeasurement, tdxMeasurement } from "./policy-values.ts";
import { snpMeasurement } from "./sev-snp-policy.ts";

/** What stands before the text in the signed message. */
export const REFERENCE_VALUES_PREFIX = "affidavit.reference-values.v1\n";

export const signedReferenceValues = z.strictObject({
  text: z.string().max(1 << 20),
  /** r ‖ s, 64 bytes. */
  signature: base64(64),
  /** SubjectPublicKeyInfo of the signer, which the policy must name. */
  signer: base64(256),
});
export type SignedReferenceValues = z.output<typeof signedReferenceValues>;

const referenceValueSet = z.strictObject({
  formatVersion: z.literal(1),
  /** What the measurements are of, for people. */
  subject: z.string().max(256),
  validFrom: isoSeconds,
  validUntil: isoSeconds,
  measurements: z.strictObject({
    tdx: z.array(tdxMeasurement).max(256).default([]),
    sgx: z.array(sgxMeasurement).max(256).default([]),
    sevSnp: z.array(snpMeasurement).max(256).default([]),
    nitro: z.array(nitroMeasurement).max(256).default([]),
  }),
});
export type ReferenceValueSet = z.output<typeof referenceValueSet>;

/** Sets whose signatures held: policies are parsed once and used often. Dates are checked each time. */
const verifiedSets = new WeakMap<SignedReferenceValues, ReferenceValueSet>();

function verifySignature({ text, signature, signer }: SignedReferenceValues): void {
  const prefix = SPKI_PREFIX.p256;
  const isP256 = signer.length === prefix.length + 65 && equal(signer.subarray(0, prefix.length), prefix);
  const message = utf8(REFERENCE_VALUES_PREFIX + text);
  if (!isP256 || !verifyEcdsa("p256", signer.subarray(prefix.length), message, signature)) {
    throw new AttestationError(
      "reference_values_signature_invalid",
      "reference values are not signed by their signer",
    );
  }
}

function parseSet(text: string): ReferenceValueSet {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new AttestationError("reference_values_malformed", "reference values are not JSON");
  }
  const result = referenceValueSet.safeParse(value);
  if (result.success) return result.data;
  const where = result.error.issues[0]?.path.join(".") ?? "";
  throw new AttestationError("reference_values_malformed", `reference values are not valid: ${where}`);
}

/**
 * A signed set, in date, by one of the signers.
 * @throws AttestationError `reference_values_signature_invalid`, `reference_values_malformed`, `reference_values_expired`
 */
export function verifyReferenceValues(
  signed: SignedReferenceValues,
  signers: readonly Uint8Array[],
  nowSeconds: number,
): ReferenceValueSet {
  if (!signers.some((signer) => equal(signer, signed.signer))) {
    throw new AttestationError("reference_values_signature_invalid", "the policy does not name the signer");
  }
  let set = verifiedSets.get(signed);
  if (set === undefined) {
    verifySignature(signed);
    set = parseSet(signed.text);
    verifiedSets.set(signed, set);
  }
  if (nowSeconds < set.validFrom || nowSeconds > set.validUntil) {
    throw new AttestationError("reference_values_expired", "reference values are not in date");
  }
  return set;
}
