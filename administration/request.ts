/**
 * An administrator's request: an HTTP request whose method, path and body are signed as an EIP-712 struct in the statements' domain,
 * for one service, for a short time, once. Specification: docs/spec/administration.md. Browser-safe.
 */
import {
  BalanceError,
  checkOwnerSignature,
  ownerToText,
  parseOwner,
  structDigest,
  type Owner,
  type OwnerSigner,
  type StructOf,
} from "../balances/client.ts";
import { fromHex, sha256, toHex0x } from "../codec/index.ts";
import { AdminError } from "./error.ts";

export const ADMIN_REQUEST = [
  { name: "audience", type: "string" },
  { name: "method", type: "string" },
  { name: "path", type: "string" },
  { name: "bodyDigest", type: "bytes32" },
  { name: "nonce", type: "bytes32" },
  { name: "expiresAtMs", type: "uint64" },
] as const;

/**
 * `audience` is the origin of the service's log, `path` with its query as sent, `bodyDigest` the SHA-256 of the body's bytes (of
 * none, where there is none), `nonce` 32 random bytes.
 */
export type AdminRequest = StructOf<typeof ADMIN_REQUEST>;

/** A signature is good for so long before it ends, in milliseconds: what a clock may be wrong by, too. */
export const MAX_ADMIN_VALIDITY_MS = 120_000;

const HEADERS = {
  key: "affidavit-admin-key",
  nonce: "affidavit-admin-nonce",
  expires: "affidavit-admin-expires",
  signature: "affidavit-admin-signature",
} as const;

/** As it came: nothing of it is verified. */
export interface SignedAdminRequest {
  request: AdminRequest;
  signer: Owner;
  /** secp256k1: 65 bytes r ‖ s ‖ v; Ed25519: 64 bytes. */
  signature: Uint8Array;
}

/** The EIP-712 digest, 32 bytes. */
export function adminRequestDigest(request: AdminRequest): Uint8Array {
  return structDigest("AdminRequest", ADMIN_REQUEST, request, "request_invalid");
}

export interface SentRequest {
  audience: string;
  method: string;
  path: string;
  body: Uint8Array;
}

/** The headers that sign a request. @param nonce 32 random bytes */
export async function signAdminRequest(
  signer: OwnerSigner,
  { body, ...sent }: SentRequest,
  { nonce, expiresAtMs }: { nonce: Uint8Array; expiresAtMs: bigint },
): Promise<Record<string, string>> {
  const request = { ...sent, bodyDigest: sha256(body), nonce, expiresAtMs };
  return {
    [HEADERS.key]: ownerToText(signer.owner),
    [HEADERS.nonce]: toHex0x(nonce),
    [HEADERS.expires]: expiresAtMs.toString(),
    [HEADERS.signature]: toHex0x(await signer.sign(adminRequestDigest(request))),
  };
}

/**
 * The signed request that an HTTP request claims to be.
 * @throws AdminError `admin_request_malformed`
 */
export function readAdminRequest(
  header: (name: string) => string | undefined,
  { body, ...sent }: SentRequest,
): SignedAdminRequest {
  const [key, nonce, expires, signature] = [
    read(header, HEADERS.key, /^[a-z0-9]{1,16}:0x[0-9a-f]{40,64}$/),
    read(header, HEADERS.nonce, /^0x[0-9a-f]{64}$/),
    read(header, HEADERS.expires, /^[1-9][0-9]{0,15}$/),
    read(header, HEADERS.signature, /^0x([0-9a-f]{128}|[0-9a-f]{130})$/),
  ];
  const bodyDigest = sha256(body);
  const request = { ...sent, bodyDigest, nonce: fromHex(nonce, 32), expiresAtMs: BigInt(expires) };
  return { request, signer: readOwner(key), signature: fromHex(signature) };
}

function read(header: (name: string) => string | undefined, name: string, form: RegExp): string {
  const text = header(name);
  if (text !== undefined && form.test(text)) return text;
  throw new AdminError("admin_request_malformed", `${name} is missing or malformed`);
}

function readOwner(text: string): Owner {
  try {
    return parseOwner(text);
  } catch (cause) {
    if (!(cause instanceof BalanceError)) throw cause;
    throw new AdminError("admin_request_malformed", `${HEADERS.key}: ${cause.message}`);
  }
}

/**
 * Returns where one of the keys signed it for now. Whether it came before, the service knows.
 * @throws AdminError `admin_key_unknown`, `admin_request_expired`, `admin_expiry_too_far`, `admin_signature_invalid`
 */
export function verifyAdminRequest(
  { request, signer, signature }: SignedAdminRequest,
  { keys, nowMs }: { keys: readonly Owner[]; nowMs: number },
): void {
  const text = ownerToText(signer);
  if (!keys.some((key) => ownerToText(key) === text))
    throw new AdminError("admin_key_unknown", "the key is no administrator's");
  if (request.expiresAtMs <= BigInt(nowMs))
    throw new AdminError(
      "admin_request_expired",
      "the signature has ended: sign anew, and look at your clock",
    );
  if (request.expiresAtMs > BigInt(nowMs + MAX_ADMIN_VALIDITY_MS))
    throw new AdminError("admin_expiry_too_far", "the signature ends too late: look at your clock");
  if (!isAdminSignature({ request, signer, signature }))
    throw new AdminError("admin_signature_invalid", "the key did not sign this request");
}

/** Whether the key signed it, whenever that was: for whoever reads the administrators' log. */
export function isAdminSignature({ request, signer, signature }: SignedAdminRequest): boolean {
  try {
    checkOwnerSignature(signer, adminRequestDigest(request), signature);
    return true;
  } catch (error) {
    if (error instanceof BalanceError) return false;
    throw error;
  }
}
