/** A verification for people. */
import type { Verification } from "../verification.ts";
import { paint, printable, table } from "./output.ts";

const MARKS = { verified: "✓", unchecked: "·", asserted: "~" } as const;
/** What was verified down to a simulated root only. */
const SIMULATED_MARK = "○";

/** The first line: never a tick for a simulated TEE. */
export function headline({ simulated }: Verification, verdict: string): string {
  return simulated
    ? paint("yellow", `${SIMULATED_MARK} ${verdict}, SIMULATED`)
    : paint("green", `✓ ${verdict}`);
}

export function claimLines({ claims }: Verification): string[] {
  const rows = claims.map(({ claim, value, status, source }) => [
    `  ${status === "verified" && source === "simulated" ? SIMULATED_MARK : MARKS[status]} ${claim}`,
    printable(value, 100),
    status === "verified" ? source : status,
  ]);
  return rows.length === 0 ? [] : table(rows).split("\n");
}

export function stepLines({ steps }: Verification): string[] {
  const marks = { pass: "✓", fail: "✗", skipped: "·" } as const;
  return steps.map(
    ({ step, status, detail }) => `  ${marks[status]} ${step.padEnd(18)} ${printable(detail, 160)}`,
  );
}

export function simulatedWarning({ simulated }: Verification): string[] {
  if (!simulated) return [];
  return [
    "",
    paint(
      "yellow",
      "SIMULATED TEE: its keys are public, so this proves nothing about where the answer was made.",
    ),
  ];
}
