/**
 * What comes beside NVIDIA evidence, as JSON: `{"certificates": […], "rims": […], "ocspResponses": […]}`. Certificates are
 * PEM (several blocks are read) or the base64 of one DER, the leaf first; a reference integrity manifest is its XML text;
 * an OCSP response is the base64 of its DER. Nothing here is trusted yet.
 */
import { CodecError, fromBase64 } from "../../codec/index.ts";
import { AttestationError } from "../error.ts";
import { DerError } from "../verify/der.ts";
import { parsePem } from "../verify/pem.ts";

export interface NvidiaEndorsements {
  /** DER, leaf first. */
  readonly certificates: readonly Uint8Array[];
  /** XML texts. */
  readonly rims: readonly string[];
  /** DER. */
  readonly ocspResponses: readonly Uint8Array[];
}

const MAX_TEXTS = 64;
const MAX_TEXT_LENGTH = 1 << 20;

function malformed(message: string): never {
  throw new AttestationError("endorsements_malformed", message);
}

function textsIn(members: ReadonlyMap<string, unknown>, name: string): readonly string[] {
  const list = members.get(name) ?? [];
  if (!Array.isArray(list) || list.length > MAX_TEXTS)
    malformed(`${name} is not a list of at most ${MAX_TEXTS}`);
  return list.map((text: unknown) => {
    if (typeof text !== "string" || text.length > MAX_TEXT_LENGTH)
      malformed(`${name} holds what is no text, or too long`);
    return text;
  });
}

function certificatesIn(text: string): readonly Uint8Array[] {
  return text.trimStart().startsWith("-----") ? parsePem(text.trimStart()) : [fromBase64(text)];
}

/**
 * Endorsements from parsed JSON; members that are not of it are left out.
 * @throws AttestationError `endorsements_malformed`
 */
export function parseNvidiaEndorsements(value: unknown): NvidiaEndorsements {
  if (value === undefined || value === null) return { certificates: [], rims: [], ocspResponses: [] };
  if (typeof value !== "object" || Array.isArray(value)) malformed("endorsements are not an object");
  const members = new Map<string, unknown>(Object.entries(value));
  try {
    return {
      certificates: textsIn(members, "certificates").flatMap(certificatesIn),
      rims: textsIn(members, "rims"),
      ocspResponses: textsIn(members, "ocspResponses").map(fromBase64),
    };
  } catch (error) {
    if (error instanceof CodecError || error instanceof DerError) malformed(error.message);
    throw error;
  }
}
