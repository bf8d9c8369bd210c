/** Building DCAP quotes from named fields, by the same tables that the parser reads. */
import { concat, fromHex, sha256 } from "../../codec/index.ts";
import * as fields from "../parse/dcap-fields.ts";
import type { Field } from "../parse/dcap-fields.ts";

export type FieldValues = Readonly<Record<string, Uint8Array | number>>;

/** The bytes of a structure; fields not named are zero, integers little-endian. */
export function encodeFields(table: readonly Field[], values: FieldValues): Uint8Array {
  return concat(...table.map(({ name, byteLength }) => encodeField(values[name] ?? 0, byteLength)));
}

function encodeField(value: Uint8Array | number, byteLength: number): Uint8Array {
  const bytes = new Uint8Array(byteLength);
  if (typeof value === "number") {
    for (let i = 0, left = value; i < byteLength && left > 0; i++, left = Math.floor(left / 256))
      bytes[i] = left % 256;
  } else {
    if (value.length !== byteLength)
      throw new RangeError(`a field of ${byteLength} bytes got ${value.length}`);
    bytes.set(value);
  }
  return bytes;
}

export interface QuoteSigner {
  /** x ‖ y, 64 bytes. */
  readonly attestationKey: Uint8Array;
  /** ECDSA P-256 with SHA-256 by the attestation key: r ‖ s. */
  readonly sign: (message: Uint8Array) => Uint8Array;
  readonly qeReport: Uint8Array;
  readonly qeReportSignature: Uint8Array;
  readonly qeAuthData: Uint8Array;
  /** Certification data of the QE: its type and bytes, a PEM chain for type 5. */
  readonly certificationType: number;
  readonly certification: Uint8Array;
}

/** The digest that a QE report carries: of the attestation key and the QE's own data. */
export function qeReportData(attestationKey: Uint8Array, qeAuthData: Uint8Array): Uint8Array {
  return concat(sha256(attestationKey, qeAuthData), new Uint8Array(32));
}

export interface QuoteContent {
  readonly version: 3 | 4 | 5;
  readonly teeType: fields.TeeType;
  readonly header?: FieldValues;
  /** The encoded report: enclave report, TD 1.0 or TD 1.5. */
  readonly body: Uint8Array;
}

/** A whole signed quote of format 3, 4 or 5. */
export function buildQuote(content: QuoteContent, signer: QuoteSigner): Uint8Array {
  const header = encodeFields(fields.HEADER_FIELDS, {
    version: content.version,
    attestationKeyType: fields.ATTESTATION_KEY_P256,
    teeType: content.teeType,
    qeVendorId: fromHex(fields.INTEL_QE_VENDOR_ID),
    ...content.header,
  });
  const descriptor =
    content.version === 5
      ? encodeFields(fields.BODY_DESCRIPTOR_FIELDS, {
          bodyType: content.body.length === fields.TD15_BYTES ? fields.BODY_TYPE.td15 : fields.BODY_TYPE.td10,
          bodySize: content.body.length,
        })
      : new Uint8Array(0);
  const signedPart = concat(header, descriptor, content.body);
  const qePart = concat(
    encodeFields(fields.QE_FIELDS, {
      qeReport: signer.qeReport,
      qeReportSignature: signer.qeReportSignature,
      qeAuthDataLength: signer.qeAuthData.length,
    }),
    signer.qeAuthData,
    certification(signer.certificationType, signer.certification),
  );
  const wrapped = content.version === 3 ? qePart : certification(fields.CERTIFICATION.qeReport, qePart);
  const signature = encodeFields(fields.SIGNATURE_FIELDS, {
    signatureDataLength: 128 + wrapped.length,
    quoteSignature: signer.sign(signedPart),
    attestationKey: signer.attestationKey,
  });
  return concat(signedPart, signature, wrapped);
}

function certification(type: number, bytes: Uint8Array): Uint8Array {
  const header = encodeFields(fields.CERTIFICATION_FIELDS, {
    certificationType: type,
    certificationSize: bytes.length,
  });
  return concat(header, bytes);
}
