import { generateKeyPair, jwtVerify } from "jose";
import { describe, expect, test } from "vitest";
import { toBase64 } from "../../codec/index.ts";
import { createSimulatedAttester } from "../attest/index.ts";
import { appraise, DEFAULT_POLICY, earClaims, parsePolicy, signEar, SIMULATED_POLICY } from "../index.ts";
import type { Appraisal } from "../index.ts";
import * as evidence from "../testing/dcap.ts";

const now = new Date("2026-08-15T10:30:00Z");
const verifier = { developer: "https://affidavit.example", build: "test" };

async function simulated(policy = SIMULATED_POLICY) {
  const attester = createSimulatedAttester();
  const quote = await attester.quote(new Uint8Array(64));
  return appraise({ type: "tdx", quote }, await attester.endorsements(now), { now, policy });
}

function earOf(appraisal: Appraisal) {
  const claims = earClaims(appraisal, { type: "tdx", issuedAt: now, verifier });
  return { claims, vector: claims.submods["tdx"]!.ear_trustworthiness_vector };
}

describe("an EAR", () => {
  test("of simulated evidence never affirms, even where the policy accepts it", async () => {
    const accepted = await simulated();
    expect(accepted.verdict).toBe("accepted");
    const { claims, vector } = earOf(accepted);
    expect(claims.ear_status).toBe("contraindicated");
    expect(vector.hardware).toBe(97);
    expect(vector.executables).toBe(33);
  });

  test("of rejected evidence contraindicates", async () => {
    expect(earOf(await simulated(DEFAULT_POLICY)).claims.ear_status).toBe("contraindicated");
  });

  test("of evidence that is none recognizes nothing", () => {
    const appraisal = appraise(
      { type: "tdx", quote: new Uint8Array(3) },
      {},
      { now, policy: DEFAULT_POLICY },
    );
    expect(earOf(appraisal).vector).toEqual({
      "instance-identity": 97,
      configuration: 0,
      executables: 0,
      hardware: 97,
      "runtime-opaque": 0,
    });
  });

  test("affirms what a maker's root vouches for and every check passed", () => {
    const root = toBase64(evidence.rootCertificate(evidence.testPki()));
    const policy = parsePolicy({
      formatVersion: 1,
      codeIdentity: "reported",
      roots: [{ certificate: root }],
    });
    const appraisal = appraise(
      { type: "tdx", quote: evidence.testQuote("tdx4") },
      evidence.testCollateral("tdx4"),
      {
        now: evidence.TEST_NOW,
        policy,
        expectedReportData: new Uint8Array(64).fill(0xd0),
      },
    );
    // The test's own root is nobody's hardware; a maker's would read so.
    expect(earOf(appraisal).claims.ear_status).toBe("contraindicated");
    const claims = { ...appraisal.claims, source: "hardware_proven" };
    const genuine: Appraisal = { ...appraisal, claims, codeIdentity: "matched" };
    expect(earOf(genuine).claims.ear_status).toBe("affirming");
    expect(earOf({ ...genuine, codeIdentity: "unchecked" }).claims.ear_status).toBe("warning");
    expect(earOf({ ...genuine, tcbStatus: "OutOfDate" }).claims.ear_status).toBe("warning");
  });

  test("is a JWT that its key's holder signed", async () => {
    const { publicKey, privateKey } = await generateKeyPair("ES256");
    const { claims } = earOf(await simulated());
    const jwt = await signEar(claims, privateKey, { algorithm: "ES256", keyId: "one" });
    const { payload, protectedHeader } = await jwtVerify(jwt, publicKey, { typ: "eat+jwt" });
    expect(protectedHeader).toEqual({ alg: "ES256", typ: "eat+jwt", kid: "one" });
    expect(payload).toEqual(JSON.parse(JSON.stringify(claims)));
    const other = await generateKeyPair("ES256");
    await expect(jwtVerify(jwt, other.publicKey)).rejects.toThrow("signature");
  });
});
