/** Appraisal of Nitro documents: whether a genuine document is good enough for a policy. */
import { equal, fromHex, toHex } from "../../codec/index.ts";
import { AWS_NITRO_ROOT } from "../endorsements/aws-roots.ts";
import { AttestationError, type AttestationErrorCode } from "../error.ts";
import { nitroDocumentBytes, parseNitroDocument, type NitroDocument } from "../parse/nitro.ts";
import { verifyNitro, type VerifiedNitroDocument } from "../verify/nitro.ts";
import { checkReportData, type AppraisalContext, type Evidence } from "./appraisal.ts";
import { checkCodeIdentity } from "./code-identity.ts";
import { checkDebug } from "./debug.ts";
import type { NitroMeasurement } from "./nitro-policy.ts";
import { trustRoots } from "./roots.ts";

const CLOCK_SKEW_SECONDS = 300;

function claimsOf({ document, root }: VerifiedNitroDocument): Record<string, unknown> {
  const { publicKey, userData, nonce } = document;
  const pcrs = [...document.pcrs].toSorted(([a], [b]) => a - b);
  return {
    source: root === AWS_NITRO_ROOT ? "hardware_proven" : "operator_asserted",
    root: root.name,
    rootFingerprint: root.fingerprint,
    moduleId: document.moduleId,
    timestamp: new Date(document.timestampMs).toISOString(),
    digest: document.digest,
    pcrs: Object.fromEntries(pcrs.map(([index, register]) => [String(index), toHex(register)])),
    ...(publicKey && { publicKey: toHex(publicKey) }),
    ...(userData && { userData: toHex(userData) }),
    ...(nonce && { nonce: toHex(nonce) }),
  };
}

/** In debug mode the hypervisor leaves PCR 0 all zero; without PCR 0 nobody can tell. */
function isDebug({ pcrs }: NitroDocument): boolean {
  const image = pcrs.get(0);
  if (image === undefined) throw new AttestationError("pcr_missing", "the document has no PCR 0");
  return image.every((byte) => byte === 0);
}

function checkAge({ timestampMs }: NitroDocument, { policy, nowSeconds, checks }: AppraisalContext): void {
  const { maximumAgeSeconds } = policy.nitro;
  if (maximumAgeSeconds === undefined) {
    checks.skip("age", "the policy names no age beyond which a document is refused");
    return;
  }
  checks.run("age", "the document is recent enough", () => {
    const ageSeconds = nowSeconds - Math.floor(timestampMs / 1000);
    if (ageSeconds < -CLOCK_SKEW_SECONDS) {
      throw new AttestationError("document_from_future", "the document was made after now");
    }
    if (ageSeconds > maximumAgeSeconds) {
      throw new AttestationError(
        "document_too_old",
        `the document is ${ageSeconds} s old, most ${maximumAgeSeconds}`,
      );
    }
  });
}

function checkPcrs({ pcrs }: NitroDocument, { policy, checks }: AppraisalContext): void {
  const wanted = Object.entries(policy.nitro.pcrs ?? {});
  checks.run("pcrs", `${wanted.length} registers are as the policy wants them`, () => {
    for (const [index, hex] of wanted) {
      const register = pcrs.get(Number(index));
      if (register === undefined)
        throw new AttestationError("pcr_missing", `the document has no PCR ${index}`);
      if (!equal(register, fromHex(hex)))
        throw new AttestationError("pcr_mismatch", `PCR ${index} has another value`);
    }
  });
}

/** What the enclave asked to have signed. */
function checkClaims(document: NitroDocument, { policy, checks }: AppraisalContext): void {
  const wanted: [string, AttestationErrorCode, Uint8Array | undefined, string | undefined][] = [
    ["nonce", "nonce_mismatch", document.nonce, policy.nitro.nonce],
    ["user_data", "user_data_mismatch", document.userData, policy.nitro.userData],
    ["public_key", "public_key_mismatch", document.publicKey, policy.nitro.publicKey],
  ];
  for (const [name, code, value, hex] of wanted) {
    if (hex === undefined) continue;
    checks.run(name, `${name} is the expected one`, () => {
      if (value === undefined || !equal(value, fromHex(hex))) {
        throw new AttestationError(code, `${name} is not the expected one`);
      }
    });
  }
}

function isEnclave(measurement: NitroMeasurement, { pcrs }: NitroDocument): boolean {
  return Object.entries(measurement).every(([name, value]) => {
    const register = pcrs.get(Number(name.slice("pcr".length)));
    return value === undefined || (register !== undefined && equal(register, value));
  });
}

/**
 * Appraises a document of type `nitro`: COSE_Sign1, or a certificate that carries one. It needs no endorsements.
 * Its report data is `user_data`.
 * @throws AttestationError, X509Error where it is rejected
 */
export function appraiseNitro(evidence: Evidence, endorsements: unknown, context: AppraisalContext): void {
  const { checks, findings, policy, nowSeconds } = context;
  if (endorsements !== undefined && endorsements !== null) {
    checks.skip("endorsements", "a document carries its own chain: what came beside it is not looked at");
  }
  const { bytes, inCertificate } = checks.run("extract", "the evidence holds a document", () =>
    nitroDocumentBytes(evidence.quote),
  );
  if (inCertificate) checks.skip("envelope", "the certificate around the document is not checked itself");
  const document = checks.run("parse", "the document is well formed", () => parseNitroDocument(bytes));
  const verified = verifyNitro(document, { roots: trustRoots(policy, [AWS_NITRO_ROOT]), nowSeconds, checks });
  findings.simulated = verified.root.simulated;
  findings.reportData = document.userData ?? new Uint8Array(0);
  findings.claims = claimsOf(verified);
  checkDebug(
    checks.run("image_register", "the document has PCR 0", () => isDebug(document)),
    context,
  );
  checkAge(document, context);
  checkPcrs(document, context);
  checkClaims(document, context);
  checkReportData(findings.reportData, context);
  checkCodeIdentity(context, (sets) => {
    const values = [...policy.nitro.measurements, ...sets.flatMap(({ measurements }) => measurements.nitro)];
    return { given: values.length, matched: values.some((value) => isEnclave(value, document)) };
  });
}
