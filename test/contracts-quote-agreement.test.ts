/**
 * The contracts and the TypeScript verifier, asked the same: every field of a quote flipped, quotes and collateral that
 * were signed with something wrong in them. Both give the same code, but for what `CHAIN_CODES` names.
 */
import type { Hex } from "viem";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { concat, fromHex, toBase64 } from "../codec/index.ts";
import {
  appraise,
  CollateralCache,
  parseCertificate,
  parsePolicy,
  type Appraisal,
} from "../attestation/index.ts";
import { certificate } from "../attestation/attest/simulated-pki.ts";
import * as evidence from "../attestation/testing/dcap.ts";
import type { CollateralOptions, Loose, QuoteOptions } from "../attestation/testing/dcap.ts";
import { startAnvil, type Chain } from "./anvil.ts";
import { buildContracts } from "./contracts-build.ts";
import { codeOfCall, deployQuoteVerifier, verifyCall } from "./quote-chain.ts";

const pki = evidence.testPki();
const root = evidence.rootCertificate(pki);
const policy = parsePolicy({
  formatVersion: 1,
  codeIdentity: "reported",
  roots: [{ certificate: toBase64(root) }],
});
const NOW_SECONDS = evidence.TEST_NOW.getTime() / 1000;

const goodCollateral = evidence.testCollateral("tdx4");

const cache = new CollateralCache();

function appraiseHere(quote: Uint8Array) {
  return appraise({ type: "tdx", quote }, goodCollateral, { now: evidence.TEST_NOW, policy, cache });
}

/** What the verifier says, where the contracts say something else: they know format 4 alone, and TCB info by platform. */
const CHAIN_CODES: Readonly<Record<string, string>> = {
  quote_body_type_unsupported: "quote_version_unsupported",
  fmspc_mismatch: "collateral_missing",
  pce_id_mismatch: "collateral_missing",
  tcb_info_malformed: "collateral_malformed",
  qe_identity_malformed: "collateral_malformed",
};

function expectSame(onChain: { code: string; tcbStatus?: string }, expected: Appraisal, hint = ""): void {
  expect(onChain.code, hint).toBe(CHAIN_CODES[expected.code] ?? expected.code);
  if (onChain.code === "ok") expect(onChain.tcbStatus, hint).toBe(expected.tcbStatus);
}

let chain: Chain;
let contracts: Awaited<ReturnType<typeof deployQuoteVerifier>>;
beforeAll(async () => {
  await buildContracts();
  chain = await startAnvil({ nowSeconds: NOW_SECONDS - 100 });
  await chain.warp(NOW_SECONDS);
  contracts = await deployQuoteVerifier(chain, root);
}, 300_000);
afterAll(() => chain?.stop());

describe("a quote changed after it was signed", () => {
  const quote = evidence.testQuote("tdx4");
  beforeAll(async () => {
    expect((await contracts.post(goodCollateral)).code).toBe("ok");
  });

  test("is accepted as long as nothing is changed", async () => {
    const answer = await contracts.verify(quote);
    expect(answer).toMatchObject({ code: "ok", tcbStatus: "UpToDate", technology: 4 });
  });

  test.each(evidence.placedFields("tdx4", quote))("$name", async ({ offset, byteLength }) => {
    for (const at of new Set([0, byteLength >> 1, byteLength - 1])) {
      for (const mask of [0x01, 0x80]) {
        const changed = new Uint8Array(quote);
        changed[offset + at]! ^= mask;
        const answer = await contracts.verify(changed);
        expectSame(answer, appraiseHere(changed), `byte ${at}, mask ${mask}`);
        expect(answer.code).not.toBe("ok");
      }
    }
  });

  test("at any length", async () => {
    const lengths = [0, 1, 47, 48, 631, 632, 636, 763, 770, 1219, 1220, 1252, 1258, quote.length - 1];
    for (const length of lengths) {
      const cut = quote.subarray(0, length);
      const answer = await contracts.verify(cut);
      expectSame(answer, appraiseHere(cut), `${length} bytes`);
      expect(answer.code).not.toBe("ok");
    }
    for (const tail of [[1], [0, 0, 1], [...new Uint8Array(40), 7]]) {
      expect((await contracts.verify(concat(quote, new Uint8Array(tail)))).code).toBe("quote_trailing_bytes");
    }
    expect((await contracts.verify(concat(quote, new Uint8Array(70)))).code).toBe("ok");
  });

  test("over other report data", async () => {
    const reportData = concat(new Uint8Array(32).fill(7), new Uint8Array(32));
    const ours = evidence.testQuote("tdx4", { reportData });
    const codeOf = (head: string) =>
      codeOfCall(chain, contracts.verifier.address, verifyCall(ours, `0x${head.repeat(32)}`));
    expect(await codeOf("07")).toBe("ok");
    expect(await codeOf("08")).toBe("report_data_mismatch");
    const theirs = evidence.testQuote("tdx4", { reportData: new Uint8Array(64).fill(7) });
    const call = verifyCall(theirs, `0x${"07".repeat(32)}`);
    expect(await codeOfCall(chain, contracts.verifier.address, call)).toBe("report_data_mismatch");
  });
});

const attributes = (hex: string): QuoteOptions => ({ body: { tdAttributes: fromHex(hex) } });
const other = evidence.testPki("two");

/** Genuine signatures over something that is wrong, or odd. */
const QUOTES: Readonly<Record<string, QuoteOptions>> = {
  debug: attributes("0100001000000000"),
  profiling: attributes("2000001000000000"),
  SERVTD_EXT: attributes("0000021000000000"),
  migratable: attributes("0000003000000000"),
  "reserved, low": attributes("0001001000000000"),
  "reserved, high": attributes("0000001000000001"),
  "SEPT_VE_DISABLE clear": attributes("0000000000000000"),
  "attributes of TDX 1.5": attributes("00007dd8000000c0"),
  "module of another signer": { body: { mrSignerSeam: new Uint8Array(48) } },
  "module with attributes": { body: { seamAttributes: fromHex("0000000000000001") } },
  "module too old": { body: { teeTcbSvn: fromHex("02010200000000000000000000000000") } },
  "module of an unknown major": { body: { teeTcbSvn: fromHex("03020200000000000000000000000000") } },
  "module of major 0": { body: { teeTcbSvn: fromHex("03000200000000000000000000000000") } },
  "TDX component too old": { body: { teeTcbSvn: fromHex("03010100000000000000000000000000") } },
  "higher everywhere": { body: { teeTcbSvn: fromHex("ff01ffffffffffffffffffffffffffff") } },
  "QE in debug mode": { qeReport: { attributes: fromHex("1300000000000000e700000000000000") } },
  "QE with other attributes": { qeReport: { attributes: fromHex("3100000000000000e700000000000000") } },
  "QE with attributes that are masked": {
    qeReport: { attributes: fromHex("15000000000000000000000000000000") },
  },
  "QE with MISCSELECT": { qeReport: { miscSelect: 1 } },
  "QE of another signer": { qeReport: { mrSigner: new Uint8Array(32) } },
  "QE of another product": { qeReport: { isvProdId: 3 } },
  "QE too old": { qeReport: { isvSvn: 4 } },
  "QE with no authentication data": { qeAuthData: new Uint8Array(0) },
  "QE with long authentication data": { qeAuthData: new Uint8Array(1000) },
  "certification of type 3": { certificationType: 3, certification: new Uint8Array(404) },
  "certification of type 4": { certificationType: 4 },
  "empty chain": { certification: new Uint8Array(0) },
  "chain of one": { certification: chainOf(evidence.pckCertificate(pki)) },
  "chain without root": {
    certification: chainOf(evidence.pckCertificate(pki), evidence.platformCaCertificate(pki)),
  },
  "chain to another root": { certification: chainOf(...chainTo(other)) },
  "authority as leaf": {
    certification: chainOf(evidence.platformCaCertificate(pki), root),
  },
  "platform of another FMSPC": {
    certification: chainOf(
      evidence.pckCertificate(pki, { ...evidence.TEST_PLATFORM, fmspc: fromHex("eeeeeeeeeeef") }),
      evidence.platformCaCertificate(pki),
      root,
    ),
  },
  "platform with one SVN too low": {
    certification: chainOf(
      evidence.pckCertificate(pki, { ...evidence.TEST_PLATFORM, cpuSvn: fromHex("04".repeat(15) + "03") }),
      evidence.platformCaCertificate(pki),
      root,
    ),
  },
  "platform with a PCE SVN too low": {
    certification: chainOf(
      evidence.pckCertificate(pki, { ...evidence.TEST_PLATFORM, pceSvn: 10 }),
      evidence.platformCaCertificate(pki),
      root,
    ),
  },
};

function chainTo(of: evidence.TestPki): Uint8Array[] {
  return [evidence.pckCertificate(pki), evidence.platformCaCertificate(pki), evidence.rootCertificate(of)];
}

function linesOf(der: Uint8Array): string {
  return toBase64(der).replaceAll(/.{64}/g, "$&\n");
}

function chainOf(...ders: Uint8Array[]): Uint8Array {
  const blocks = ders.map(
    (der) => `-----BEGIN CERTIFICATE-----\n${linesOf(der)}\n-----END CERTIFICATE-----\n`,
  );
  return new TextEncoder().encode(blocks.join(""));
}

describe("a quote signed with something wrong in it", () => {
  test.each(Object.entries(QUOTES))("%s", async (_name, options) => {
    const quote = evidence.testQuote("tdx4", options);
    expectSame(await contracts.verify(quote), appraiseHere(quote));
  });
});

const serialOf = (der: Uint8Array) => parseCertificate(der).serial;
const DAY = 86_400_000;
const dates = (from: number, until: number) => ({
  thisUpdate: new Date(evidence.TEST_NOW.getTime() + from * DAY),
  nextUpdate: new Date(evidence.TEST_NOW.getTime() + until * DAY),
});
const levelStatus = (tcbStatus: string) => (info: Loose) => void (info.tcbLevels[0].tcbStatus = tcbStatus);
const zeros = (info: Loose) => {
  const low = structuredClone(info.tcbLevels[0]);
  for (const name of ["sgxtcbcomponents", "tdxtcbcomponents"]) {
    for (const component of low.tcb[name]) component.svn = 0;
  }
  return Object.assign(low, { tcbStatus: "OutOfDate" });
};
const signer = pki.tcbSigning;
const signerCertificate = certificate({ subject: signer, issuer: pki.root });

const STATUSES = [
  "UpToDate",
  "SWHardeningNeeded",
  "ConfigurationNeeded",
  "ConfigurationAndSWHardeningNeeded",
  "OutOfDate",
  "OutOfDateConfigurationNeeded",
  "Revoked",
  "Unheard",
];

const COLLATERAL: Readonly<Record<string, CollateralOptions>> = {
  ...Object.fromEntries(STATUSES.map((status) => [`platform ${status}`, { tcbInfo: levelStatus(status) }])),
  ...Object.fromEntries(
    STATUSES.map((status) => [
      `QE ${status}, platform SWHardeningNeeded`,
      { tcbInfo: levelStatus("SWHardeningNeeded"), qeIdentity: levelStatus(status) },
    ]),
  ),
  ...Object.fromEntries(
    STATUSES.map((status) => [
      `module ${status}, platform ConfigurationNeeded`,
      {
        tcbInfo: (info: Loose) => {
          levelStatus("ConfigurationNeeded")(info);
          levelStatus(status)(info.tdxModuleIdentities[0]);
        },
      },
    ]),
  ),
  "levels out of order": { tcbInfo: (info) => info.tcbLevels.unshift(zeros(info)) },
  "a lower level that is reached": {
    tcbInfo: (info) => {
      info.tcbLevels.push(zeros(info));
      info.tcbLevels[0].tcb.sgxtcbcomponents[15].svn = 5;
    },
  },
  "a level that wants a higher PCE SVN": { tcbInfo: (info) => void (info.tcbLevels[0].tcb.pcesvn = 12) },
  "no levels": { tcbInfo: (info) => void (info.tcbLevels = []) },
  "components missing": { tcbInfo: (info) => info.tcbLevels[0].tcb.tdxtcbcomponents.pop() },
  "no TDX module": { tcbInfo: (info) => void delete info.tdxModule },
  "no module identities": { tcbInfo: (info) => void delete info.tdxModuleIdentities },
  "a module identity in lower case": { tcbInfo: (info) => void (info.tdxModuleIdentities[0].id = "TDX_01") },
  "a module identity of another kind": {
    tcbInfo: (info) =>
      info.tdxModuleIdentities.unshift({ ...info.tdxModuleIdentities[0], id: "VERSION_TWO" }),
  },
  "unknown members": { tcbInfo: (info) => void (info.more = { list: [1, "2", null, true, { a: '\\"' }] }) },
  "TCB info for SGX": { tcbInfo: (info) => void (info.id = "SGX") },
  "TCB info of version 2": { tcbInfo: (info) => void (info.version = 2) },
  "TCB info of another platform": { tcbInfo: (info) => void (info.fmspc = "eeeeeeeeeeef") },
  "TCB info of another PCE": { tcbInfo: (info) => void (info.pceId = "eeef") },
  "TCB info expired": { tcbInfo: (info) => void (info.nextUpdate = "2026-06-01T11:59:59Z") },
  "TCB info of tomorrow": { tcbInfo: (info) => void (info.issueDate = "2026-06-02T00:00:00Z") },
  "TCB info of no day": { tcbInfo: (info) => void (info.issueDate = "2026-02-29T00:00:00Z") },
  "an SVN of 256": { tcbInfo: (info) => void (info.tcbLevels[0].tcb.sgxtcbcomponents[0].svn = 256) },
  "an SVN below 0": { tcbInfo: (info) => void (info.tcbLevels[0].tcb.sgxtcbcomponents[0].svn = -1) },
  "an FMSPC that is no hex": { tcbInfo: (info) => void (info.fmspc = "eeeeeeeeeexx") },
  "a QE identity of SGX": { qeIdentity: (identity) => void (identity.id = "QE") },
  "a QE identity of version 3": { qeIdentity: (identity) => void (identity.version = 3) },
  "a QE identity expired": { qeIdentity: (identity) => void (identity.nextUpdate = "2026-06-01T11:59:59Z") },
  "a QE identity without levels": { qeIdentity: (identity) => void (identity.tcbLevels = []) },
  "CRLs expired": { crlDates: dates(-20, -1) },
  "CRLs of tomorrow": { crlDates: dates(1, 20) },
  "signer revoked": { rootRevokes: [serialOf(signerCertificate)] },
  "platform CA revoked": { rootRevokes: [serialOf(evidence.platformCaCertificate(pki))] },
  "root revoked": { rootRevokes: [serialOf(root)] },
  "PCK revoked": { platformRevokes: [serialOf(evidence.pckCertificate(pki))] },
  "others revoked": {
    rootRevokes: [new Uint8Array([1])],
    platformRevokes: Array.from({ length: 40 }, (_, i) => new Uint8Array([0x40, i, 1, 2, 3])),
  },
};

describe("collateral signed with something wrong in it", () => {
  const quote = evidence.testQuote("tdx4");
  let empty: Hex;
  beforeAll(async () => {
    contracts = await deployQuoteVerifier(chain, root);
    empty = await chain.cheats.snapshot();
  });
  afterEach(async () => {
    await chain.cheats.revert({ id: empty });
    empty = await chain.cheats.snapshot();
  });

  test.each(Object.entries(COLLATERAL))("%s", async (_name, options) => {
    const collateral = evidence.testCollateral("tdx4", options);
    const posted = await contracts.post(collateral);
    const answer = posted.code === "ok" ? await contracts.verify(quote) : posted;
    expectSame(answer, appraise({ type: "tdx", quote }, collateral, { now: evidence.TEST_NOW, policy }));
  });
});
