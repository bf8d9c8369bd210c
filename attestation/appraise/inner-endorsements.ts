/** SEV-SNP certificates that evidence brings inside, joined with what came beside it. */
import { equal, toBase64 } from "../../codec/index.ts";
import { parseSnpEndorsements } from "../parse/sev-snp-endorsements.ts";

const DER_SEQUENCE = 0x30;
const MAX_TEXT_BYTES = 65_536;

function asText(bytes: Uint8Array): string {
  return bytes[0] === DER_SEQUENCE
    ? toBase64(bytes)
    : String.fromCharCode(...bytes.subarray(0, MAX_TEXT_BYTES));
}

/**
 * @param inner certificates in DER or PEM
 * @param beside SEV-SNP endorsements as JSON
 * @returns endorsements with every certificate once
 * @throws AttestationError `endorsements_malformed`
 */
export function joinedSnpEndorsements(inner: readonly Uint8Array[], beside: unknown): unknown {
  const outer = parseSnpEndorsements(beside);
  const { certificates } = parseSnpEndorsements({ certificates: inner.map(asText) });
  const unique: Uint8Array[] = [];
  for (const der of [...certificates, ...outer.certificates]) {
    if (!unique.some((known) => equal(known, der))) unique.push(der);
  }
  return { certificates: unique.map(toBase64), crls: outer.crls.map(toBase64) };
}
