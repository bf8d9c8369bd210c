/** What two vaults bind into one passing of a cluster's keys. Specification: docs/spec/vault.md. */
import { jcs, sha256, toHex, utf8 } from "../codec/index.ts";

const PURPOSE = "affidavit.cluster_keys.v1";
/** What a `KeyRelease` statement names in place of a model: 32 bytes. */
export const CLUSTER_KEYS_ID: Uint8Array = sha256(utf8(PURPOSE));

/** Of one passing; all 32 bytes. */
export interface PassingTerms {
  /** The receiving vault's, for the giving one to answer. */
  receiverNonce: Uint8Array;
  /** The giving vault's. */
  giverNonce: Uint8Array;
  /** X25519 key that the receiving vault drew for this passing alone. */
  hpkeKey: Uint8Array;
}

function members({ receiverNonce, giverNonce, hpkeKey }: PassingTerms) {
  return {
    purpose: PURPOSE,
    giver_nonce: toHex(giverNonce),
    receiver_nonce: toHex(receiverNonce),
    hpke_key: toHex(hpkeKey),
  };
}

/** Report data of the receiving vault's evidence: sha256(JCS) ‖ 32 zero bytes, as the next. */
export function receiverReportData(terms: PassingTerms): Uint8Array {
  return reportDataOf({ ...members(terms), role: "receiver" });
}

/** Of the giving vault's, which vouches for what it sealed. @param sealed as it is sent */
export function giverReportData(terms: PassingTerms, sealed: Uint8Array): Uint8Array {
  return reportDataOf({ ...members(terms), role: "giver", sealed: toHex(sha256(sealed)) });
}

/** HPKE's `info`. @param receiverQuote the evidence that the giving vault appraised */
export function passingInfo(terms: PassingTerms, receiverQuote: Uint8Array): Uint8Array {
  return utf8(jcs({ ...members(terms), role: "keys", receiver_evidence: toHex(sha256(receiverQuote)) }));
}

function reportDataOf(document: Parameters<typeof jcs>[0]): Uint8Array {
  const data = new Uint8Array(64);
  data.set(sha256(utf8(jcs(document))));
  return data;
}
