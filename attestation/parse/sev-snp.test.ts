import { describe, expect, test } from "vitest";
import { toHex } from "../../codec/index.ts";
import { testSnpEvidence } from "../testing/sev-snp.ts";
import { parseSnpTcb, snpProductOfCpuid, snpProductOfName, snpTcbBelow } from "./sev-snp-product.ts";
import { parseSnpReport, SNP_REPORT_BYTES, snpReportFields } from "./sev-snp.ts";

const VERSIONS = [2, 3, 4, 5] as const;

describe.each(VERSIONS)("version %i", (version) => {
  const { report } = testSnpEvidence({ version });

  test("the field table covers every byte once", () => {
    let end = 0;
    for (const { offset, byteLength } of snpReportFields(version)) {
      expect(offset).toBe(end);
      end += byteLength;
    }
    expect(end).toBe(SNP_REPORT_BYTES);
  });

  test("every reserved byte must be zero", () => {
    for (const { name, offset, byteLength } of snpReportFields(version).filter(
      ({ kind }) => kind === "zero",
    )) {
      for (let at = offset; at < offset + byteLength; at++) {
        const changed = report.slice();
        changed[at] = 1;
        expect(() => parseSnpReport(changed), name).toThrow(
          expect.objectContaining({ code: "report_reserved" }),
        );
      }
    }
  });

  test("has the fields of its version", () => {
    const parsed = parseSnpReport(report);
    expect(parsed.version).toBe(version);
    expect(parsed.cpuid).toEqual(version >= 3 ? { family: 0x19, model: 0x11, stepping: 1 } : undefined);
    expect(parsed.launchMitigationVector).toBe(version >= 4 ? 3n : undefined);
    expect(parsed.currentMitigationVector).toBe(version >= 4 ? 7n : undefined);
  });
});

test("fields are read from where the ABI puts them", () => {
  const report = parseSnpReport(testSnpEvidence().report);
  expect(report).toMatchObject({
    guestSvn: 7,
    vmpl: 1,
    signatureAlgorithm: 1,
    authorKeyEnabled: true,
    maskChipKey: false,
    signingKey: "vcek",
    currentVersion: { major: 1, minor: 55, build: 41 },
    committedVersion: { major: 1, minor: 55, build: 40 },
    policy: {
      abiMajor: 1,
      abiMinor: 0x36,
      smtAllowed: true,
      debugAllowed: false,
      migrationAgentAllowed: false,
    },
    platformInfo: {
      smtEnabled: true,
      tsmeEnabled: false,
      eccEnabled: true,
      aliasCheckComplete: true,
      unknownBits: 0n,
    },
  });
  expect(toHex(report.measurement)).toBe("3e".repeat(48));
  expect(toHex(report.reportData)).toBe("da".repeat(64));
  expect(toHex(report.hostData)).toBe("40".repeat(32));
});

test.each([
  [16, "smtAllowed"],
  [18, "migrationAgentAllowed"],
  [19, "debugAllowed"],
  [20, "singleSocketRequired"],
  [21, "cxlAllowed"],
  [22, "memAes256XtsRequired"],
  [23, "raplDisableRequired"],
  [24, "ciphertextHidingRequired"],
  [25, "pageSwapDisabled"],
] as const)("bit %i of the guest policy is %s", (index, name) => {
  const policy = (1n << 17n) | (1n << BigInt(index));
  const parsed = parseSnpReport(testSnpEvidence({ fields: { policy } }).report).policy;
  const set = Object.entries(parsed).filter(([, value]) => value === true);
  expect(set).toEqual([[name, true]]);
});

test.each([
  [0, "smtEnabled"],
  [1, "tsmeEnabled"],
  [2, "eccEnabled"],
  [3, "raplDisabled"],
  [4, "ciphertextHidingEnabled"],
  [5, "aliasCheckComplete"],
  [7, "tioEnabled"],
] as const)("bit %i of the platform info is %s", (index, name) => {
  const parsed = parseSnpReport(testSnpEvidence({ fields: { platformInfo: 1n << BigInt(index) } }).report);
  const set = Object.entries(parsed.platformInfo).filter(([, value]) => value === true);
  expect(set).toEqual([[name, true]]);
  expect(parsed.platformInfo.unknownBits).toBe(0n);
});

test.each<[string, Record<string, bigint>, string]>([
  ["version 1", { version: 1n }, "report_version"],
  ["version 6", { version: 6n }, "report_version"],
  ["guest policy without bit 17", { policy: 0x10000n }, "report_reserved"],
  ["guest policy with bit 26", { policy: 0x402_0000n }, "report_reserved"],
  ["guest policy with bit 63", { policy: (1n << 63n) | 0x20000n }, "report_reserved"],
  ["a reserved signing key", { keyInfo: 0x08n }, "report_reserved"],
  ["a reserved bit of the key information", { keyInfo: 0x20n }, "report_reserved"],
])("%s is refused", (_, fields, code) => {
  const { report } = testSnpEvidence({ fields });
  expect(() => parseSnpReport(report)).toThrow(expect.objectContaining({ name: "AttestationError", code }));
});

test.each([0, 1, 671, 672, 1183, 1185, 4096])("%i bytes are no report", (byteLength) => {
  const bytes = new Uint8Array(byteLength);
  expect(() => parseSnpReport(bytes)).toThrow(expect.objectContaining({ code: "report_size" }));
});

describe("products", () => {
  test.each([
    [0x19, 0x00, "Milan"],
    [0x19, 0x01, "Milan"],
    [0x19, 0x0f, "Milan"],
    [0x19, 0x10, "Genoa"],
    [0x19, 0x11, "Genoa"],
    [0x19, 0xa0, "Genoa"],
    [0x19, 0xaf, "Genoa"],
    [0x1a, 0x02, "Turin"],
    [0x1a, 0x11, "Turin"],
  ] as const)("family %i, model %i is %s", (family, model, product) => {
    expect(snpProductOfCpuid(family, model)).toBe(product);
  });

  test.each([
    [0x17, 0x31],
    [0x19, 0x20],
    [0x19, 0x61],
    [0x19, 0xb0],
    [0x1a, 0x12],
    [0x1a, 0x50],
    [0, 0],
  ])("family %i, model %i is unknown", (family, model) => {
    expect(() => snpProductOfCpuid(family, model)).toThrow(
      expect.objectContaining({ code: "product_unknown" }),
    );
  });

  test("names, with or without a stepping", () => {
    expect(
      ["Milan-B0", "Genoa", "Genoa-B2", "Bergamo-A0", "Siena", "Turin-B1"].map(snpProductOfName),
    ).toEqual(["Milan", "Genoa", "Genoa", "Genoa", "Genoa", "Turin"]);
    for (const name of ["", "Rome-B0", "milan", "MilanX", "-Milan"]) {
      expect(() => snpProductOfName(name)).toThrow(expect.objectContaining({ code: "product_unknown" }));
    }
  });
});

describe("TCB versions", () => {
  const bytes = Uint8Array.of(1, 2, 0, 0, 0, 0, 7, 8);

  test("Milan and Genoa have one layout, Turin another", () => {
    const older = { bootloader: 1, tee: 2, snp: 7, microcode: 8, fmc: undefined };
    expect(parseSnpTcb(bytes, "Milan")).toEqual(older);
    expect(parseSnpTcb(bytes, "Genoa")).toEqual(older);
    const turin = { fmc: 1, bootloader: 2, tee: 3, snp: 4, microcode: 8 };
    expect(parseSnpTcb(Uint8Array.of(1, 2, 3, 4, 0, 0, 0, 8), "Turin")).toEqual(turin);
  });

  test("reserved bytes must be zero", () => {
    for (const [product, at] of [
      ["Milan", 2],
      ["Genoa", 5],
      ["Turin", 4],
      ["Turin", 6],
    ] as const) {
      const changed = new Uint8Array(8);
      changed[at] = 1;
      expect(() => parseSnpTcb(changed, product)).toThrow(
        expect.objectContaining({ code: "report_reserved" }),
      );
    }
  });

  test("are compared part by part", () => {
    const tcb = parseSnpTcb(bytes, "Milan");
    expect(snpTcbBelow(tcb, tcb)).toEqual([]);
    expect(snpTcbBelow(tcb, { snp: 8, microcode: 8 })).toEqual(["snp"]);
    expect(snpTcbBelow(tcb, { bootloader: 0, tee: 3, fmc: 1 })).toEqual(["tee", "fmc"]);
  });
});
