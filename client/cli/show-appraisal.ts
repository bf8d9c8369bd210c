/** An appraisal for people. */
import type { Appraisal, EvidenceType } from "../../attestation/index.ts";
import { paint, printable, table } from "./output.ts";

const MARKS = { pass: "✓", fail: "✗", skipped: "·" } as const;
const SIMULATED_MARK = "○";

function verdictLine(path: string, type: EvidenceType, result: Appraisal): string {
  const what = `${printable(path)} (${type})`;
  if (result.verdict === "rejected") {
    return `${paint("red", "✗ rejected")}  ${what}: ${printable(result.message, 400)} [${result.code}]`;
  }
  return result.simulated
    ? `${paint("yellow", `${SIMULATED_MARK} accepted, SIMULATED`)}  ${what}`
    : `${paint("green", "✓ accepted")}  ${what}`;
}

function valueText(value: unknown): string {
  const text = typeof value === "string" ? value : (JSON.stringify(value, bigintText) ?? "");
  return printable(text, 160);
}

function bigintText(_: string, member: unknown): unknown {
  return typeof member === "bigint" ? member.toString() : member;
}

function claimLines({ tcbStatus, advisoryIds, codeIdentity, claims }: Appraisal): string[] {
  const rows = [
    ...(tcbStatus === undefined ? [] : [["  tcbStatus", tcbStatus]]),
    ...(advisoryIds === undefined ? [] : [["  advisoryIds", advisoryIds.join(", ") || "none"]]),
    ["  codeIdentity", codeIdentity],
    ...Object.entries(claims).map(([name, value]) => [`  ${name}`, valueText(value)]),
  ];
  return table(rows).split("\n");
}

function transcriptLines({ transcript, simulated }: Appraisal): string[] {
  const rows = transcript.map(({ step, status, source, detail }) => [
    `  ${status === "pass" && simulated ? SIMULATED_MARK : MARKS[status]} ${step}`,
    status,
    source,
    printable(detail, 160),
  ]);
  return table(rows).split("\n");
}

export function appraisalText(path: string, type: EvidenceType, result: Appraisal): string {
  const hasClaims = Object.keys(result.claims).length > 0;
  const lines = [
    verdictLine(path, type, result),
    ...(hasClaims ? ["", "Claims", ...claimLines(result)] : []),
    "",
    "Transcript",
    ...transcriptLines(result),
  ];
  if (result.simulated) {
    lines.push("", paint("yellow", "SIMULATED TEE: its keys are public, so this evidence proves nothing."));
  }
  return lines.join("\n") + "\n";
}
