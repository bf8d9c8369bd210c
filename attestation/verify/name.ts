/** Distinguished names (RFC 5280 section 4.1.2.4), as far as attestation reads them. */
import { CodecError, fromUtf8 } from "../../codec/index.ts";
import { DerError, DerReader, TAG } from "./der.ts";
import { X509Error } from "./x509.ts";

const OID_COMMON_NAME = "2.5.4.3";
const TAG_PRINTABLE_STRING = 0x13;
const MAX_ATTRIBUTES = 32;

function readCommonNames(name: Uint8Array): string[] {
  const outer = new DerReader(name);
  const sequence = outer.enter();
  outer.finish();
  const names: string[] = [];
  for (let count = 0; !sequence.done; count++) {
    if (count === MAX_ATTRIBUTES) throw new DerError("der_value", "a name has too many attributes");
    const attribute = sequence.enter(TAG.set).enter();
    const oid = attribute.oid();
    const value = attribute.any();
    attribute.finish();
    if (oid !== OID_COMMON_NAME) continue;
    if (value.tag !== TAG.utf8String && value.tag !== TAG_PRINTABLE_STRING) {
      throw new DerError("der_tag", "a common name is not a UTF8String or PrintableString");
    }
    names.push(fromUtf8(attribute.contentOf(value)));
  }
  return names;
}

/**
 * The common names in a Name, in order; UTF8String and PrintableString are read, other string types refused.
 * @throws X509Error `certificate_malformed`
 */
export function commonNames(name: Uint8Array): string[] {
  try {
    return readCommonNames(name);
  } catch (error) {
    if (error instanceof DerError || error instanceof CodecError) {
      throw new X509Error("certificate_malformed", error.message);
    }
    throw error;
  }
}
