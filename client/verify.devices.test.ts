/** Receipts whose keyset has GPU evidence beside the TEE's, and models measured before it. */
import { beforeAll, describe, expect, it } from "vitest";
import {
  rootCertificate,
  testCollateral,
  testPki,
  testQuote,
  type Loose,
} from "../attestation/testing/dcap.ts";
import { listEntry, testDevice, testReport, type TestDevice } from "../attestation/testing/nvidia.ts";
import { fromHex, fromUtf8, sha256, toBase64, utf8 } from "../codec/index.ts";
import { gpuNonce, parseBundle, serializeBundle, type EvidenceParts } from "../receipts/index.ts";
import { createIssuer, NOW, type Issuer, type IssuerOptions } from "../test/receipt-fixture.ts";
import { memberCases } from "../test/tamper-cases.ts";
import { verdictOf } from "../test/verdict.ts";
import { verifyKeyset, verifyReceipt, type VerifyOptions } from "./verify.ts";

const own = new Uint8Array(32).fill(0x42);
let issuer: Issuer;

beforeAll(async () => {
  issuer = await createIssuer({ devices: {} });
});

function verify(from: Issuer, options: Partial<VerifyOptions> = {}) {
  const { bundle } = from.issue();
  return verifyReceipt(bundle, { now: NOW, policy: { allowSimulated: true }, ...options });
}

async function codeOf(options: IssuerOptions, verifyOptions: Partial<VerifyOptions> = {}): Promise<string> {
  return verify(await createIssuer(options), verifyOptions).code;
}

const without = (name: "gpu" | "measuredModels") => (parts: Omit<EvidenceParts, "quote">) => ({
  ...parts,
  [name]: undefined,
});

describe("a keyset with CPU and GPU evidence in one receipt", () => {
  it("is accepted where simulation is allowed, and says so of everything", () => {
    const result = verify(issuer);
    expect(result).toMatchObject({ verdict: "accepted", simulated: true });
    const claims = new Map(result.claims.map(({ claim, ...rest }) => [claim, rest]));
    expect(claims.get("TEE")).toMatchObject({ value: "SIMULATED" });
    expect(claims.get("GPU")).toEqual({ value: "SIMULATED", status: "verified", source: "simulated" });
    expect(claims.get("model measured")).toEqual({
      value: "RTMR3, 1 of 1",
      status: "verified",
      source: "simulated",
    });
    expect(result.steps.find(({ step }) => step === "evidence")!.detail).toMatch(
      /^tdx and GPU evidence for the keyset \(SIMULATED\), \d+ checks$/,
    );
    expect(JSON.stringify(result)).not.toMatch(/attached|hardware_proven/);
  });

  it("survives its JSON form", () => {
    const { bundle } = issuer.issue();
    expect(parseBundle(serializeBundle(bundle))).toEqual(bundle);
  });

  it("is refused by default", () => {
    expect(verify(issuer, { policy: {} })).toMatchObject({ code: "simulated_refused", simulated: true });
  });

  it("is fresh over the verifier's nonce, GPUs included", async () => {
    const fresh = { evidence: await issuer.quote(own), nonce: own };
    const { claims } = verify(issuer, { fresh });
    expect(claims.find(({ claim }) => claim === "fresh")).toMatchObject({
      value: "over the verifier's nonce; GPU evidence SIMULATED",
      source: "simulated",
    });
    const options = { now: NOW, policy: { allowSimulated: true } };
    expect(verifyKeyset(issuer.record, { ...options, fresh }).code).toBe("ok");
    const { gpu: _, ...bare } = fresh.evidence;
    expect(verifyKeyset(issuer.record, { ...options, fresh: { evidence: bare, nonce: own } }).code).toBe(
      "gpu_evidence_mismatch",
    );
    const stale = { ...fresh.evidence, gpu: issuer.record.evidence.gpu };
    expect(verifyKeyset(issuer.record, { ...options, fresh: { evidence: stale, nonce: own } }).code).toBe(
      "nonce_mismatch",
    );
  });
});

describe("evidence is refused", () => {
  it.each([
    ["without the GPUs' that the keyset claims", { parts: without("gpu") }, "gpu_evidence_mismatch"],
    ["whose GPUs are for another keyset", { gpuNonce: sha256(utf8("another")) }, "nonce_mismatch"],
    ["whose models were not measured", { modelIds: [own] }, "measured_models_mismatch"],
    ["whose models were measured in part", { modelIds: [own, own] }, "measured_models_mismatch"],
    ["that leaves all models out but names the register", { modelIds: [] }, "measured_models_mismatch"],
  ])("%s", async (_name, devices, code) => {
    expect(await codeOf({ devices })).toBe(code);
  });

  it("with GPUs that the keyset does not claim", async () => {
    const plain = await createIssuer();
    const { bundle } = plain.issue();
    const evidence = { ...(await plain.quote(own)), gpu: issuer.record.evidence.gpu };
    const fresh = { evidence, nonce: own };
    const result = verifyReceipt(bundle, { now: NOW, policy: { allowSimulated: true }, fresh });
    expect(result.code).toBe("gpu_evidence_mismatch");
  });

  it("whose every member is changed, by its code", async () => {
    const other = await createIssuer({ seed: 2, devices: {} });
    const cases = memberCases(issuer.issue({}, { included: true }), other.issue({}, { included: true }));
    const changed = cases.filter(({ name }) => /^evidence\.(gpu|measuredModels)/.test(name));
    expect(changed.length).toBeGreaterThan(10);
    for (const each of changed)
      expect(`${each.name}: ${verdictOf(each).code}`).toBe(`${each.name}: ${each.code}`);
  });
});

it("a model that is not in the register is not called measured", async () => {
  const { bundle } = (await createIssuer({ devices: { parts: without("measuredModels") } })).issue();
  const result = verifyReceipt(bundle, { now: NOW, policy: { allowSimulated: true } });
  expect(result.claims.find(({ claim }) => claim === "model measured")).toMatchObject({
    status: "unchecked",
  });
});

function dated(document: Loose): void {
  document.issueDate = "2026-02-20T00:00:00Z";
  document.nextUpdate = "2026-03-20T00:00:00Z";
}

function listOf(nonce: Uint8Array, ...devices: TestDevice[]): Uint8Array {
  const entries = devices.map((device) => listEntry(testReport({ device, nonce }), device, nonce));
  return utf8(JSON.stringify(entries));
}

describe("evidence under a root of the policy's own", () => {
  const crlDates = { thisUpdate: new Date("2026-02-20"), nextUpdate: new Date("2026-03-20") };
  const endorsements = testCollateral("tdx4", { tcbInfo: dated, qeIdentity: dated, crlDates });
  const machine = {
    quote: (reportData: Uint8Array) => testQuote("tdx4", { reportData }),
    endorsements: { ...endorsements },
  };
  const certificate = toBase64(rootCertificate(testPki()));
  const roots = (...also: "simulated"[]) => [{ certificate }, ...also];
  const appraisal = (...also: "simulated"[]) =>
    ({ formatVersion: 1, roots: roots(...also), codeIdentity: "reported" }) as const;

  it("is accepted, and is the operator's word: nothing of it reads as a maker's hardware", async () => {
    const { claims, ...result } = verify(await createIssuer({ machine }), {
      policy: { appraisal: appraisal() },
    });
    expect(result).toMatchObject({ verdict: "accepted", simulated: false });
    expect(claims.find(({ claim }) => claim === "TEE")).toMatchObject({ source: "operator_asserted" });
    expect(JSON.stringify(claims)).not.toMatch(/hardware_proven|simulated/);
  });

  it("wants each of the keyset's GPUs, and no other, in fresh evidence", async () => {
    const [first, second, third] = [81, 82, 83].map((serial) => testDevice({ serial }));
    const parts = ({ gpu }: Omit<EvidenceParts, "quote">) => {
      const [{ nonce }] = JSON.parse(fromUtf8(gpu!.quote)) as [{ nonce: string }];
      return { gpu: { type: "nvidia-gpu", quote: listOf(fromHex(nonce), first!, second!) } };
    };
    const from = await createIssuer({ machine, devices: { parts } });
    const own32 = gpuNonce(from.digest, own);
    const policy = {
      appraisal: {
        ...appraisal(),
        roots: [{ certificate }, { certificate: toBase64(first!.certificates.at(-1)!) }],
      },
    };
    const evidence = await from.quote(own);
    const freshOf = (...devices: TestDevice[]) =>
      verify(from, {
        policy,
        fresh: {
          evidence: { ...evidence, gpu: { type: "nvidia-gpu", quote: listOf(own32, ...devices) } },
          nonce: own,
        },
      }).code;
    expect(freshOf(first!, second!)).toBe("ok");
    expect(freshOf(second!, first!)).toBe("ok");
    expect(freshOf(first!)).toBe("gpu_evidence_mismatch");
    expect(freshOf(first!, third!)).toBe("gpu_evidence_mismatch");
    expect(freshOf(first!, second!, third!)).toBe("gpu_evidence_mismatch");
  });

  it("does not lift a simulated GPU beside it", async () => {
    const mixed = await createIssuer({ machine, devices: { parts: without("measuredModels") } });
    const policy = { allowSimulated: true, appraisal: appraisal("simulated") };
    const { claims, ...result } = verify(mixed, { policy });
    expect(result).toMatchObject({ verdict: "accepted", simulated: true });
    expect(claims.find(({ claim }) => claim === "TEE")).toMatchObject({ source: "simulated" });
  });
});
