/** The policies under which inferences run, as documents that a receipt names by digest. */
import { jcs, sha256, utf8 } from "../codec/index.ts";

export interface PolicyDocument {
  /** Exact canonical text. */
  text: string;
  /** SHA-256 of the text: 32 bytes. */
  digest: Uint8Array;
}

function policyDocument(assurance: "tee"): PolicyDocument {
  const text = jcs({ formatVersion: 1, assurance, circuitBinding: null });
  return { text, digest: sha256(utf8(text)) };
}

/** Served by an attested engine; no proof and no re-execution was promised. */
export const POLICY_TEE = policyDocument("tee");
