/**
 * A model's signature as a Sigstore bundle (v0.3) with a public key: a DSSE envelope (v1.0.2) around the statement, signed
 * with ECDSA on P-256 (SHA-256), P-384 (SHA-384) or P-521 (SHA-512). No transparency log is asked: who trusts the key
 * trusts the signature. PyPI `model-signing` reads and writes the same.
 */
import { createHash, createPrivateKey, createPublicKey, sign, verify, type KeyObject } from "node:crypto";
import { z } from "zod";
import { CodecError, fromBase64, fromUtf8, toBase64, utf8 } from "../../codec/index.ts";
import { ModelError } from "../errors.ts";
import { malformed, parseJson } from "./statement.ts";

const MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json";
const PAYLOAD_TYPE = "application/vnd.in-toto+json";
const HASHES: Record<string, string> = { prime256v1: "sha256", secp384r1: "sha384", secp521r1: "sha512" };

/** Largest signature file that is read, in bytes. */
export const MAX_BUNDLE_BYTES = 32 * 1024 * 1024;

const base64 = z.string().max(MAX_BUNDLE_BYTES);
const bundleSchema = z.object({
  mediaType: z.literal(MEDIA_TYPE),
  verificationMaterial: z.object({
    publicKey: z.object({ hint: z.string().regex(/^[0-9a-f]{64}$/) }),
    tlogEntries: z.array(z.unknown()).max(0).optional(),
  }),
  dsseEnvelope: z.object({
    payload: base64,
    payloadType: z.literal(PAYLOAD_TYPE),
    signatures: z.tuple([z.object({ sig: base64, keyid: z.string().max(256).optional() })]),
  }),
});

/** A key that a model may be signed with. */
export interface ModelSigner {
  /** SHA-256 of the public key's PEM text, 64 hex digits: how a bundle names it. */
  hint: string;
  key: KeyObject;
}

/** @throws ModelError `model_key_invalid` where the PEM holds no public key on P-256, P-384 or P-521 */
export function readModelSigner(pem: string): ModelSigner {
  const key = readKey(() => createPublicKey(pem));
  return { hint: hintOf(key), key };
}

/** @throws ModelError `model_key_invalid` */
export function signStatement(statement: string, privateKeyPem: string): string {
  const key = readKey(() => createPrivateKey(privateKeyPem));
  const payload = utf8(statement);
  return JSON.stringify({
    mediaType: MEDIA_TYPE,
    verificationMaterial: { publicKey: { hint: hintOf(createPublicKey(key)) }, tlogEntries: [] },
    dsseEnvelope: {
      payload: toBase64(payload),
      payloadType: PAYLOAD_TYPE,
      signatures: [{ sig: toBase64(sign(hashFor(key), preAuthentication(payload), key)), keyid: "" }],
    },
  });
}

/**
 * The statement of a bundle, once one of the keys is found to have signed it. What the statement says is not yet held
 * against any file.
 * @throws ModelError `model_signature_malformed`, `model_signer_unknown`, `model_signature_invalid`
 */
export function verifyBundle(
  text: string,
  signers: readonly ModelSigner[],
): { statement: string; signer: ModelSigner } {
  const result = bundleSchema.safeParse(parseJson(text));
  if (!result.success) throw malformed("not a Sigstore bundle v0.3 with a public key and one signature");
  const { verificationMaterial, dsseEnvelope } = result.data;
  const { hint } = verificationMaterial.publicKey;
  const signer = signers.find((candidate) => candidate.hint === hint);
  if (!signer) throw new ModelError("model_signer_unknown", `signed by a key that is not accepted: ${hint}`);
  const payload = decode(dsseEnvelope.payload);
  const signature = decode(dsseEnvelope.signatures[0].sig);
  if (!verify(hashFor(signer.key), preAuthentication(payload), signer.key, signature))
    throw new ModelError("model_signature_invalid", "the signature is not of this statement by that key");
  try {
    return { statement: fromUtf8(payload), signer };
  } catch (cause) {
    throw malformed("the signed statement is not UTF-8", cause);
  }
}

/** DSSE's pre-authentication encoding. */
function preAuthentication(payload: Uint8Array): Uint8Array {
  const head = utf8(`DSSEv1 ${PAYLOAD_TYPE.length} ${PAYLOAD_TYPE} ${payload.length} `);
  return Buffer.concat([head, payload]);
}

function decode(text: string): Uint8Array {
  try {
    return fromBase64(text);
  } catch (cause) {
    if (cause instanceof CodecError) throw malformed("not base64", cause);
    throw cause;
  }
}

function readKey(read: () => KeyObject): KeyObject {
  let key: KeyObject;
  try {
    key = read();
  } catch (cause) {
    throw new ModelError("model_key_invalid", "not a key in PEM without a password", { cause });
  }
  hashFor(key);
  return key;
}

function hashFor(key: KeyObject): string {
  const hash = HASHES[key.asymmetricKeyDetails?.namedCurve ?? ""];
  if (key.asymmetricKeyType !== "ec" || !hash)
    throw new ModelError("model_key_invalid", "models are signed with keys on P-256, P-384 or P-521");
  return hash;
}

function hintOf(key: KeyObject): string {
  return createHash("sha256")
    .update(key.export({ type: "spki", format: "pem" }))
    .digest("hex");
}
