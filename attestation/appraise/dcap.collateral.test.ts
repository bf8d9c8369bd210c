/**
 * Collateral, part by part: flipped, truncated, extended, emptied and swapped after it was signed, and signed documents
 * that say something else. A member without an expectation fails the run.
 */
import { describe, expect, test } from "vitest";
import { fromHex, toBase64, toHex, utf8 } from "../../codec/index.ts";
import { pem } from "../attest/der-write.ts";
import { certificate, crl, developmentKey } from "../attest/simulated-pki.ts";
import { appraise, parsePolicy } from "../index.ts";
import { COLLATERAL_MEMBERS, type DcapCollateral } from "../parse/dcap-collateral.ts";
import * as evidence from "../testing/dcap.ts";
import { parsePem } from "../verify/pem.ts";
import { parseCertificate } from "../verify/x509.ts";

type Member = (typeof COLLATERAL_MEMBERS)[number];

const pki = evidence.testPki();
const root = evidence.rootCertificate(pki);
const policy = parsePolicy({
  formatVersion: 1,
  codeIdentity: "reported",
  roots: [{ certificate: toBase64(root) }],
});
const quote = evidence.testQuote("tdx4");
const collateral = evidence.testCollateral("tdx4");

function codeOf(endorsements: unknown, now = evidence.TEST_NOW, evidenceQuote = quote): string {
  return appraise({ type: "tdx", quote: evidenceQuote }, endorsements, { now, policy }).code;
}

interface Expectation {
  readonly flip: string;
  readonly truncate: string;
  readonly extend: string;
  readonly empty: string;
  /** With the same member under another root, and of the other technology under the same one. */
  readonly otherRoot: string;
  readonly otherType: string;
}

const EXPECTED: Readonly<Record<Member, Expectation>> = {
  pck_crl_issuer_chain: {
    flip: "certificate_signature_invalid",
    truncate: "certificate_malformed",
    extend: "certificate_malformed",
    empty: "crl_chain_length",
    otherRoot: "certificate_untrusted_root",
    otherType: "ok",
  },
  root_ca_crl: {
    flip: "crl_signature_invalid",
    truncate: "crl_malformed",
    extend: "crl_malformed",
    empty: "crl_malformed",
    otherRoot: "crl_issuer_mismatch",
    otherType: "ok",
  },
  pck_crl: {
    flip: "crl_signature_invalid",
    truncate: "crl_malformed",
    extend: "crl_malformed",
    empty: "crl_malformed",
    otherRoot: "crl_issuer_mismatch",
    otherType: "ok",
  },
  tcb_info_issuer_chain: {
    flip: "certificate_signature_invalid",
    truncate: "certificate_malformed",
    extend: "certificate_malformed",
    empty: "tcb_info_chain_length",
    otherRoot: "certificate_untrusted_root",
    otherType: "ok",
  },
  tcb_info: {
    flip: "tcb_info_signature_invalid",
    truncate: "tcb_info_malformed",
    extend: "tcb_info_malformed",
    empty: "tcb_info_malformed",
    otherRoot: "ok",
    otherType: "tcb_info_signature_invalid",
  },
  tcb_info_signature: {
    flip: "tcb_info_signature_invalid",
    truncate: "collateral_malformed",
    extend: "collateral_malformed",
    empty: "collateral_malformed",
    otherRoot: "tcb_info_signature_invalid",
    otherType: "tcb_info_signature_invalid",
  },
  qe_identity_issuer_chain: {
    flip: "certificate_signature_invalid",
    truncate: "certificate_malformed",
    extend: "certificate_malformed",
    empty: "qe_identity_chain_length",
    otherRoot: "certificate_untrusted_root",
    otherType: "ok",
  },
  qe_identity: {
    flip: "qe_identity_signature_invalid",
    truncate: "qe_identity_malformed",
    extend: "qe_identity_malformed",
    empty: "qe_identity_malformed",
    otherRoot: "ok",
    otherType: "qe_identity_signature_invalid",
  },
  qe_identity_signature: {
    flip: "qe_identity_signature_invalid",
    truncate: "collateral_malformed",
    extend: "collateral_malformed",
    empty: "collateral_malformed",
    otherRoot: "qe_identity_signature_invalid",
    otherType: "qe_identity_signature_invalid",
  },
};

/** Where one character changes content and not form: a validity date, a serial, a number in a document. */
function flipped(member: Member): string {
  const text = collateral[member];
  if (member === "tcb_info" || member === "qe_identity") return text.replace('"isvsvn":', '"isvsvn":1');
  if (member.endsWith("signature")) return text.slice(0, -1) + (text.endsWith("0") ? "1" : "0");
  if (member.endsWith("crl")) return text.replace(toHex(utf8("260620")), toHex(utf8("270620")));
  // A byte of the first certificate's serial number, which stands at a fixed place.
  const [first, ...others] = parsePem(text) as [Uint8Array, ...Uint8Array[]];
  first[20]! ^= 1;
  return [first, ...others].map((der) => pem("CERTIFICATE", der)).join("");
}

test("the collateral is accepted as it was signed", () => {
  expect(codeOf(collateral)).toBe("ok");
});

test.each(COLLATERAL_MEMBERS)("%s", (member) => {
  const expected = EXPECTED[member];
  const text = collateral[member];
  const other = evidence.testCollateral("tdx4", { pki: evidence.testPki("two") });
  const otherType = evidence.testCollateral("sgx3");
  const change = (value: unknown) => codeOf({ ...collateral, [member]: value });
  expect(flipped(member)).not.toBe(text);
  expect(change(flipped(member)), "flipped").toBe(expected.flip);
  expect(change(text.slice(0, -2)), "truncated").toBe(expected.truncate);
  expect(change(`${text}00`), "extended").toBe(expected.extend);
  expect(change(""), "empty").toBe(expected.empty);
  expect(change(other[member]), "of another root").toBe(expected.otherRoot);
  expect(change(otherType[member]), "of another technology").toBe(expected.otherType);
  for (const value of [undefined, null, 1, {}, []])
    expect(change(value), String(value)).toBe("collateral_malformed");
});

test.each([null, undefined])("collateral that is %s", (value) => {
  expect(codeOf(value)).toBe("collateral_missing");
});

test.each([1, "text", [], () => 0])("collateral that is %s", (value) => {
  expect(codeOf(value)).toBe("collateral_malformed");
});

type Change = (document: evidence.Loose) => void;

function without(name: string): Change {
  return (document) => delete document[name];
}

function addLowerLevel(document: evidence.Loose, tcbStatus: string): void {
  document.tcbLevels.push({ ...document.tcbLevels[0], tcb: { isvsvn: 1 }, tcbStatus });
}

test("version 3 of a QE identity is TDX's alone", () => {
  const endorsements = evidence.testCollateral("sgx3", { qeIdentity: (document) => (document.version = 3) });
  const sgx = { type: "sgx", quote: evidence.testQuote("sgx3") } as const;
  expect(appraise(sgx, endorsements, { now: evidence.TEST_NOW, policy }).code).toBe("qe_identity_malformed");
});

describe("signed TCB info that says something else", () => {
  const level = { tcbDate: "2026-01-01T00:00:00Z", tcbStatus: "UpToDate" };
  test.each<[string, Change, string]>([
    ["issued in the future", (d) => (d.issueDate = "2026-06-02T00:00:00Z"), "tcb_info_not_yet_valid"],
    ["to be renewed before now", (d) => (d.nextUpdate = "2026-06-01T11:59:59Z"), "tcb_info_expired"],
    ["to be renewed now", (d) => (d.nextUpdate = "2026-06-01T12:00:00Z"), "ok"],
    ["date that is none", (d) => (d.nextUpdate = "2026-02-30T12:00:00Z"), "tcb_info_malformed"],
    ["date in another form", (d) => (d.nextUpdate = "2026-07-01T12:00:00+00:00"), "tcb_info_malformed"],
    ["for SGX", (d) => (d.id = "SGX"), "tcb_info_mismatch"],
    ["for nothing known", (d) => (d.id = "TDX2"), "tcb_info_malformed"],
    ["version 2", (d) => (d.version = 2), "tcb_info_malformed"],
    ["another TCB type", (d) => (d.tcbType = 1), "tcb_info_malformed"],
    ["another FMSPC", (d) => (d.fmspc = "eeeeeeeeeeef"), "fmspc_mismatch"],
    ["FMSPC too short", (d) => (d.fmspc = "eeee"), "tcb_info_malformed"],
    ["another PCE id", (d) => (d.pceId = "eeef"), "pce_id_mismatch"],
    ["no levels", (d) => (d.tcbLevels = []), "tcb_level_not_found"],
    ["a higher PCE SVN", (d) => (d.tcbLevels[0].tcb.pcesvn = 12), "tcb_level_not_found"],
    ["a higher SGX SVN", (d) => (d.tcbLevels[0].tcb.sgxtcbcomponents[15].svn = 5), "tcb_level_not_found"],
    ["a higher TDX SVN", (d) => (d.tcbLevels[0].tcb.tdxtcbcomponents[2].svn = 3), "tcb_level_not_found"],
    [
      "higher TDX SVNs 0 and 1, which the module judges",
      (d) => {
        d.tcbLevels[0].tcb.tdxtcbcomponents[0].svn = 200;
        d.tcbLevels[0].tcb.tdxtcbcomponents[1].svn = 200;
      },
      "ok",
    ],
    ["15 SGX SVNs", (d) => d.tcbLevels[0].tcb.sgxtcbcomponents.pop(), "tcb_components_mismatch"],
    ["17 SGX SVNs", (d) => d.tcbLevels[0].tcb.sgxtcbcomponents.push({ svn: 0 }), "tcb_info_malformed"],
    ["no TDX SVNs", (d) => delete d.tcbLevels[0].tcb.tdxtcbcomponents, "tcb_components_mismatch"],
    ["an SVN of 256", (d) => (d.tcbLevels[0].tcb.sgxtcbcomponents[0].svn = 256), "tcb_info_malformed"],
    ["an SVN as text", (d) => (d.tcbLevels[0].tcb.sgxtcbcomponents[0].svn = "1"), "tcb_info_malformed"],
    ["a revoked level", (d) => (d.tcbLevels[0].tcbStatus = "Revoked"), "tcb_revoked"],
    ["a status that is unknown", (d) => (d.tcbLevels[0].tcbStatus = "Fine"), "tcb_info_malformed"],
    [
      "a status that is not Intel's to state",
      (d) => (d.tcbLevels[0].tcbStatus = "TDRelaunchAdvised"),
      "tcb_info_malformed",
    ],
    [
      "a level above that does not match",
      (d) => {
        const high = structuredClone(d.tcbLevels[0]);
        high.tcb.pcesvn = 12;
        high.tcbStatus = "Revoked";
        d.tcbLevels.unshift(high);
      },
      "ok",
    ],
    ["no module, though the identities name it", without("tdxModule"), "tdx_module_missing"],
    ["no module identities", without("tdxModuleIdentities"), "tdx_module_missing"],
    [
      "a status that no module has",
      (d) => (d.tdxModuleIdentities[0].tcbLevels[0].tcbStatus = "SWHardeningNeeded"),
      "tcb_info_malformed",
    ],
    ["identities of other modules", (d) => (d.tdxModuleIdentities[0].id = "TDX_02"), "tdx_module_missing"],
    [
      "another signer of the module",
      (d) => (d.tdxModuleIdentities[0].mrsigner = "00".repeat(48)),
      "tdx_module_mrsigner_mismatch",
    ],
    [
      "attributes of the module",
      (d) => (d.tdxModuleIdentities[0].attributes = "0100000000000000"),
      "tdx_module_attributes_mismatch",
    ],
    [
      "a newer module alone",
      (d) => (d.tdxModuleIdentities[0].tcbLevels[0].tcb.isvsvn = 4),
      "tdx_module_tcb_not_found",
    ],
    [
      "a revoked module",
      (d) => (d.tdxModuleIdentities[0].tcbLevels = [{ tcb: { isvsvn: 1 }, ...level, tcbStatus: "Revoked" }]),
      "tcb_revoked",
    ],
    [
      "a member named __proto__",
      (d) => Object.defineProperty(d, "__proto__", { value: { tcbLevels: [] }, enumerable: true }),
      "ok",
    ],
  ])("%s", (_name, tcbInfo, code) => {
    expect(codeOf(evidence.testCollateral("tdx4", { tcbInfo }))).toBe(code);
  });
});

describe("signed QE identity that says something else", () => {
  test.each<[string, Change, string]>([
    ["issued in the future", (d) => (d.issueDate = "2026-06-02T00:00:00Z"), "qe_identity_not_yet_valid"],
    ["to be renewed before now", (d) => (d.nextUpdate = "2026-06-01T11:59:59Z"), "qe_identity_expired"],
    ["for SGX", (d) => (d.id = "QE"), "qe_identity_mismatch"],
    ["for the verifying enclave", (d) => (d.id = "QVE"), "qe_identity_malformed"],
    ["version 1", (d) => (d.version = 1), "qe_identity_malformed"],
    ["version 3", (d) => (d.version = 3), "ok"],
    ["version 4", (d) => (d.version = 4), "qe_identity_malformed"],
    [
      "a status that no quoting enclave has",
      (d) => (d.tcbLevels[0].tcbStatus = "SWHardeningNeeded"),
      "qe_identity_malformed",
    ],
    ["a lower level of such a status", (d) => addLowerLevel(d, "SWHardeningNeeded"), "ok"],
    ["another MISCSELECT", (d) => (d.miscselect = "00000001"), "qe_miscselect_mismatch"],
    ["a high bit of MISCSELECT", (d) => (d.miscselect = "80000000"), "qe_miscselect_mismatch"],
    [
      "other attributes",
      (d) => (d.attributes = "15000000000000000000000000000000"),
      "qe_attributes_mismatch",
    ],
    ["another signer", (d) => (d.mrsigner = "00".repeat(32)), "qe_mrsigner_mismatch"],
    ["another product", (d) => (d.isvprodid = 3), "qe_isvprodid_mismatch"],
    ["a newer QE alone", (d) => (d.tcbLevels[0].tcb.isvsvn = 6), "qe_tcb_not_found"],
    ["a revoked QE", (d) => (d.tcbLevels[0].tcbStatus = "Revoked"), "tcb_revoked"],
    ["no levels", without("tcbLevels"), "qe_identity_malformed"],
  ])("%s", (_name, qeIdentity, code) => {
    expect(codeOf(evidence.testCollateral("tdx4", { qeIdentity }))).toBe(code);
  });
});

function serialOf(der: Uint8Array): Uint8Array {
  return parseCertificate(der).serial;
}

describe.each(["root_ca_crl", "pck_crl"] as const)("%s in PEM", (member) => {
  const text = pem("X509 CRL", fromHex(collateral[member]));
  test.each<[string, string, string]>([
    ["is read", text, "ok"],
    ["is one CRL", text + text, "collateral_malformed"],
    ["has an end", text.slice(0, -10), "collateral_malformed"],
    ["is base64", text.replace("MI", "M!"), "collateral_malformed"],
    ["is no certificate", text.replaceAll("X509 CRL", "CERTIFICATE"), "collateral_malformed"],
    ["holds DER", pem("X509 CRL", new Uint8Array(9)), "crl_malformed"],
  ])("%s", (_name, value, code) => {
    expect(codeOf({ ...collateral, [member]: value })).toBe(code);
  });
});

describe("CRLs", () => {
  const early = {
    thisUpdate: new Date("2026-01-01T00:00:00Z"),
    nextUpdate: new Date("2026-06-01T11:59:59Z"),
  };
  const late = { thisUpdate: new Date("2026-06-01T12:00:01Z"), nextUpdate: new Date("2026-07-01T00:00:00Z") };

  test.each([
    ["that are out of date", { crlDates: early }, "crl_expired"],
    ["from the future", { crlDates: late }, "crl_not_yet_valid"],
    [
      "that revoke another certificate",
      { platformRevokes: [fromHex("1234")], rootRevokes: [fromHex("1234")] },
      "ok",
    ],
    [
      "that revoke the PCK",
      { platformRevokes: [serialOf(evidence.pckCertificate(pki))] },
      "certificate_revoked",
    ],
    [
      "that revoke the platform CA",
      { rootRevokes: [serialOf(evidence.platformCaCertificate(pki))] },
      "certificate_revoked",
    ],
    ["that revoke the root", { rootRevokes: [serialOf(root)] }, "certificate_revoked"],
    [
      "that revoke the TCB signer",
      {
        rootRevokes: [serialOf(certificate({ subject: pki.tcbSigning, issuer: pki.root }))],
      },
      "certificate_revoked",
    ],
  ])("%s", (_name, options, code) => {
    expect(codeOf(evidence.testCollateral("tdx4", options))).toBe(code);
  });

  test("of another authority cover nothing of the PCK chain", () => {
    const ca = developmentKey("Test one processor CA");
    const dates = {
      thisUpdate: new Date("2026-05-20T00:00:00Z"),
      nextUpdate: new Date("2026-06-20T00:00:00Z"),
    };
    const chain = pem("CERTIFICATE", certificate({ subject: ca, issuer: pki.root, authorityPathLength: 0 }));
    const other: DcapCollateral = {
      ...collateral,
      pck_crl_issuer_chain: chain + pem("CERTIFICATE", root),
      pck_crl: toHex(crl({ issuer: ca, ...dates })),
    };
    expect(codeOf(other)).toBe("crl_missing");
  });
});

test("a platform's key cannot stand in for the TCB signer's", () => {
  const text = collateral.tcb_info;
  const forged = { ...collateral, ...evidence.signDocument("tcb_info", text, pki.pck) };
  expect(codeOf({ ...forged, tcb_info_issuer_chain: evidence.pckChainPem(pki) })).toBe(
    "tcb_info_chain_length",
  );
});

/** A quote of certification type 3: it names its platform by an encrypted PPID, and brings no chain. */
function type3(byteLength = 404): Uint8Array {
  return evidence.testQuote("tdx4", { certificationType: 3, certification: new Uint8Array(byteLength) });
}

const withChain = (chain: string) => codeOf({ ...collateral, pck_certificate_chain: chain });

describe("the PCK chain", () => {
  test("of the collateral must hold and agree where the quote brings one too", () => {
    expect(withChain(evidence.pckChainPem(pki))).toBe("ok");
    expect(withChain("")).toBe("pck_chain_length");
    expect(withChain("no PEM")).toBe("certificate_malformed");
    expect(withChain(evidence.pckChainPem(evidence.testPki("two")))).toBe("certificate_untrusted_root");
    const otherPlatform = { ...evidence.TEST_PLATFORM, pceSvn: 10 };
    expect(withChain(evidence.pckChainPem(pki, otherPlatform))).toBe("pck_chain_mismatch");
  });

  test("comes with the collateral where the quote has none", () => {
    const chain = evidence.pckChainPem(pki);
    expect(codeOf({ ...collateral, pck_certificate_chain: chain }, evidence.TEST_NOW, type3())).toBe("ok");
    expect(codeOf(collateral, evidence.TEST_NOW, type3())).toBe("pck_chain_missing");
    expect(codeOf({ ...collateral, pck_certificate_chain: null }, evidence.TEST_NOW, type3())).toBe(
      "pck_chain_missing",
    );
    const short = type3(403);
    expect(codeOf({ ...collateral, pck_certificate_chain: chain }, evidence.TEST_NOW, short)).toBe(
      "quote_malformed",
    );
  });

  test.each([
    ["of another root", evidence.pckChainPem(evidence.testPki("two")), "certificate_untrusted_root"],
    ["of one certificate", pem("CERTIFICATE", evidence.pckCertificate(pki)), "pck_chain_length"],
    ["of none", "", "pck_chain_length"],
    [
      "with an authority first",
      pem("CERTIFICATE", evidence.platformCaCertificate(pki)) + pem("CERTIFICATE", root),
      "certificate_ca_as_leaf",
    ],
    [
      "without the platform CA",
      pem("CERTIFICATE", evidence.pckCertificate(pki)) + pem("CERTIFICATE", root),
      "certificate_issuer_mismatch",
    ],
    [
      "whose leaf says nothing of a platform",
      pem("CERTIFICATE", certificate({ subject: pki.pck, issuer: pki.platformCa })) +
        pem("CERTIFICATE", evidence.platformCaCertificate(pki)) +
        pem("CERTIFICATE", root),
      "pck_extension_malformed",
    ],
    ["that is no PEM", "text", "certificate_malformed"],
  ])("%s", (_name, chain, code) => {
    const changed = evidence.testQuote("tdx4", { certification: utf8(chain) });
    expect(codeOf(collateral, evidence.TEST_NOW, changed)).toBe(code);
  });
});

test("certificates are valid from their first second to their last", () => {
  const lax = { issueDate: "2024-01-01T00:00:00Z", nextUpdate: "2060-01-01T00:00:00Z" };
  const timeless = evidence.testCollateral("tdx4", {
    tcbInfo: (document) => Object.assign(document, lax),
    qeIdentity: (document) => Object.assign(document, lax),
    crlDates: { thisUpdate: new Date("2024-01-01T00:00:00Z"), nextUpdate: new Date("2060-01-01T00:00:00Z") },
  });
  expect(codeOf(timeless, new Date("2025-01-01T00:00:00Z"))).toBe("ok");
  expect(codeOf(timeless, new Date("2024-12-31T23:59:59Z"))).toBe("certificate_not_yet_valid");
  expect(codeOf(timeless, new Date("2049-12-31T23:59:59Z"))).toBe("ok");
  expect(codeOf(timeless, new Date("2050-01-01T00:00:00Z"))).toBe("certificate_expired");
});
