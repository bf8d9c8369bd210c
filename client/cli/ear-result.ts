/** An appraisal as EAR: signed with a key from a file, or unsigned. */
import { readFileSync } from "node:fs";
import {
  earClaims,
  signEar,
  type Appraisal,
  type AppraisalPolicy,
  type EarClaims,
} from "../../attestation/index.ts";
import type { EvidenceType } from "../../attestation/index.ts";
import { jcs, sha256, toBase64Url, toHex, utf8, type Json } from "../../codec/index.ts";
import { UsageError } from "./command.ts";
import { readJson } from "./json-file.ts";

const MAX_KEY_BYTES = 16_384;

/** JWS algorithms by JWK key type and curve. */
const ALGORITHMS: ReadonlyMap<string, string> = new Map([
  ["EC P-256", "ES256"],
  ["EC P-384", "ES384"],
  ["OKP Ed25519", "EdDSA"],
]);

export interface EarKey {
  readonly jwk: Record<string, unknown>;
  readonly algorithm: string;
  readonly keyId: string | undefined;
}

/** A private JWK; undefined for the word `unsigned`. @throws UsageError, which never shows the file's content */
export async function earKeyFrom(path: string): Promise<EarKey | undefined> {
  if (path === "unsigned") return undefined;
  const jwk = await readJson(path, MAX_KEY_BYTES);
  if (typeof jwk !== "object" || jwk === null) throw new UsageError(`${path} is no JWK`, "file_unreadable");
  const member = (name: string): unknown => (Object.hasOwn(jwk, name) ? Reflect.get(jwk, name) : undefined);
  const algorithm = ALGORITHMS.get(`${String(member("kty"))} ${String(member("crv"))}`);
  if (algorithm === undefined || typeof member("d") !== "string") {
    throw new UsageError(`${path} is no private JWK of P-256, P-384 or Ed25519`, "file_unreadable");
  }
  const kid = member("kid");
  return { jwk: { ...jwk }, algorithm, keyId: typeof kid === "string" ? kid : undefined };
}

function verifier(): { developer: string; build: string } {
  const { name, version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  return { developer: "Affidavit", build: `${name} ${version}` };
}

/** RFC 6920 name of the policy in force: SHA-256 of its JCS, byte strings in hex. */
function policyId(policy: AppraisalPolicy): string {
  const plain: Json = JSON.parse(
    JSON.stringify(policy, (_, member) => {
      if (typeof member === "bigint") return member.toString();
      return member instanceof Uint8Array ? toHex(member) : member;
    }),
  );
  return `ni:///sha-256;${toBase64Url(sha256(utf8(jcs(plain))))}`;
}

export interface EarSubject {
  readonly type: EvidenceType;
  readonly quote: Uint8Array;
  readonly policy: AppraisalPolicy;
  /** The time that the evidence was judged at. */
  readonly now: Date;
}

/** @throws UsageError where the key cannot sign */
export async function earOf(
  appraisal: Appraisal,
  { type, quote, policy, now }: EarSubject,
  key: EarKey | undefined,
): Promise<string | EarClaims> {
  const claims = earClaims(appraisal, {
    type,
    issuedAt: now,
    verifier: verifier(),
    policyIds: [policyId(policy)],
    evidenceDigest: sha256(quote),
  });
  if (key === undefined) return claims;
  try {
    return await signEar(claims, key.jwk, {
      algorithm: key.algorithm,
      ...(key.keyId !== undefined && { keyId: key.keyId }),
    });
  } catch {
    throw new UsageError("the key of --ear cannot sign", "file_unreadable");
  }
}
