/**
 * Every field of every quote format, flipped, cut, stretched, truncated and swapped after it was signed. What is to
 * happen is told by field name: a field that the layout tables have and this file does not, fails the run.
 */
import { describe, expect, test } from "vitest";
import { concat, toBase64, utf8 } from "../../codec/index.ts";
import { developmentKey } from "../attest/simulated-pki.ts";
import { appraise, CollateralCache, parsePolicy } from "../index.ts";
import { ENCLAVE_REPORT_FIELDS, TD15_FIELDS } from "../parse/dcap-fields.ts";
import * as evidence from "../testing/dcap.ts";
import type { QuoteKind } from "../testing/dcap.ts";

interface Change {
  readonly kind: QuoteKind;
  /** The byte's place in the field, and the bits flipped. */
  readonly at: number;
  readonly mask: number;
}

type Expected = string | ((change: Change) => string);

interface Expectation {
  readonly flip: Expected;
  /** One byte fewer, and one more. */
  readonly cut: Expected;
  readonly stretch: Expected;
  /** The bytes of another good quote; `none` where no other good value exists. */
  readonly swap: Expected;
}

const SHIFTED = { cut: "quote_truncated", stretch: "quote_truncated" };
const SIGNED: Expectation = { ...SHIFTED, flip: "quote_signature_invalid", swap: "quote_signature_invalid" };
const RESERVED: Expectation = { ...SIGNED, swap: "none" };
const QE_SIGNED: Expectation = {
  ...SHIFTED,
  flip: "qe_report_signature_invalid",
  swap: "qe_report_signature_invalid",
};
const QE_RESERVED: Expectation = { ...QE_SIGNED, swap: "none" };

const isFive = (kind: QuoteKind) => kind.startsWith("tdx5");
/** What a size says that is one bit off: too long for what is there, or too short for what must be. */
const offSize = ({ at, mask }: Change) => (at === 0 && mask === 0x80 ? "quote_malformed" : "quote_truncated");

const HEADER: Readonly<Record<string, Expectation>> = {
  version: {
    flip: ({ kind, at, mask }) => {
      if (kind === "sgx3" || at > 0 || mask !== 1) return "quote_version_unsupported";
      // 4 becomes 5, whose body has a descriptor; 5 becomes 4, which has none.
      return kind === "tdx4" ? "quote_body_type_unsupported" : "quote_truncated";
    },
    cut: "quote_version_unsupported",
    stretch: "quote_key_type_unsupported",
    swap: ({ kind }) => (isFive(kind) ? "quote_truncated" : "quote_tee_type_unsupported"),
  },
  attestationKeyType: {
    flip: "quote_key_type_unsupported",
    cut: "quote_key_type_unsupported",
    stretch: "quote_tee_type_unsupported",
    swap: "none",
  },
  teeType: {
    flip: "quote_tee_type_unsupported",
    cut: ({ kind }) => (kind === "sgx3" ? "quote_vendor_unknown" : "quote_tee_type_unsupported"),
    stretch: "quote_vendor_unknown",
    swap: "quote_tee_type_unsupported",
  },
  qeSvn: { ...SIGNED, cut: "quote_vendor_unknown", stretch: "quote_vendor_unknown" },
  pceSvn: { ...SIGNED, cut: "quote_vendor_unknown", stretch: "quote_vendor_unknown" },
  qeVendorId: {
    flip: "quote_vendor_unknown",
    cut: "quote_vendor_unknown",
    stretch: ({ kind }) => (isFive(kind) ? "quote_body_type_unsupported" : "quote_truncated"),
    swap: "none",
  },
  userData: {
    ...SIGNED,
    cut: ({ kind }) => (isFive(kind) ? "quote_body_type_unsupported" : "quote_truncated"),
    stretch: ({ kind }) => (isFive(kind) ? "quote_body_type_unsupported" : "quote_truncated"),
  },
};

const OTHERS: Readonly<Record<string, Expectation>> = {
  "descriptor.bodyType": {
    flip: ({ at, mask }) => (at === 0 && mask === 1 ? "quote_malformed" : "quote_body_type_unsupported"),
    cut: "quote_body_type_unsupported",
    stretch: "quote_malformed",
    swap: "quote_malformed",
  },
  "descriptor.bodySize": {
    flip: "quote_malformed",
    cut: "quote_malformed",
    stretch: "quote_truncated",
    swap: "quote_malformed",
  },
  "signature.signatureDataLength": { ...SHIFTED, flip: "quote_truncated", swap: "none" },
  "signature.quoteSignature": SIGNED,
  "signature.attestationKey": {
    ...SHIFTED,
    flip: "qe_report_data_mismatch",
    swap: "qe_report_data_mismatch",
  },
  "wrapper.certificationType": { ...SHIFTED, flip: "quote_certification_unsupported", swap: "none" },
  "wrapper.certificationSize": { ...SHIFTED, flip: offSize, swap: "none" },
  "qe.qeReportSignature": QE_SIGNED,
  "qe.qeAuthDataLength": { ...SHIFTED, flip: "quote_truncated", swap: "none" },
  "qe.qeAuthData": { ...SHIFTED, flip: "qe_report_data_mismatch", swap: "qe_report_data_mismatch" },
  "certification.certificationType": { ...SHIFTED, flip: "quote_certification_unsupported", swap: "none" },
  "certification.certificationSize": {
    ...SHIFTED,
    flip: offSize,
    stretch: "certificate_malformed",
    swap: "none",
  },
  "certification.data": {
    flip: "certificate_malformed",
    cut: "quote_truncated",
    stretch: "quote_trailing_bytes",
    swap: "qe_report_signature_invalid",
  },
};

function expectationOf(name: string): Expectation | undefined {
  const [structure, field] = name.split(".") as [string, string];
  if (structure === "header") return HEADER[field];
  const isReserved = field.startsWith("reserved");
  if (structure === "enclave" || structure === "td") return isReserved ? RESERVED : SIGNED;
  if (structure === "qeReport") return isReserved ? QE_RESERVED : QE_SIGNED;
  return OTHERS[name];
}

function resolve(expected: Expected, change: Change): string {
  return typeof expected === "string" ? expected : expected(change);
}

const pki = evidence.testPki();
const policy = parsePolicy({
  formatVersion: 1,
  codeIdentity: "reported",
  roots: [{ certificate: toBase64(evidence.rootCertificate(pki)) }],
});
const cache = new CollateralCache();

function appraiserOf(kind: QuoteKind): (quote: Uint8Array) => string {
  const collateral = evidence.testCollateral(kind);
  const type = kind === "sgx3" ? "sgx" : "tdx";
  return (quote) => appraise({ type, quote }, collateral, { now: evidence.TEST_NOW, policy, cache }).code;
}

/** Values of every field that differ from those of `testQuote`, reserved and fixed ones aside. */
function otherValues(fields: readonly { name: string; byteLength: number }[]) {
  const named = fields.filter(({ name }) => !name.startsWith("reserved"));
  return Object.fromEntries(
    named.map(({ name, byteLength }) => [name, new Uint8Array(byteLength).fill(0x99)]),
  );
}

/** Another quote of the kind, by another platform and attestation key under the same root. */
function otherQuote(kind: QuoteKind): Uint8Array {
  const others = {
    ...pki,
    pck: developmentKey("Test two PCK"),
    attestation: developmentKey("Test other key"),
  };
  return evidence.testQuote(kind, {
    pki: others,
    header: { qeSvn: 9, pceSvn: 9, userData: new Uint8Array(20).fill(0x99) },
    body: otherValues(kind === "sgx3" ? ENCLAVE_REPORT_FIELDS : TD15_FIELDS),
    qeReport: otherValues(ENCLAVE_REPORT_FIELDS.filter(({ name }) => name !== "reportData")),
    qeAuthData: new Uint8Array(32).fill(0x99),
    certification: concat(utf8(evidence.pckChainPem(others)), new Uint8Array(1)),
  });
}

/** The kind whose header and descriptor differ from this one's. */
const COUNTERPARTS: Readonly<Record<QuoteKind, QuoteKind>> = {
  sgx3: "tdx4",
  tdx4: "sgx3",
  tdx5td10: "tdx5td15",
  tdx5td15: "tdx5td10",
};

function swapped(kind: QuoteKind, field: evidence.PlacedField): Uint8Array {
  const { name, offset, byteLength } = field;
  if (name === "header.version" && kind.startsWith("tdx5")) return Uint8Array.of(4, 0);
  const fromCounterpart =
    ["header.version", "header.teeType"].includes(name) || name.startsWith("descriptor");
  const source = fromCounterpart ? evidence.testQuote(COUNTERPARTS[kind]) : otherQuote(kind);
  if (name === "header.teeType" && kind.startsWith("tdx5")) return Uint8Array.of(0, 0, 0, 0);
  return source.subarray(offset, offset + byteLength);
}

const seen = new Set<string>();

describe.each(evidence.QUOTE_KINDS)("%s", (kind) => {
  const quote = evidence.testQuote(kind);
  const codeOf = appraiserOf(kind);
  const fields = evidence.placedFields(kind, quote);

  test("the quote is accepted as it was signed, and with zero bytes after it", () => {
    expect(codeOf(quote)).toBe("ok");
    expect(codeOf(concat(quote, new Uint8Array(70)))).toBe("ok");
    // Its signatures hold; only its QE is another one.
    expect(codeOf(otherQuote(kind))).toBe("qe_miscselect_mismatch");
  });

  test("the fields cover the quote", () => {
    const last = fields.at(-1)!;
    expect(last.offset + last.byteLength).toBe(quote.length);
  });

  test.each(fields)("$name", (field) => {
    const { name, offset, byteLength } = field;
    const expectation = expectationOf(name);
    expect(expectation, "the field has no expectation").toBeDefined();
    const { flip, cut, stretch, swap } = expectation!;
    for (const at of [0, byteLength >> 1, byteLength - 1]) {
      for (const mask of [0x01, 0x80]) {
        const changed = quote.slice();
        changed[offset + at]! ^= mask;
        expect(codeOf(changed), `byte ${at}, bits ${mask}`).toBe(resolve(flip, { kind, at, mask }));
      }
    }
    const change: Change = { kind, at: 0, mask: 0 };
    const before = quote.subarray(0, offset);
    const value = quote.subarray(offset, offset + byteLength);
    const after = quote.subarray(offset + byteLength);
    expect(codeOf(concat(before, value.subarray(1), after)), "cut").toBe(resolve(cut, change));
    expect(codeOf(concat(before, value, Uint8Array.of(1), after)), "stretched").toBe(
      resolve(stretch, change),
    );
    expect(codeOf(before), "truncated").toBe("quote_truncated");
    const other = swapped(kind, field);
    if (resolve(swap, change) === "none") expect(other).toEqual(value);
    else expect(codeOf(concat(before, other, after)), "swapped").toBe(resolve(swap, change));
    seen.add(name);
  });
});

test("no expectation is without a field", () => {
  for (const name of Object.keys(HEADER)) expect(seen).toContain(`header.${name}`);
  for (const name of Object.keys(OTHERS)) expect(seen).toContain(name);
});
