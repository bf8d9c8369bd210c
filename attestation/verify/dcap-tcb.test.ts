import { describe, expect, test } from "vitest";
import { toBase64 } from "../../codec/index.ts";
import { appraise, parsePolicy } from "../index.ts";
import { TCB_STATUSES } from "../parse/dcap-collateral.ts";
import * as evidence from "../testing/dcap.ts";
import { mergeStatuses } from "./dcap-tcb.ts";

const policy = parsePolicy({
  formatVersion: 1,
  codeIdentity: "reported",
  roots: [{ certificate: toBase64(evidence.rootCertificate(evidence.testPki())) }],
});

interface Levels {
  readonly platform?: string;
  readonly qe?: string;
  /** Status by least ISVSVN, highest first. */
  readonly module?: readonly (readonly [isvSvn: number, status: string])[];
  readonly launch?: readonly number[];
  readonly current?: readonly number[];
}

function svn(values: readonly number[]): Uint8Array {
  return Uint8Array.from({ length: 16 }, (_, i) => values[i] ?? 0);
}

function appraiseTd15({ platform, qe, module, launch, current }: Levels) {
  const teeTcbSvn = svn(launch ?? [3, 1, 2]);
  const collateral = evidence.testCollateral("tdx5td15", {
    tcbInfo: (document) => {
      document.tcbLevels[0].tcbStatus = platform ?? "UpToDate";
      document.tcbLevels[0].advisoryIDs = ["P"];
      const levels = module ?? [[3, "UpToDate"]];
      document.tdxModuleIdentities[0].tcbLevels = levels.map(([isvsvn, tcbStatus]) => ({
        tcb: { isvsvn },
        tcbDate: isvsvn > 3 ? "2026-02-01T00:00:00Z" : "2025-02-01T00:00:00Z",
        tcbStatus,
        advisoryIDs: tcbStatus === "UpToDate" ? [] : [`M${isvsvn}`],
      }));
    },
    qeIdentity: (document) => {
      document.tcbLevels[0].tcbStatus = qe ?? "UpToDate";
      document.tcbLevels[0].advisoryIDs = ["P", "Q"];
    },
  });
  const quote = evidence.testQuote("tdx5td15", {
    body: { teeTcbSvn, teeTcbSvn2: svn(current ?? launch ?? [3, 1, 2]) },
  });
  return appraise({ type: "tdx", quote }, collateral, { now: evidence.TEST_NOW, policy });
}

const UPDATED = [
  [5, "UpToDate"],
  [3, "OutOfDate"],
] as const;

describe("a TD 1.5", () => {
  test.each<[string, Levels, string]>([
    ["whose module is current", {}, "UpToDate"],
    ["whose module is out of date", { module: UPDATED }, "OutOfDate"],
    ["whose module was updated in place", { module: UPDATED, current: [5, 1, 2] }, "TDRelaunchAdvised"],
    [
      "whose module was updated, on a platform that needs configuration",
      { module: UPDATED, current: [5, 1, 2], platform: "ConfigurationNeeded" },
      "TDRelaunchAdvisedConfigurationNeeded",
    ],
    [
      "whose module was updated, on a platform that is out of date itself",
      { module: UPDATED, current: [5, 1, 2], platform: "OutOfDate" },
      "OutOfDate",
    ],
    [
      "whose module was updated, with a quoting enclave that is out of date",
      { module: UPDATED, current: [5, 1, 2], qe: "OutOfDate" },
      "OutOfDate",
    ],
    [
      "whose module was updated to one that is out of date too",
      { module: UPDATED, current: [4, 1, 2] },
      "OutOfDate",
    ],
  ])("%s", (_name, levels, status) => {
    const result = appraiseTd15(levels);
    expect(result).toMatchObject({ code: "ok", tcbStatus: status });
  });

  test.each<[string, Levels, string]>([
    ["below every level", { current: [2, 1, 2] }, "tcb_current_not_found"],
    ["unknown", { current: [3, 2, 2] }, "tcb_current_not_found"],
    [
      "revoked",
      {
        module: [
          [3, "UpToDate"],
          [1, "Revoked"],
        ],
        current: [2, 1, 2],
      },
      "tcb_revoked",
    ],
  ])("whose running module is %s", (_name, levels, code) => {
    expect(appraiseTd15(levels).code).toBe(code);
  });

  test("has the advisories of all its parts, each once", () => {
    expect(appraiseTd15({ module: UPDATED }).advisoryIds).toEqual(["P", "M3", "Q"]);
  });

  test("of module major 0 is judged by the platform's own SVNs", () => {
    const result = appraiseTd15({ launch: [3, 0, 2], module: [] });
    expect(result.code).toBe("tcb_level_not_found");
  });
});

describe("TCB levels count from the highest SVNs down, in whatever order they stand:", () => {
  type Lower = (tcb: evidence.Loose) => unknown;
  test.each<[string, Lower]>([
    ["SGX components", (tcb) => (tcb.sgxtcbcomponents[0].svn = 1)],
    ["PCE SVN", (tcb) => (tcb.pcesvn = 1)],
    ["TDX components", (tcb) => (tcb.tdxtcbcomponents[2].svn = 1)],
    [
      "an earlier SGX component before all later ones",
      (tcb) => {
        tcb.sgxtcbcomponents[0].svn = 1;
        tcb.sgxtcbcomponents[1].svn = 4;
        tcb.pcesvn = 11;
      },
    ],
  ])("%s", (_name, lower) => {
    const statuses = [true, false].map((lowestFirst) => {
      const tcbInfo = (document: evidence.Loose) => {
        const [newest] = document.tcbLevels;
        const older = structuredClone({ ...newest, tcbStatus: "OutOfDate" });
        lower(older.tcb);
        document.tcbLevels = lowestFirst ? [older, newest] : [newest, older];
      };
      const quote = evidence.testQuote("tdx4");
      const collateral = evidence.testCollateral("tdx4", { tcbInfo });
      return appraise({ type: "tdx", quote }, collateral, { now: evidence.TEST_NOW, policy }).tcbStatus;
    });
    expect(statuses).toEqual(["UpToDate", "UpToDate"]);
  });
});

describe("merged statuses", () => {
  test.each([
    ["UpToDate", "OutOfDate", "OutOfDate"],
    ["SWHardeningNeeded", "OutOfDate", "OutOfDate"],
    ["ConfigurationNeeded", "OutOfDate", "OutOfDateConfigurationNeeded"],
    ["ConfigurationAndSWHardeningNeeded", "OutOfDate", "OutOfDateConfigurationNeeded"],
    ["OutOfDateConfigurationNeeded", "UpToDate", "OutOfDateConfigurationNeeded"],
    ["ConfigurationAndSWHardeningNeeded", "UpToDate", "ConfigurationAndSWHardeningNeeded"],
    ["SWHardeningNeeded", "ConfigurationNeeded", "ConfigurationAndSWHardeningNeeded"],
    ["OutOfDate", "Revoked", "Revoked"],
  ] as const)("%s with %s is %s", (platform, other, merged) => {
    expect(mergeStatuses(platform, [other])).toBe(merged);
  });

  test("a current part changes nothing, and two of a kind are one", () => {
    const stated = TCB_STATUSES.filter((status) => !status.startsWith("TD"));
    for (const status of stated) {
      expect(mergeStatuses(status, ["UpToDate"])).toBe(status);
      expect(mergeStatuses("UpToDate", [status])).toBe(status);
      expect(mergeStatuses(status, [status])).toBe(status);
    }
  });
});
