import { randomUUID } from "node:crypto";
import { x25519 } from "@noble/curves/ed25519.js";
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from "@hpke/core";
import { describe, expect, it } from "vitest";
import { sha256, toHex, utf8 } from "../codec/index.ts";
import { DEFAULT_POLICY, SIMULATED_POLICY } from "../attestation/index.ts";
import { createSimulatedAttester } from "../attestation/attest/index.ts";
import { simulatedCollateral } from "../attestation/attest/simulated-platform.ts";
import {
  decodeStatement,
  keyReleaseReportData,
  recoverSigner,
  reportData,
  workerReportData,
  workerText,
  type WorkerTerms,
} from "../receipts/index.ts";
import { jobContext } from "../sealing/index.ts";
import type { Vault } from "./start.ts";
import { install, start } from "./vault.test-support.ts";

const suite = new CipherSuite({
  kem: new DhkemX25519HkdfSha256(),
  kdf: new HkdfSha256(),
  aead: new Aes256Gcm(),
});
const attester = createSimulatedAttester();
const refusal = (code: string) => expect.objectContaining({ name: "VaultError", code });
const policy = JSON.stringify(SIMULATED_POLICY);
const other = sha256(utf8("other"));

async function vaultWith(workers: string | undefined = policy): Promise<Vault> {
  const vault = await start(undefined, [], { workers });
  await install(vault);
  return vault;
}

/** What a worker shows: a fresh key, and evidence over the vault's nonce, or over something else. */
async function shown(vault: Vault, data: (terms: WorkerTerms) => Uint8Array = workerReportData) {
  const { secretKey, publicKey: hpkeKey } = x25519.keygen();
  const { nonce } = await vault.drawWorkerChallenge();
  const terms = { nonce, hpkeKey };
  const quote = await attester.quote(data(terms));
  const endorsements = JSON.stringify(simulatedCollateral(new Date()));
  return { secretKey, evidence: { ...terms, type: "tdx", quote, endorsements } };
}

async function open(secretKey: Uint8Array, terms: WorkerTerms, sealedKey: Uint8Array, context: Uint8Array) {
  const recipientKey = await suite.kem.deserializePrivateKey(new Uint8Array(secretKey));
  const sender = { recipientKey, enc: sealedKey.slice(0, 32), info: utf8(workerText(terms)) };
  return new Uint8Array(await suite.open(sender, sealedKey.slice(32), context));
}

/** For what refuses and leaves nothing. */
let shared: Promise<Vault> | undefined;

describe("a worker elsewhere", () => {
  it("is given the key of one job at a time, which the log can say", async () => {
    const vault = await vaultWith();
    const { secretKey, evidence } = await shown(vault);
    const admission = await vault.admitWorker(evidence);
    expect(admission).toMatchObject({ code: "ok", message: "" });
    expect(JSON.parse(admission.result!)).toMatchObject({
      eat_nonce: toHex(evidence.nonce),
      submods: { tdx: { affidavit: { verdict: "accepted", simulated: true } } },
    });
    const jobId = randomUUID();
    const { sealedKey, statement } = await vault.releaseJobKey(evidence.nonce, jobId);
    const context = jobContext("prove", jobId);
    expect(await open(secretKey, evidence, sealedKey, context)).toEqual(await vault.recordKey(context));
    // Neither as another job's, nor under other terms.
    await expect(open(secretKey, evidence, sealedKey, jobContext("prove", randomUUID()))).rejects.toThrow();
    await expect(open(secretKey, { ...evidence, nonce: other }, sealedKey, context)).rejects.toThrow();
    expect(recoverSigner(statement.digest, statement.signature)).toEqual(vault.info.receiptAddress);
    expect(decodeStatement("KeyRelease", statement.words)).toMatchObject({
      modelId: context,
      brokerKeyDigest: sha256(evidence.hpkeKey),
      policyDigest: sha256(utf8(policy)),
      resultDigest: sha256(utf8(admission.result!)),
      challengeNonce: evidence.nonce,
    });
  });

  const answered: [string, string, (vault: Vault) => Promise<Awaited<ReturnType<typeof shown>>>][] = [
    [
      "report_data_mismatch",
      "evidence for another key",
      async (vault) => {
        const made = await shown(vault);
        return { ...made, evidence: { ...made.evidence, hpkeKey: x25519.keygen().publicKey } };
      },
    ],
    [
      "report_data_mismatch",
      "stale evidence, of another challenge",
      (vault) => shown(vault, (terms) => workerReportData({ ...terms, nonce: other })),
    ],
    [
      "report_data_mismatch",
      "a service's evidence for its keyset",
      (vault) => shown(vault, ({ nonce }) => reportData(other, nonce)),
    ],
    [
      "report_data_mismatch",
      "evidence for the release of a model's key",
      (vault) =>
        shown(vault, (terms) => keyReleaseReportData({ ...terms, modelId: other, keysetDigest: other })),
    ],
    [
      "evidence_type_unknown",
      "a GPU's evidence",
      async (vault) => {
        const made = await shown(vault);
        return { ...made, evidence: { ...made.evidence, type: "nvidia-gpu" } };
      },
    ],
    [
      "collateral_missing",
      "endorsements that are no JSON",
      async (vault) => {
        const made = await shown(vault);
        return { ...made, evidence: { ...made.evidence, endorsements: "{" } };
      },
    ],
  ];

  it.each(answered)("is refused, with %s, for %s", async (code, _, make) => {
    const vault = await (shared ??= vaultWith());
    const { evidence } = await make(vault);
    expect(await vault.admitWorker(evidence)).toMatchObject({ code, result: null, expiresAtMs: 0n });
    await expect(vault.releaseJobKey(evidence.nonce, randomUUID())).rejects.toEqual(
      refusal("worker_unknown"),
    );
    // The challenge is used up.
    await expect(vault.admitWorker(evidence)).rejects.toEqual(refusal("worker_challenge_unknown"));
  });

  it("is refused where it is simulated under a policy for hardware, or of another measurement", async () => {
    const zero = "00".repeat(48);
    const measurements = [{ mrTd: zero, rtmr0: zero, rtmr1: zero, rtmr2: zero }];
    const measured = { ...SIMULATED_POLICY, tdx: { ...SIMULATED_POLICY.tdx, measurements } };
    for (const [code, asked] of [
      ["simulated_refused", DEFAULT_POLICY],
      ["measurement_mismatch", measured],
    ] as const) {
      const vault = await vaultWith(JSON.stringify(asked));
      const { evidence } = await shown(vault);
      expect(await vault.admitWorker(evidence)).toMatchObject({ code, result: null });
    }
  });

  it("is admitted by a challenge of this vault's alone, once", async () => {
    const vault = await vaultWith();
    const { evidence } = await shown(vault);
    await vault.admitWorker(evidence);
    for (const given of [evidence, { ...evidence, nonce: other }])
      await expect(vault.admitWorker(given)).rejects.toEqual(refusal("worker_challenge_unknown"));
    const another = await vaultWith();
    await expect(another.admitWorker((await shown(vault)).evidence)).rejects.toEqual(
      refusal("worker_challenge_unknown"),
    );
    await expect(another.releaseJobKey(evidence.nonce, randomUUID())).rejects.toEqual(
      refusal("worker_unknown"),
    );
  });

  it("gets 64 keys, of jobs alone, and then none", async () => {
    const vault = await vaultWith();
    const { evidence } = await shown(vault);
    await vault.admitWorker(evidence);
    await expect(vault.releaseJobKey(evidence.nonce, "../x")).rejects.toEqual(refusal("malformed"));
    for (let i = 0; i < 64; i++) await vault.releaseJobKey(evidence.nonce, randomUUID());
    await expect(vault.releaseJobKey(evidence.nonce, randomUUID())).rejects.toEqual(
      refusal("worker_unknown"),
    );
  });

  it("gets nothing where no policy says so, or one that is none", async () => {
    for (const [workers, code] of [
      [undefined, "worker_policy_missing"],
      ["{}", "worker_policy_invalid"],
    ] as const) {
      const vault = await start(undefined, [], { workers });
      await install(vault);
      await expect(vault.drawWorkerChallenge()).rejects.toEqual(refusal(code));
    }
  });
});
