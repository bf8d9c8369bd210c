/** What a vault and a worker elsewhere bind into the release of jobs' keys. Specification: docs/spec/workers.md. */
import { jcs, sha256, toHex, utf8 } from "../codec/index.ts";

export const WORKER_KEY_PURPOSE = "affidavit.worker_key.v1";

/** Both 32 bytes. */
export interface WorkerTerms {
  /** The vault's, for this admission alone. */
  nonce: Uint8Array;
  /** X25519 key that the worker drew for this admission alone. */
  hpkeKey: Uint8Array;
}

/** The exact JCS text: HPKE's `info` of each key's release, and what the evidence's report data is the SHA-256 of. */
export function workerText({ nonce, hpkeKey }: WorkerTerms): string {
  return jcs({ purpose: WORKER_KEY_PURPOSE, nonce: toHex(nonce), hpke_key: toHex(hpkeKey) });
}

/** sha256(text) ‖ 32 zero bytes: the 64 bytes of report data that a worker's evidence carries, and no other does. */
export function workerReportData(terms: WorkerTerms): Uint8Array {
  const data = new Uint8Array(64);
  data.set(sha256(utf8(workerText(terms))));
  return data;
}
