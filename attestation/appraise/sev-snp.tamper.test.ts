/**
 * Every field of every report version, flipped byte by byte, cut, stretched and swapped, after it was signed. What is
 * to happen is told by field name: a field that the ABI's table has and this file does not, fails the run.
 */
import { describe, expect, test } from "vitest";
import { concat } from "../../codec/index.ts";
import { SNP_REPORT_FIELDS, snpReportFields, type SnpReportField } from "../parse/sev-snp.ts";
import { appraiseTestSnp } from "../testing/appraise.ts";
import { testSnpEvidence, type TestSnpEvidence } from "../testing/sev-snp.ts";

const VERSIONS = [2, 3, 4, 5] as const;
type Version = (typeof VERSIONS)[number];
type FieldName = (typeof SNP_REPORT_FIELDS)[number]["name"];

interface Expectation {
  /** By the byte's place in the field and the bits flipped. */
  readonly flip: (at: number, mask: number, version: Version) => string;
  /** With the bytes of another good report; `none` where no other good value exists. */
  readonly swap: (version: Version) => string;
}

const SIGNED: Expectation = {
  flip: () => "report_signature_invalid",
  swap: () => "report_signature_invalid",
};
const ZERO: Expectation = { flip: () => "report_reserved", swap: () => "none" };

const EXPECTED: Readonly<Record<FieldName, Expectation>> = {
  version: {
    flip: (at, mask, version) => {
      if (at > 0 || mask !== 1) return "report_version";
      // 2 becomes 3, 4 becomes 5 and 5 becomes 4 in layouts that hold them; 3 becomes 2, which has no CPUID.
      return version === 3 ? "report_reserved" : "report_signature_invalid";
    },
    // Version 2 becomes 5, whose mitigation vectors may be zero; the others become 2, which has no CPUID.
    swap: (version) => (version === 2 ? "report_signature_invalid" : "report_reserved"),
  },
  guestSvn: SIGNED,
  policy: {
    flip: (at, mask) => {
      const isMustBeOne = at === 2 && mask === 2;
      const isReserved = at > 3 || (at === 3 && mask > 2);
      return isMustBeOne || isReserved ? "report_reserved" : "report_signature_invalid";
    },
    swap: () => "report_signature_invalid",
  },
  familyId: SIGNED,
  imageId: SIGNED,
  vmpl: SIGNED,
  signatureAlgorithm: { flip: () => "report_signature_algorithm", swap: () => "none" },
  currentTcb: SIGNED,
  platformInfo: SIGNED,
  keyInfo: {
    flip: (at, mask) => {
      if (at > 0 || mask > 0x10) return "report_reserved";
      // Bit 0 is the author key's, bit 1 hides the chip key, bits 2 to 4 name the signing key.
      return mask === 1
        ? "report_signature_invalid"
        : mask === 2
          ? "report_unsigned"
          : mask === 4
            ? "endorsement_mismatch"
            : "report_reserved";
    },
    swap: () => "report_signature_invalid",
  },
  reserved04c: ZERO,
  reportData: SIGNED,
  measurement: SIGNED,
  hostData: SIGNED,
  idKeyDigest: SIGNED,
  authorKeyDigest: SIGNED,
  reportId: SIGNED,
  reportIdMa: SIGNED,
  reportedTcb: SIGNED,
  reserved188: ZERO,
  cpuidFamily: SIGNED,
  cpuidModel: SIGNED,
  cpuidStepping: SIGNED,
  reserved18b: ZERO,
  chipId: SIGNED,
  committedTcb: SIGNED,
  currentBuild: SIGNED,
  currentMinor: SIGNED,
  currentMajor: SIGNED,
  reserved1eb: ZERO,
  committedBuild: SIGNED,
  committedMinor: SIGNED,
  committedMajor: SIGNED,
  reserved1ef: ZERO,
  launchTcb: SIGNED,
  reserved1f8: ZERO,
  launchMitigationVector: SIGNED,
  currentMitigationVector: SIGNED,
  reserved208: ZERO,
  signatureR: SIGNED,
  signatureS: SIGNED,
  reserved330: ZERO,
};

function codeOf(evidence: TestSnpEvidence, report: Uint8Array): string {
  return appraiseTestSnp({ ...evidence, report }).code;
}

function nines(byteLength: number): Uint8Array {
  return new Uint8Array(byteLength).fill(0x99);
}

/** Another good report of the same version, whose every value differs; for `version`, of another version. */
function other(version: Version, name: string): Uint8Array {
  const otherVersion = version === 2 ? 5 : 2;
  return testSnpEvidence({
    product: "Turin",
    version: name === "version" ? otherVersion : version,
    fields: {
      guestSvn: 9n,
      policy: 0x17_0137n,
      familyId: nines(16),
      imageId: nines(16),
      vmpl: 2n,
      platformInfo: 0x2n,
      keyInfo: 0n,
      reportData: nines(64),
      measurement: nines(48),
      hostData: nines(32),
      idKeyDigest: nines(48),
      authorKeyDigest: nines(48),
      reportId: nines(32),
      reportIdMa: nines(32),
      currentBuild: 50n,
      currentMinor: 58n,
      currentMajor: 2n,
      committedBuild: 49n,
      committedMinor: 58n,
      committedMajor: 2n,
      launchMitigationVector: 0x1fn,
      currentMitigationVector: 0x1fn,
      ...(version >= 3 && { cpuidModel: 0x10n, cpuidStepping: 2n }),
    },
  }).report;
}

const seen = new Set<string>();

describe.each(VERSIONS)("report version %i", (version) => {
  const evidence = testSnpEvidence({ version });
  const { report } = evidence;
  const fields = snpReportFields(version) as readonly (SnpReportField & { name: FieldName })[];

  test("the report is accepted as it was signed", () => {
    expect(codeOf(evidence, report)).toBe("ok");
  });

  test.each(fields)("$name", ({ name, offset, byteLength }) => {
    const { flip, swap } = EXPECTED[name];
    // Every byte once in the newest version, the ends with more bits in all of them.
    const ends = [0, byteLength - 1].flatMap((at) =>
      [0x01, 0x02, 0x04, 0x10, 0x80].map((mask) => [at, mask] as const),
    );
    const all = Array.from({ length: version === 5 ? byteLength : 0 }, (_, at) => [at, 0x01] as const);
    for (const [at, mask] of [...ends, ...all]) {
      const changed = report.slice();
      changed[offset + at]! ^= mask;
      expect(codeOf(evidence, changed), `byte ${at}, bits ${mask}`).toBe(flip(at, mask, version));
    }
    const before = report.subarray(0, offset);
    const after = report.subarray(offset + byteLength);
    const value = report.subarray(offset, offset + byteLength);
    expect(codeOf(evidence, concat(before, value.subarray(1), after)), "cut").toBe("report_size");
    expect(codeOf(evidence, concat(before, value, Uint8Array.of(0), after)), "stretched").toBe("report_size");
    expect(codeOf(evidence, report.subarray(0, offset)), "truncated").toBe("report_size");
    const swapped = other(version, name).subarray(offset, offset + byteLength);
    const expected = swap(version);
    if (expected === "none") expect(swapped).toEqual(value);
    else expect(codeOf(evidence, concat(before, swapped, after)), "swapped").toBe(expected);
    seen.add(name);
  });
});

test("no field is left out", () => {
  expect([...seen].sort()).toEqual(Object.keys(EXPECTED).sort());
  expect(new Set(SNP_REPORT_FIELDS.map(({ name }) => name))).toEqual(seen);
});
