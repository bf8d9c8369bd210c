/** One appraisal from plain JSON to one line of JSON, the same function in Node and in a browser. */
import { appraise, parsePolicy, type EvidenceType } from "../attestation/index.ts";
import { fromBase64, toHex } from "../codec/index.ts";

export interface AppraisalCase {
  readonly name: string;
  readonly type: EvidenceType;
  /** Base64. */
  readonly quote: string;
  readonly endorsements: unknown;
  /** Certificate in base64, or null for the hardware makers' roots. */
  readonly root: string | null;
  readonly nowMs: number;
}

export function verdictLine({ type, quote, endorsements, root, nowMs }: AppraisalCase): string {
  const roots = root === null ? [] : [{ certificate: root }];
  const policy = parsePolicy({
    formatVersion: 1,
    codeIdentity: "reported",
    ...(root !== null && { roots }),
  });
  const evidence = { type, quote: fromBase64(quote) };
  const result = appraise(evidence, endorsements, { now: new Date(nowMs), policy });
  return JSON.stringify(result, (_, member) => {
    if (typeof member === "bigint") return member.toString();
    return member instanceof Uint8Array ? toHex(member) : member;
  });
}
