/**
 * Whether another vault may have, or give, the cluster's keys: its evidence, made for this very passing, must be of the same image as
 * this vault's own, or of one that the owner's signed policy accepts. Simulated and genuine TEEs never mix, whatever a policy says.
 */
import {
  appraise,
  AttestationError,
  parseNitroDocument,
  parsePolicy,
  parseQuote,
  parseSnpReport,
  nitroDocumentBytes,
  type AppraisalPolicy,
  type AppraisalPolicyInput,
  type Evidence,
  type EvidenceType,
} from "../../attestation/index.ts";
import { jcs, sha256, toHex, utf8, type Json } from "../../codec/index.ts";
import { vaultPolicyDigest, type VaultPolicy } from "../../receipts/index.ts";
import { VaultError, type VaultErrorCode } from "../error.ts";
import type { PeerEvidence } from "../wire/passing.ts";

/** What a peer is judged by. */
export interface PeerPolicy {
  appraisal: AppraisalPolicy;
  /** SHA-256 of the policy's text: 32 bytes. */
  digest: Uint8Array;
}

export interface Judging {
  policy: PeerPolicy;
  /** Whether this vault's own TEE is simulated. */
  simulated: boolean;
  expectedReportData: Uint8Array;
  nowMs: number;
  log: (line: string) => void;
}

/** The appraisal's own word for some; all else is `peer_refused`, and the log says why. */
const CODES: Record<string, VaultErrorCode> = {
  report_data_mismatch: "peer_stale",
  measurement_mismatch: "peer_measurement_unknown",
  simulated_refused: "peer_simulated",
};

/**
 * What an owner's policy says of peers; undefined where it says nothing.
 * @param document its exact text
 * @throws VaultError `policy_invalid`
 */
export function peerPolicyOf({ peers }: VaultPolicy, document: string): PeerPolicy | undefined {
  if (peers === null) return undefined;
  try {
    return { appraisal: parsePolicy(peers), digest: vaultPolicyDigest(document) };
  } catch (cause) {
    throw cause instanceof AttestationError ? new VaultError("policy_invalid", { cause }) : cause;
  }
}

/** @throws VaultError `peer_refused`, `peer_stale`, `peer_measurement_unknown`, `peer_simulated` */
export function requirePeer(peer: PeerEvidence, judging: Judging): void {
  const { policy, simulated, expectedReportData, nowMs, log } = judging;
  const evidence: Evidence = { type: peer.type as EvidenceType, quote: peer.quote };
  const options = { now: new Date(nowMs), policy: policy.appraisal, expectedReportData };
  const appraisal = appraise(evidence, readJson(peer.endorsements), options);
  if (appraisal.verdict !== "accepted") {
    log(`a peer's evidence is refused: ${appraisal.code}`);
    throw new VaultError(CODES[appraisal.code] ?? "peer_refused");
  }
  if (appraisal.simulated !== simulated) throw new VaultError("peer_simulated");
}

/**
 * A policy that accepts this vault's own image alone.
 * @param own this vault's own evidence
 * @throws VaultError `peer_policy_missing` where the technology has no measurement that speaks for the whole image
 */
export function sameImagePolicy(own: { type: string; quote: Uint8Array }, simulated: boolean): PeerPolicy {
  const input: AppraisalPolicyInput = {
    formatVersion: 1,
    roots: [simulated ? "simulated" : "hardware"],
    tcb: { acceptedStatuses: ["UpToDate", "SWHardeningNeeded"] },
    ...measurementsOf(own),
  };
  return { appraisal: parsePolicy(input), digest: sha256(utf8(jcs(input as unknown as Json))) };
}

function measurementsOf({
  type,
  quote,
}: {
  type: string;
  quote: Uint8Array;
}): Pick<AppraisalPolicyInput, "tdx" | "sevSnp" | "nitro"> {
  if (type === "tdx") {
    const { body } = parseQuote(quote);
    if (body.kind === "sgx") throw new VaultError("peer_policy_missing");
    // Not RTMR3: the models that are measured into it are each vault's own.
    const [rtmr0, rtmr1, rtmr2] = body.rtmr.map(toHex) as [string, string, string];
    const { mrTd, mrConfigId, mrOwner, mrOwnerConfig } = body;
    const launched = {
      mrConfigId: toHex(mrConfigId),
      mrOwner: toHex(mrOwner),
      mrOwnerConfig: toHex(mrOwnerConfig),
    };
    return { tdx: { measurements: [{ mrTd: toHex(mrTd), rtmr0, rtmr1, rtmr2, ...launched }] } };
  }
  if (type === "sev-snp") {
    const { measurement, hostData } = parseSnpReport(quote);
    return { sevSnp: { measurements: [{ measurement: toHex(measurement), hostData: toHex(hostData) }] } };
  }
  if (type === "nitro") {
    const { pcrs } = parseNitroDocument(nitroDocumentBytes(quote).bytes);
    const [pcr0, pcr1, pcr2] = [0, 1, 2].map((index) => pcrs.get(index));
    if (pcr0 && pcr1 && pcr2)
      return { nitro: { measurements: [{ pcr0: toHex(pcr0), pcr1: toHex(pcr1), pcr2: toHex(pcr2) }] } };
  }
  throw new VaultError("peer_policy_missing");
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new VaultError("peer_refused", { cause });
  }
}
