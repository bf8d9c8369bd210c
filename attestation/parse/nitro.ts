/**
 * AWS Nitro attestation documents: a COSE_Sign1 around a CBOR map (AWS, "Nitro Enclaves Attestation Process",
 * sections 2.2, 3.1 and 3.2.2). Nothing returned here is trusted yet: `verify/nitro.ts` checks signature and chain.
 *
 * Two divergences from that text. It says that no field may be null, yet the hypervisor writes null for an optional
 * field that was not asked for: null there means absent. It bounds user_data and nonce by 1024 bytes in one section
 * and by 512 in another: 1024 is what is enforced.
 */
import {
  CborError,
  CodecError,
  decodeCbor,
  fromHex,
  fromUtf8,
  type CborMap,
  type CborValue,
} from "../../codec/index.ts";
import { AttestationError } from "../error.ts";
import { DerError, DerReader, TAG } from "../verify/der.ts";
import { parsePem } from "../verify/pem.ts";
import { parseCertificate, X509Error } from "../verify/x509.ts";
import { parseCoseSign1, type CoseSign1 } from "./cose.ts";

export interface NitroDocument {
  readonly cose: CoseSign1;
  readonly moduleId: string;
  /** When the hypervisor made the document, by its own clock: milliseconds since 1970. */
  readonly timestampMs: number;
  readonly digest: "SHA384";
  /** Locked PCRs by index 0 to 31; 32, 48 or 64 bytes each. */
  readonly pcrs: ReadonlyMap<number, Uint8Array>;
  /** Certificate of the key that signed, DER, at most 1024 bytes. */
  readonly certificate: Uint8Array;
  /** Its authorities, root first, DER. */
  readonly cabundle: readonly Uint8Array[];
  readonly publicKey: Uint8Array | undefined;
  readonly userData: Uint8Array | undefined;
  readonly nonce: Uint8Array | undefined;
}

type NitroFieldType = "text" | "integer" | "pcrs" | "bytes" | "certificates";

export interface NitroField {
  readonly name: string;
  readonly type: NitroFieldType;
  readonly optional: boolean;
  /** Bounds of the value's length in bytes (of each certificate's, in a list of them). */
  readonly byteLengths: readonly [number, number];
}

/** The fields that a document may have; no others. */
export const NITRO_FIELDS = [
  { name: "module_id", type: "text", optional: false, byteLengths: [1, 1024] },
  { name: "timestamp", type: "integer", optional: false, byteLengths: [1, 8] },
  { name: "digest", type: "text", optional: false, byteLengths: [6, 6] },
  { name: "pcrs", type: "pcrs", optional: false, byteLengths: [32, 64] },
  { name: "certificate", type: "bytes", optional: false, byteLengths: [1, 1024] },
  { name: "cabundle", type: "certificates", optional: false, byteLengths: [1, 1024] },
  { name: "public_key", type: "bytes", optional: true, byteLengths: [1, 1024] },
  { name: "user_data", type: "bytes", optional: true, byteLengths: [0, 1024] },
  { name: "nonce", type: "bytes", optional: true, byteLengths: [0, 1024] },
] as const satisfies readonly NitroField[];

type FieldName = (typeof NITRO_FIELDS)[number]["name"];

/** Root, and at most four authorities between it and the signer. */
const MAX_CABUNDLE = 5;
const MAX_PCR_INDEX = 31;
const YEAR_10000_MS = 253_402_300_800_000;

function malformed(message: string): never {
  throw new AttestationError("document_malformed", message);
}

function boundedBytes(name: FieldName, value: CborValue | undefined): Uint8Array {
  const [least, most] = NITRO_FIELDS.find((field) => field.name === name)!.byteLengths;
  if (!(value instanceof Uint8Array)) malformed(`${name} is not a byte string`);
  if (value.length < least || value.length > most) malformed(`${name} is not of ${least} to ${most} bytes`);
  return value;
}

function optionalBytes(map: CborMap, name: FieldName): Uint8Array | undefined {
  const value = map.get(name) ?? null;
  return value === null ? undefined : boundedBytes(name, value);
}

function readPcrs(value: CborValue | undefined): Map<number, Uint8Array> {
  if (!(value instanceof Map) || value.size === 0 || value.size > MAX_PCR_INDEX + 1) {
    malformed("pcrs is not a map of 1 to 32 registers");
  }
  const pcrs = new Map<number, Uint8Array>();
  for (const [index, register] of value) {
    if (typeof index !== "number" || index < 0 || index > MAX_PCR_INDEX)
      malformed("a PCR index is not 0 to 31");
    if (!(register instanceof Uint8Array) || ![32, 48, 64].includes(register.length)) {
      malformed("a PCR is not of 32, 48 or 64 bytes");
    }
    pcrs.set(index, register);
  }
  return pcrs;
}

function readText(map: CborMap): Pick<NitroDocument, "moduleId" | "timestampMs" | "digest"> {
  const moduleId = map.get("module_id");
  const timestampMs = map.get("timestamp");
  if (typeof moduleId !== "string" || moduleId.length === 0 || moduleId.length > 1024) {
    malformed("module_id is not a text of 1 to 1024 characters");
  }
  if (typeof timestampMs !== "number" || timestampMs <= 0 || timestampMs >= YEAR_10000_MS) {
    malformed("timestamp is not in milliseconds after 1970 and before the year 10000");
  }
  if (map.get("digest") !== "SHA384") malformed("digest is not SHA384");
  return { moduleId, timestampMs, digest: "SHA384" };
}

function readDocument(cose: CoseSign1): NitroDocument {
  const map = decodeCbor(cose.payload, { maxBytes: 16_384, maxDepth: 2, maxItems: 256 });
  if (!(map instanceof Map)) malformed("the document is not a map");
  const names = new Set<unknown>(NITRO_FIELDS.map(({ name }) => name));
  for (const key of map.keys()) if (!names.has(key)) malformed("the document has an unknown field");
  const cabundle = map.get("cabundle");
  if (!Array.isArray(cabundle) || cabundle.length === 0 || cabundle.length > MAX_CABUNDLE) {
    malformed(`cabundle is not a list of 1 to ${MAX_CABUNDLE} certificates`);
  }
  return {
    cose,
    ...readText(map),
    pcrs: readPcrs(map.get("pcrs")),
    certificate: boundedBytes("certificate", map.get("certificate")),
    cabundle: cabundle.map((entry) => boundedBytes("cabundle", entry)),
    publicKey: optionalBytes(map, "public_key"),
    userData: optionalBytes(map, "user_data"),
    nonce: optionalBytes(map, "nonce"),
  };
}

/**
 * One attestation document, COSE_Sign1 tagged or not.
 * @throws AttestationError `document_malformed`
 */
export function parseNitroDocument(bytes: Uint8Array): NitroDocument {
  try {
    return readDocument(parseCoseSign1(bytes));
  } catch (error) {
    if (error instanceof CborError) throw new AttestationError("document_malformed", error.message);
    throw error;
  }
}

const OID_SUBJECT_ALTERNATIVE_NAME = "2.5.29.17";
const TAG_DNS_NAME = TAG.implicit(2);
/** The longest document in hex. */
const MAX_LABEL_LENGTH = 2 * 17_000;

/** A document that a subject alternative name carries as its first label, in hex; undefined where it carries none. */
function documentOfName(name: Uint8Array): Uint8Array | undefined {
  const end = name.indexOf(0x2e);
  const label = name.subarray(0, end < 0 ? name.length : end);
  // 84 is COSE_Sign1's array of four, d2 its tag; shorter labels are ordinary host names.
  if (label.length < 512 || label.length > MAX_LABEL_LENGTH) return undefined;
  try {
    const bytes = fromHex(fromUtf8(label));
    return bytes[0] === 0x84 || bytes[0] === 0xd2 ? bytes : undefined;
  } catch (error) {
    if (error instanceof CodecError) return undefined;
    throw error;
  }
}

function documentsInNames(alternativeNames: Uint8Array): Uint8Array[] {
  const list = new DerReader(alternativeNames).enter();
  const documents: Uint8Array[] = [];
  while (!list.done) {
    const name = list.any();
    const document = name.tag === TAG_DNS_NAME ? documentOfName(list.contentOf(name)) : undefined;
    if (document !== undefined) documents.push(document);
  }
  return documents;
}

/**
 * The attestation document that a TLS certificate carries (as Evervault's do): the first label, in hex, of a dNSName.
 * The certificate is only an envelope here; its own signature, dates and key are not looked at.
 * @throws AttestationError `document_malformed` where the certificate carries none, or more than one
 */
export function nitroDocumentOfCertificate(der: Uint8Array): Uint8Array {
  try {
    const { extensions } = parseCertificate(der);
    const names = extensions.find(({ oid }) => oid === OID_SUBJECT_ALTERNATIVE_NAME);
    const documents = names === undefined ? [] : documentsInNames(names.value);
    if (documents.length !== 1)
      malformed(`the certificate carries ${documents.length} attestation documents`);
    return documents[0]!;
  } catch (error) {
    if (error instanceof X509Error || error instanceof DerError) malformed(error.message);
    throw error;
  }
}

/**
 * The document in what was handed over: itself, or the first certificate in DER or PEM that carries it.
 * @throws AttestationError `document_malformed`
 */
export function nitroDocumentBytes(evidence: Uint8Array): { bytes: Uint8Array; inCertificate: boolean } {
  if (evidence[0] === 0x30) return { bytes: nitroDocumentOfCertificate(evidence), inCertificate: true };
  if (evidence[0] !== 0x2d || evidence.length > 131_072) return { bytes: evidence, inCertificate: false };
  try {
    const first = parsePem(fromUtf8(evidence))[0]!;
    return { bytes: nitroDocumentOfCertificate(first), inCertificate: true };
  } catch (error) {
    if (error instanceof DerError || error instanceof CodecError) malformed(error.message);
    throw error;
  }
}
