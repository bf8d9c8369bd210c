/**
 * Appraisals as EAT Attestation Results (EAR, draft-ietf-rats-ear-04), with the trustworthiness vector of AR4SI
 * (draft-ietf-rats-ar4si), for relying parties that speak RATS.
 */
import { SignJWT, type CryptoKey, type JWK, type KeyObject } from "jose";
import { toHex } from "../../codec/index.ts";
import type { Appraisal, EvidenceType } from "./appraisal.ts";

export const EAR_PROFILE = "tag:ietf.org,2026:rats/ear#04";

export type EarStatus = "none" | "affirming" | "warning" | "contraindicated";

/** AR4SI claims: 0 none, 2 to 31 affirming, 32 to 95 warning, 96 to 127 contraindicated. */
export interface TrustworthinessVector {
  readonly "instance-identity": number;
  readonly configuration: number;
  readonly executables: number;
  readonly hardware: number;
  readonly "runtime-opaque": number;
}

export interface EarClaims {
  readonly eat_profile: typeof EAR_PROFILE;
  /** Seconds since 1970, by the verifier's clock. */
  readonly iat: number;
  readonly ear_verifier_id: { readonly developer: string; readonly build: string };
  readonly ear_status: EarStatus;
  readonly eat_nonce?: string;
  readonly submods: Readonly<Record<string, EarSubmodule>>;
}

interface EarSubmodule {
  readonly ear_status: EarStatus;
  readonly ear_trustworthiness_vector: TrustworthinessVector;
  readonly ear_appraisal_policy_ids?: readonly string[];
  /** What the appraisal found, in this project's own words. */
  readonly affidavit: Readonly<Record<string, unknown>>;
}

export interface EarOptions {
  readonly type: EvidenceType;
  readonly issuedAt: Date;
  readonly verifier: { readonly developer: string; readonly build: string };
  /** Digests or addresses of the policies applied. */
  readonly policyIds?: readonly string[];
  /** SHA-256 of the evidence, 32 bytes: which evidence this is about. */
  readonly evidenceDigest?: Uint8Array;
  /** The relying party's own, of 8 to 88 characters. */
  readonly nonce?: string;
}

const AFFIRMING = 2;
const UNSAFE = 32;
const UNRECOGNIZED_CODE = 33;
const CONTRAINDICATED = 96;
const UNRECOGNIZED = 97;

function hardwareClaim({ simulated, tcbStatus, claims }: Appraisal): number {
  // Simulated evidence never reads as hardware, whatever the policy made of it.
  if (simulated || claims["source"] !== "hardware_proven") return UNRECOGNIZED;
  if (tcbStatus === "Revoked") return CONTRAINDICATED;
  return tcbStatus === undefined || tcbStatus === "UpToDate" || tcbStatus === "SWHardeningNeeded"
    ? AFFIRMING
    : UNSAFE;
}

function stepClaim({ transcript }: Appraisal, steps: readonly string[]): number {
  const found = transcript.filter(({ step }) => steps.includes(step));
  if (found.length === 0) return 0;
  if (found.some(({ status }) => status === "fail")) return CONTRAINDICATED;
  return found.some(({ status }) => status === "skipped") ? UNSAFE : AFFIRMING;
}

function executablesClaim({ codeIdentity, transcript }: Appraisal): number {
  if (codeIdentity === "matched") return AFFIRMING;
  const step = transcript.find((candidate) => candidate.step === "code_identity");
  if (step === undefined) return 0;
  return step.status === "fail" ? CONTRAINDICATED : UNRECOGNIZED_CODE;
}

function vectorOf(appraisal: Appraisal): TrustworthinessVector {
  // Claims are there once every signature up to the root held.
  const isGenuine = Object.keys(appraisal.claims).length > 0;
  return {
    "instance-identity": isGenuine ? stepClaim(appraisal, ["report_data"]) : UNRECOGNIZED,
    configuration: stepClaim(appraisal, [
      "td_attributes",
      "td_service_td",
      "guest_policy",
      "platform",
      "vmpl",
    ]),
    executables: executablesClaim(appraisal),
    hardware: isGenuine ? hardwareClaim(appraisal) : UNRECOGNIZED,
    "runtime-opaque": stepClaim(appraisal, ["debug"]),
  };
}

function statusOf(appraisal: Appraisal, vector: TrustworthinessVector): EarStatus {
  const worst = Math.max(...Object.values(vector));
  if (appraisal.verdict === "rejected" || worst >= CONTRAINDICATED) return "contraindicated";
  return worst >= UNSAFE ? "warning" : "affirming";
}

/** The claims of an EAR, unsigned. The status is that of the vector's worst claim, and of a rejection. */
export function earClaims(appraisal: Appraisal, options: EarOptions): EarClaims {
  const vector = vectorOf(appraisal);
  const status = statusOf(appraisal, vector);
  const { type, policyIds, evidenceDigest, nonce } = options;
  const { verdict, code, tcbStatus, advisoryIds, simulated, codeIdentity, claims, transcript } = appraisal;
  const submodule: EarSubmodule = {
    ear_status: status,
    ear_trustworthiness_vector: vector,
    ...(policyIds !== undefined && { ear_appraisal_policy_ids: policyIds }),
    affidavit: {
      ...(evidenceDigest !== undefined && { evidenceDigest: `sha256:${toHex(evidenceDigest)}` }),
      verdict,
      code,
      ...(tcbStatus !== undefined && { tcbStatus }),
      ...(advisoryIds !== undefined && { advisoryIds }),
      simulated,
      codeIdentity,
      claims,
      transcript,
    },
  };
  return {
    eat_profile: EAR_PROFILE,
    iat: Math.floor(options.issuedAt.getTime() / 1000),
    ear_verifier_id: options.verifier,
    ear_status: status,
    ...(nonce !== undefined && { eat_nonce: nonce }),
    submods: { [type]: submodule },
  };
}

/** An EAR as a JWT, signed with the given key; `algorithm` as JOSE names it, for example `ES256` or `EdDSA`. */
export async function signEar(
  claims: EarClaims,
  key: CryptoKey | KeyObject | JWK,
  header: { readonly algorithm: string; readonly keyId?: string },
): Promise<string> {
  const { algorithm, keyId } = header;
  const kid = keyId === undefined ? {} : { kid: keyId };
  return new SignJWT({ ...claims }).setProtectedHeader({ alg: algorithm, typ: "eat+jwt", ...kid }).sign(key);
}
