/** What the service asks for beside its evidence, and hands on as the vault gave it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { createSimulatedAttester, openGpus } from "../attestation/attest/index.ts";
import { appraise, parsePolicy, SIMULATED_POLICY } from "../attestation/index.ts";
import { testCrl } from "../attestation/testing/certificates.ts";
import { testSnpAuthorities, testSnpEvidence } from "../attestation/testing/sev-snp.ts";
import { toBase64 } from "../codec/index.ts";
import { endorsementSource } from "./endorsements.ts";

const dataDirectory = mkdtempSync(join(tmpdir(), "service-endorsements-"));
afterAll(() => rmSync(dataDirectory, { recursive: true, force: true }));
const config = { dataDirectory, pccsUrl: undefined, pcsKey: undefined };

function pemOf(der: Uint8Array): string {
  return `-----BEGIN CERTIFICATE-----\n${toBase64(der)}\n-----END CERTIFICATE-----\n`;
}

test("a report under a VLEK is endorsed with the certificates that its host gave", async () => {
  const { report, certificates, root } = testSnpEvidence({ kind: "vlek" });
  const answers = new Map<string, BodyInit>([
    ["https://kdsintf.amd.com/vlek/v1/Genoa/cert_chain", pemOf(certificates[1]!)],
    [
      "https://kdsintf.amd.com/vlek/v1/Genoa/crl",
      testCrl({ issuer: testSnpAuthorities("Genoa").root }) as Uint8Array<ArrayBuffer>,
    ],
  ]);
  const fetch = async (url: string | URL | Request): Promise<Response> => {
    const answer = answers.get(String(url));
    return answer === undefined ? new Response(null, { status: 404 }) : new Response(answer);
  };
  const source = endorsementSource(config, fetch);
  const evidence = { type: "sev-snp", quote: report };
  await expect(source({ ...evidence, certificates: [] })).rejects.toMatchObject({
    code: "endorsement_unsupported",
  });
  const endorsements = await source({ ...evidence, certificates: [certificates[0]!] });
  const policy = parsePolicy({
    formatVersion: 1,
    codeIdentity: "reported",
    roots: [{ certificate: toBase64(root) }],
  });
  const now = new Date("2026-06-01T00:00:00Z");
  expect(appraise({ type: "sev-snp", quote: report }, endorsements, { now, policy }).code).toBe("ok");
});

test("GPUs have theirs beside the TEE's", async () => {
  const attester = createSimulatedAttester();
  const gpus = (await openGpus("simulated", { log: () => {} }))!;
  const nonce = new Uint8Array(32).fill(5);
  const gpu = { type: gpus.type, quote: await gpus.collect(nonce) };
  const quote = await attester.quote(new Uint8Array(64));
  const endorsements = await endorsementSource(config)({ type: "tdx", quote, certificates: [], gpu });
  const { cpu, gpu: ofGpu } = endorsements as { cpu: unknown; gpu: unknown };
  const options = { now: new Date(), policy: SIMULATED_POLICY };
  expect(appraise({ type: "tdx", quote }, cpu, options).code).toBe("ok");
  const appraised = appraise({ type: "nvidia-gpu", quote: gpu.quote }, ofGpu, options);
  expect(appraised).toMatchObject({ code: "ok", claims: { measurements: "matched" } });
});
