/**
 * The certificates and CRLs that come with an SEV-SNP report, as JSON: `{"certificates": […], "crls": […]}`, each
 * member a list of texts, a text either PEM (several blocks are read) or the base64 of one DER. Among the
 * certificates must be the VCEK or VLEK; its authorities may be left out where they are AMD's pinned ones. Nothing
 * here is trusted yet.
 */
import { CodecError, fromBase64 } from "../../codec/index.ts";
import { AttestationError } from "../error.ts";
import { DerError } from "../verify/der.ts";
import { parsePem } from "../verify/pem.ts";

export interface SnpEndorsements {
  /** DER. */
  readonly certificates: readonly Uint8Array[];
  /** DER. */
  readonly crls: readonly Uint8Array[];
}

const MAX_TEXTS = 16;
const MAX_TEXT_LENGTH = 1_400_000;

function malformed(message: string): never {
  throw new AttestationError("endorsements_malformed", message);
}

function readText(text: unknown, label: string): Uint8Array[] {
  if (typeof text !== "string" || text.length > MAX_TEXT_LENGTH)
    malformed(`a ${label} is not a text, or too long`);
  return text.trimStart().startsWith("-----") ? parsePem(text, label) : [fromBase64(text)];
}

function readList(value: unknown, label: string): Uint8Array[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value) || value.length > MAX_TEXTS)
    malformed(`not a list of at most ${MAX_TEXTS}: ${label}`);
  return value.flatMap((text: unknown) => readText(text, label));
}

/**
 * Endorsements from parsed JSON; members that are not of it are left out.
 * @throws AttestationError `endorsements_malformed`
 */
export function parseSnpEndorsements(value: unknown): SnpEndorsements {
  if (value === undefined || value === null) return { certificates: [], crls: [] };
  if (typeof value !== "object" || Array.isArray(value)) malformed("endorsements are not an object");
  const member = (name: string): unknown =>
    Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined;
  try {
    return {
      certificates: readList(member("certificates"), "CERTIFICATE"),
      crls: readList(member("crls"), "X509 CRL"),
    };
  } catch (error) {
    if (error instanceof CodecError || error instanceof DerError) malformed(error.message);
    throw error;
  }
}
