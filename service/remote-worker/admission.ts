/** How a worker shows what it is: a key drawn for this one admission, and evidence over it and the vault's nonce. */
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from "@hpke/core";
import type { Attester } from "../../attestation/attest/index.ts";
import { utf8, type Json } from "../../codec/index.ts";
import { workerReportData, workerText } from "../../receipts/index.ts";
import { jobContext } from "../../sealing/index.ts";
import { openRecord } from "../sealed-record.ts";
import type { ShownEvidence, WorkerTask } from "../workers/index.ts";

const ENCAPSULATED_KEY_BYTES = 32;

const suite = new CipherSuite({
  kem: new DhkemX25519HkdfSha256(),
  kdf: new HkdfSha256(),
  aead: new Aes256Gcm(),
});

export interface Admission {
  evidence: ShownEvidence;
  /** The payload of a task that was given to this admission; undefined where it does not open. */
  open(task: WorkerTask): Promise<Uint8Array | undefined>;
}

/**
 * @param nonce the vault's, 32 bytes
 * @param endorsements what a verifier needs beside the evidence
 * @throws CollectorError, EndorsementError
 */
export async function showEvidence(
  attester: Pick<Attester, "type" | "collect">,
  endorsements: (evidence: {
    type: string;
    quote: Uint8Array;
    certificates: readonly Uint8Array[];
  }) => Promise<Json>,
  nonce: Uint8Array,
): Promise<Admission> {
  const pair = await suite.kem.generateKeyPair();
  const hpkeKey = new Uint8Array(await suite.kem.serializePublicKey(pair.publicKey));
  const terms = { nonce, hpkeKey };
  const { quote, certificates } = await attester.collect(workerReportData(terms));
  const { type } = attester;
  const endorsed = await endorsements({ type, quote, certificates });
  return {
    evidence: { ...terms, type, quote, endorsements: JSON.stringify(endorsed) },
    async open({ jobId, payload }) {
      if ("clear" in payload) return payload.clear;
      const context = jobContext("prove", jobId);
      const sender = {
        recipientKey: pair.privateKey,
        enc: payload.sealedKey.slice(0, ENCAPSULATED_KEY_BYTES),
        info: utf8(workerText(terms)),
      };
      try {
        const sealedKey = payload.sealedKey.slice(ENCAPSULATED_KEY_BYTES);
        const key = new Uint8Array(await suite.open(sender, sealedKey, context));
        return openRecord(key, context, payload.sealed);
      } catch {
        return undefined;
      }
    },
  };
}
