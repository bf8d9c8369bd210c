/**
 * The attested keyset: an ACI workload keyset (aci/1 section 3.1) with one more member, `affidavit`, that JCS sorts
 * first, so that a contract handed the whole text can check its SHA-256 and read receipt address and expiry at fixed places:
 *
 *   {"affidavit":{"a":"0x<40 hex: receipt address>","b":"<16 hex: not_after, seconds>"…
 */
import { equal, jcs, sha256, toHex, toHex0x, utf8 } from "../codec/index.ts";
import type { Json } from "../codec/index.ts";
import { ReceiptError } from "./error.ts";
import { aciKeyId } from "./projections/aci.ts";
import { Shape } from "./shape.ts";
import { addressOf } from "./signature.ts";

/** Who holds a private key: the vault (the attested security module) or the service beside it. */
export type Custody = "vault" | "service";

export interface EncryptionKey {
  algo: string;
  keyId: string;
  /** Lower-case hex. */
  publicKey: string;
}

export interface TlsKey {
  /** SHA-256 of the certificate's SubjectPublicKeyInfo, 32 bytes. */
  spkiSha256: Uint8Array;
  /** null: for any name. */
  domain: string | null;
  custody: Custody;
}

/** What makes evidence, as the workload says it. */
export interface AttesterClaim {
  type: string;
  name: string;
  simulated: boolean;
}

export interface KeysetAttester extends AttesterClaim {
  /** Where evidence of GPUs comes with each quote: a verifier then refuses evidence without it. */
  gpu?: AttesterClaim | undefined;
}

export interface KeysetParams {
  /** secp256k1, compressed, 33 bytes: signs statements. */
  receiptPublicKey: Uint8Array;
  /** Ed25519, 32 bytes: signs ACI receipts and the dstack text. */
  aciPublicKey: Uint8Array;
  /** Ed25519, 32 bytes: signs AIR receipts and nothing else, as AIR asks. */
  airPublicKey: Uint8Array;
  /** Unix time in seconds. */
  notAfterSeconds: number;
  subject: string | null;
  encryptionKeys: EncryptionKey[];
  tlsKeys: TlsKey[];
  /** The log's origin and its Ed25519 key, 32 bytes. */
  log: { origin: string; publicKey: Uint8Array };
  /** Counts generations of cluster keys, from 1. */
  epoch: number;
  /** SHA-256 of each FHE public key, 32 bytes. */
  fhePublicKeyDigests: Uint8Array[];
  /** Measurements the workload claims, by name, as bytes; what the evidence shows decides. */
  measurements: Record<string, Uint8Array>;
  /** Claimed as well: the evidence says what it is. */
  attester: KeysetAttester;
}

export interface KeysetDocument extends KeysetParams {
  /** 20 bytes, equal to the address of `receiptPublicKey`. */
  receiptAddress: Uint8Array;
}

export const MAX_KEYSET_LENGTH = 65_536;
/** The last second of year 9999. */
const MAX_SECONDS = 253_402_300_799;
const FORMAT = 1;
const shape: Shape = new Shape("keyset_invalid");

function hex16(value: number): string {
  return value.toString(16).padStart(16, "0");
}

function prefixOf(address: Uint8Array, notAfterSeconds: number): string {
  return `{"affidavit":{"a":"${toHex0x(address)}","b":"${hex16(notAfterSeconds)}"`;
}

/**
 * The keyset's exact JCS text, checked by parsing it again.
 * @throws ReceiptError `keyset_invalid`, `signature_invalid` where the receipt key is no point of the curve
 */
export function buildKeyset(params: KeysetParams): string {
  const document: Json = {
    affidavit: {
      a: toHex0x(addressOf(params.receiptPublicKey)),
      b: hex16(params.notAfterSeconds),
      epoch: params.epoch,
      fhe_public_key_digests: params.fhePublicKeyDigests.map(toHex),
      format: FORMAT,
      log: { origin: params.log.origin, public_key: toHex(params.log.publicKey) },
      measurements: Object.fromEntries(
        Object.entries(params.measurements).map(([name, value]) => [name, toHex(value)]),
      ),
      receipt_air_key: toHex(params.airPublicKey),
      receipt_public_key: toHex(params.receiptPublicKey),
      tee: {
        ...(params.attester.gpu && { gpu: attesterToJson(params.attester.gpu) }),
        ...attesterToJson(params.attester),
      },
    },
    e2ee_public_keys: params.encryptionKeys.map((key) => ({
      algo: key.algo,
      key_id: key.keyId,
      public_key: key.publicKey,
    })),
    not_after: params.notAfterSeconds,
    receipt_signing_keys: [
      { algo: "ed25519", key_id: aciKeyId(params.aciPublicKey), public_key: toHex(params.aciPublicKey) },
    ],
    subject: params.subject,
    tls_public_keys: params.tlsKeys.map((key) => ({
      custody: key.custody,
      ...(key.domain === null ? {} : { domain: key.domain }),
      spki_sha256: toHex(key.spkiSha256),
    })),
  };
  const text = jcs(document);
  parseKeyset(text);
  return text;
}

function attesterToJson({ name, simulated, type }: AttesterClaim): { [member: string]: Json } {
  return { name, simulated, type };
}

function readAttester(value: unknown, path: string): AttesterClaim {
  const tee = shape.object(value, ["name", "simulated", "type"], path);
  return {
    type: shape.token(tee.type, 32, `${path}.type`),
    name: shape.token(tee.name, 64, `${path}.name`),
    simulated: shape.boolean(tee.simulated, `${path}.simulated`),
  };
}

/** The TEE's claim, and within it its GPUs'. */
function readTee(value: unknown): KeysetAttester {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, "gpu")) {
    return readAttester(value, "affidavit.tee");
  }
  const { gpu, ...tee } = value as Record<string, unknown>;
  return { ...readAttester(tee, "affidavit.tee"), gpu: readAttester(gpu, "affidavit.tee.gpu") };
}

function readEncryptionKey(value: unknown, path: string): EncryptionKey {
  const key = shape.object(value, ["algo", "key_id", "public_key"], path);
  const publicKey = shape.text(key.public_key, 8192, `${path}.public_key`);
  if (publicKey.length === 0 || !/^[0-9a-f]+$/.test(publicKey))
    shape.fail(path, "public_key is not lower-case hex");
  return {
    algo: shape.token(key.algo, 64, `${path}.algo`),
    keyId: shape.token(key.key_id, 64, `${path}.key_id`),
    publicKey,
  };
}

function readTlsKey(value: unknown, path: string): TlsKey {
  const named = typeof value === "object" && value !== null && Object.hasOwn(value, "domain");
  const key: Record<string, unknown> = shape.object(
    value,
    named ? ["custody", "domain", "spki_sha256"] : ["custody", "spki_sha256"],
    path,
  );
  if (key.custody !== "vault" && key.custody !== "service")
    shape.fail(path, "custody is neither vault nor service");
  return {
    spkiSha256: shape.hex(key.spki_sha256, 32, `${path}.spki_sha256`, ""),
    domain: named ? shape.token(key.domain, 253, `${path}.domain`) : null,
    custody: key.custody,
  };
}

function readMeasurements(value: unknown): Record<string, Uint8Array> {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    shape.fail("measurements", "not an object");
  const entries = Object.entries(value);
  if (entries.length > 32) shape.fail("measurements", "more than 32");
  const read = entries.map(([name, digits]): [string, Uint8Array] => {
    if (!/^[a-z][a-z0-9_]{0,31}$/.test(name))
      shape.fail("measurements", "a name is not of the form [a-z][a-z0-9_]*");
    const text = shape.text(digits, 128, "measurements");
    return [name, shape.hex(text, text.length >> 1, "measurements", "")];
  });
  return Object.fromEntries(read);
}

const AFFIDAVIT_MEMBERS = [
  "a",
  "b",
  "epoch",
  "fhe_public_key_digests",
  "format",
  "log",
  "measurements",
  "receipt_air_key",
  "receipt_public_key",
  "tee",
] as const;

function readAffidavit(value: unknown) {
  const own = shape.object(value, AFFIDAVIT_MEMBERS, "affidavit");
  if (own.format !== FORMAT)
    throw new ReceiptError("format_version_unknown", "affidavit.format: unknown keyset format");
  const log = shape.object(own.log, ["origin", "public_key"], "affidavit.log");
  return {
    receiptAddress: shape.hex(own.a, 20, "affidavit.a"),
    epoch: shape.integer(own.epoch, 1, 2 ** 31 - 1, "affidavit.epoch"),
    fhePublicKeyDigests: shape
      .list(own.fhe_public_key_digests, 16, "affidavit.fhe_public_key_digests")
      .map((digest) => shape.hex(digest, 32, "affidavit.fhe_public_key_digests", "")),
    log: {
      origin: shape.token(log.origin, 255, "affidavit.log.origin"),
      publicKey: shape.hex(log.public_key, 32, "affidavit.log.public_key", ""),
    },
    measurements: readMeasurements(own.measurements),
    airPublicKey: shape.hex(own.receipt_air_key, 32, "affidavit.receipt_air_key", ""),
    receiptPublicKey: shape.hex(own.receipt_public_key, 33, "affidavit.receipt_public_key", ""),
    attester: readTee(own.tee),
  };
}

const MEMBERS = [
  "affidavit",
  "e2ee_public_keys",
  "not_after",
  "receipt_signing_keys",
  "subject",
  "tls_public_keys",
] as const;

function readAciKey(value: unknown): Uint8Array {
  const [entry, ...others] = shape.list(value, 1, "receipt_signing_keys");
  if (entry === undefined || others.length > 0) shape.fail("receipt_signing_keys", "not one key");
  const key = shape.object(entry, ["algo", "key_id", "public_key"], "receipt_signing_keys");
  if (key.algo !== "ed25519") shape.fail("receipt_signing_keys", "algo is not ed25519");
  const publicKey = shape.hex(key.public_key, 32, "receipt_signing_keys.public_key", "");
  if (key.key_id !== aciKeyId(publicKey)) shape.fail("receipt_signing_keys", "key_id is not the key's");
  return publicKey;
}

/**
 * Keyset text to its parts. Says nothing of who attested it: compare `keysetDigest` with the evidence.
 * @throws ReceiptError `keyset_invalid`, `keyset_not_canonical` (another text of the same document),
 *   `keyset_prefix_mismatch` (address or expiry at the fixed places are not the keyset's), `format_version_unknown`
 */
export function parseKeyset(text: string): KeysetDocument {
  const document = shape.json(text, MAX_KEYSET_LENGTH);
  const root = shape.object(document, MEMBERS, "keyset");
  const own = readAffidavit(root.affidavit);
  const keyset: KeysetDocument = {
    ...own,
    aciPublicKey: readAciKey(root.receipt_signing_keys),
    notAfterSeconds: shape.integer(root.not_after, 1, MAX_SECONDS, "not_after"),
    subject: root.subject === null ? null : shape.token(root.subject, 256, "subject"),
    encryptionKeys: shape
      .list(root.e2ee_public_keys, 16, "e2ee_public_keys")
      .map((key, i) => readEncryptionKey(key, `e2ee_public_keys[${i}]`)),
    tlsKeys: shape
      .list(root.tls_public_keys, 16, "tls_public_keys")
      .map((key, i) => readTlsKey(key, `tls_public_keys[${i}]`)),
  };
  // Members were checked to be known and shallow first, so that canonicalisation cannot be sent into deep recursion.
  if (jcs(document as Json) !== text)
    throw new ReceiptError("keyset_not_canonical", "the text is not its own JCS form");
  let address: Uint8Array;
  try {
    address = addressOf(keyset.receiptPublicKey);
  } catch (cause) {
    throw new ReceiptError("keyset_invalid", "affidavit.receipt_public_key: not a point of the curve", {
      cause,
    });
  }
  if (!equal(address, keyset.receiptAddress) || !text.startsWith(prefixOf(address, keyset.notAfterSeconds))) {
    throw new ReceiptError(
      "keyset_prefix_mismatch",
      "address or expiry at the start are not the keyset's own",
    );
  }
  return keyset;
}

/** sha256 of the exact text: 32 bytes. For an ACI keyset, of its JCS text. */
export function keysetDigest(text: string): Uint8Array {
  return sha256(utf8(text));
}
