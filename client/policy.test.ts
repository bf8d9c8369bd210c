import { describe, expect, it } from "vitest";
import { appraisalPolicy, type ClientPolicy } from "./policy.ts";

function accepts(policy: ClientPolicy) {
  const { roots, codeIdentity } = appraisalPolicy(policy);
  return { roots, codeIdentity };
}

describe("a client's policy", () => {
  it("wants hardware and known code, and loosens by name alone", () => {
    expect(accepts({})).toEqual({ roots: ["hardware"], codeIdentity: "required" });
    expect(accepts({ allowSimulated: true })).toEqual({
      roots: ["hardware", "simulated"],
      codeIdentity: "reportedIfSimulated",
    });
    expect(accepts({ allowUncheckedCode: true })).toEqual({ roots: ["hardware"], codeIdentity: "reported" });
    expect(accepts({ allowSimulated: true, allowUncheckedCode: true })).toEqual({
      roots: ["hardware", "simulated"],
      codeIdentity: "reported",
    });
  });

  it("keeps what a given policy says, and never tightens it by loosening something else", () => {
    const appraisal = { formatVersion: 1, codeIdentity: "reported", acceptDebug: true } as const;
    expect(accepts({ appraisal, allowSimulated: true }).codeIdentity).toBe("reported");
    expect(appraisalPolicy({ appraisal }).acceptDebug).toBe(true);
    const simulated: ClientPolicy["appraisal"] = { formatVersion: 1, roots: ["simulated"] };
    expect(accepts({ appraisal: simulated, allowSimulated: true }).roots).toEqual(["simulated"]);
  });

  it("refuses a policy that is none", () => {
    expect(() => appraisalPolicy({ appraisal: { formatVersion: 2 } as never })).toThrow(
      expect.objectContaining({ code: "policy_malformed" }),
    );
  });
});
