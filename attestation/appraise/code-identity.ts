/** Whether what runs is known: its measurements are those of a reference value, inline or signed. */
import { AttestationError } from "../error.ts";
import type { AppraisalContext } from "./appraisal.ts";
import { verifyReferenceValues, type ReferenceValueSet } from "./reference-values.ts";

export interface ReferenceMatch {
  /** How many reference values there are for this technology. */
  readonly given: number;
  readonly matched: boolean;
}

/**
 * Reference values that are given must match; where none is given, the policy says whether that will do.
 * @throws AttestationError `code_identity_unchecked`, `measurement_mismatch`, and those of `verifyReferenceValues`
 */
export function checkCodeIdentity(
  context: AppraisalContext,
  match: (sets: readonly ReferenceValueSet[]) => ReferenceMatch,
): void {
  const { checks, policy, findings, nowSeconds } = context;
  const sets = policy.referenceValues.map((signed) =>
    checks.run("reference_values", "reference values are signed and in date", () =>
      verifyReferenceValues(signed, policy.referenceValueSigners, nowSeconds),
    ),
  );
  const { given, matched } = match(sets);
  const reported =
    policy.codeIdentity === "reported" ||
    (policy.codeIdentity === "reportedIfSimulated" && findings.simulated);
  if (given === 0 && reported) {
    checks.skip("code_identity", "no reference values were given: whose code runs there is not known");
    return;
  }
  checks.run("code_identity", "measurements are those of a reference value", () => {
    if (given === 0) {
      throw new AttestationError(
        "code_identity_unchecked",
        "no reference values were given, and they are required",
      );
    }
    if (!matched) throw new AttestationError("measurement_mismatch", "measurements match no reference value");
  });
  findings.codeIdentity = "matched";
}
