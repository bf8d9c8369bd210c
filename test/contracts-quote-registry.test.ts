/** What the registry of collateral keeps, and on which chains. */
import { readFileSync } from "node:fs";
import { bytesToHex, encodeFunctionData } from "viem";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { crl } from "../attestation/attest/simulated-pki.ts";
import { INTEL_SGX_ROOT, parseCertificate } from "../attestation/index.ts";
import * as evidence from "../attestation/testing/dcap.ts";
import type { CollateralOptions } from "../attestation/testing/dcap.ts";
import { CONTRACT_ERRORS } from "../client/chain/reverts.ts";
import { collateralCalls, pendingCollateralCalls } from "../client/chain/quote.ts";
import { dcapCollateralAbi } from "../client/chain/contracts/dcap-collateral.ts";
import { tdxQuoteVerifierAbi } from "../client/chain/contracts/tdx-quote-verifier.ts";
import { quoteVector } from "../contracts/test/vectors/make.ts";
import { startAnvil, type Chain } from "./anvil.ts";
import { buildContracts, CONTRACTS } from "./contracts-build.ts";
import { codeOfCall, deployQuoteVerifier } from "./quote-chain.ts";

const pki = evidence.testPki();
const root = evidence.rootCertificate(pki);
const NOW_SECONDS = evidence.TEST_NOW.getTime() / 1000;

beforeAll(buildContracts, 300_000);

const dated = (number: number, issueDate: string) => (document: evidence.Loose) =>
  void Object.assign(document, { tcbEvaluationDataNumber: number, issueDate });

describe("what was posted is not replaced by anything older", () => {
  let chain: Chain;
  let contracts: Awaited<ReturnType<typeof deployQuoteVerifier>>;
  beforeAll(async () => {
    chain = await startAnvil({ nowSeconds: NOW_SECONDS });
    contracts = await deployQuoteVerifier(chain, root);
    expect((await contracts.post(evidence.testCollateral("tdx4"))).code).toBe("ok");
  });
  afterAll(() => chain?.stop());

  const post = async (options: CollateralOptions) => {
    const { code, brings } = await contracts.post(evidence.testCollateral("tdx4", options));
    return brings === undefined ? code : `${brings}: ${code}`;
  };

  test("only what is missing is posted", async () => {
    const pending = async (options: CollateralOptions) => {
      const collateral = evidence.testCollateral("tdx4", options);
      const calls = await pendingCollateralCalls(chain.reader, contracts.registry.address, collateral);
      return calls.map(({ brings }) => brings);
    };
    expect(await pending({})).toEqual([]);
    expect(await pending({ tcbInfo: dated(16, "2026-05-30T00:00:00Z") })).toEqual([]);
    expect(await pending({ tcbInfo: dated(17, "2026-05-30T00:00:00Z") })).toEqual(["TCB info"]);
    const crlDates = {
      thisUpdate: new Date("2026-05-21T00:00:00Z"),
      nextUpdate: new Date("2026-06-20T00:00:00Z"),
    };
    expect(await pending({ crlDates, qeIdentity: dated(18, "2026-05-01T00:00:00Z") })).toEqual([
      "root CRL",
      "PCK CRL",
      "QE identity",
    ]);
    const empty = await deployQuoteVerifier(chain, root);
    const all = await pendingCollateralCalls(
      chain.reader,
      empty.registry.address,
      evidence.testCollateral("tdx4"),
    );
    expect(all).toEqual(collateralCalls(evidence.testCollateral("tdx4"), empty.rootId));
  });

  test("TCB info and QE identity: neither by number nor by date", async () => {
    expect(await post({ tcbInfo: dated(16, "2026-05-30T00:00:00Z") })).toBe("TCB info: document_older");
    expect(await post({ tcbInfo: dated(17, "2026-05-19T23:59:59Z") })).toBe("TCB info: document_older");
    expect(await post({ qeIdentity: dated(16, "2026-05-30T00:00:00Z") })).toBe("QE identity: document_older");
    expect(await post({ tcbInfo: dated(18, "2026-05-01T00:00:00Z") })).toBe("ok");
    expect(await post({})).toBe("TCB info: document_older");
  });

  test("CRLs: neither by number nor by date", async () => {
    const issuer = pki.root;
    const postRootCrl = (number: number, from: string, send = false) => {
      const der = crl({
        issuer,
        number,
        thisUpdate: new Date(from),
        nextUpdate: new Date("2026-06-20T00:00:00Z"),
      });
      const args = [contracts.rootId, bytesToHex(der)] as const;
      const data = encodeFunctionData({ abi: dcapCollateralAbi, functionName: "postCrl", args });
      const { address } = contracts.registry;
      return send ? chain.send(data, address) : codeOfCall(chain, address, data);
    };
    expect(await postRootCrl(1, "2026-05-19T00:00:00Z")).toBe("crl_older");
    await postRootCrl(5, "2026-05-21T00:00:00Z", true);
    expect(await postRootCrl(4, "2026-05-30T00:00:00Z")).toBe("crl_older");
    expect(await postRootCrl(6, "2026-05-20T00:00:00Z")).toBe("crl_older");
    expect(await postRootCrl(5, "2026-05-21T00:00:00Z")).toBe("ok");
  });

  test("what a newer root CRL revokes counts at once", async () => {
    const quote = evidence.testQuote("tdx4");
    expect((await contracts.verify(quote)).code).toBe("ok");
    const der = crl({
      issuer: pki.root,
      number: 7,
      thisUpdate: new Date("2026-05-31T00:00:00Z"),
      nextUpdate: new Date("2026-06-20T00:00:00Z"),
      revokedSerials: [parseCertificate(evidence.platformCaCertificate(pki)).serial],
    });
    const args = [contracts.rootId, bytesToHex(der)] as const;
    await chain.send(
      encodeFunctionData({ abi: dcapCollateralAbi, functionName: "postCrl", args }),
      contracts.registry.address,
    );
    expect((await contracts.verify(quote)).code).toBe("certificate_revoked");
  });
});

test("a chain without the P-256 precompile verifies all the same", { timeout: 60_000 }, async () => {
  const chain = await startAnvil({ nowSeconds: NOW_SECONDS, hardfork: "prague" });
  try {
    const { registry, verifier, post, verify } = await deployQuoteVerifier(chain, root);
    for (const { address } of [registry, verifier]) {
      const call = { address, abi: tdxQuoteVerifierAbi, functionName: "HAS_P256_PRECOMPILE" } as const;
      expect(await chain.reader.readContract(call)).toBe(false);
    }
    expect((await post(evidence.testCollateral("tdx4"))).code).toBe("ok");
    const quote = evidence.testQuote("tdx4");
    expect((await verify(quote)).code).toBe("ok");
    quote[700]! ^= 1;
    expect((await verify(quote)).code).toBe("qe_report_data_mismatch");
    quote[700]! ^= 1;
    quote[636]! ^= 1;
    expect((await verify(quote)).code).toBe("quote_signature_invalid");
  } finally {
    await chain.stop();
  }
});

test("on a public chain only Intel's root stands", { timeout: 60_000 }, async () => {
  const chain = await startAnvil({ nowSeconds: NOW_SECONDS, chainId: 1 });
  try {
    await expect(deployQuoteVerifier(chain, root)).rejects.toThrow();
    const { registry } = await deployQuoteVerifier(chain, INTEL_SGX_ROOT.certificate.der);
    const call = { address: registry.address, abi: dcapCollateralAbi, functionName: "IS_INTEL" } as const;
    expect(await chain.reader.readContract(call)).toBe(true);
  } finally {
    await chain.stop();
  }
});

test("forge's vector is what its maker makes", () => {
  expect(readFileSync(`${CONTRACTS}/test/vectors/tdx-quote.json`, "utf8")).toBe(quoteVector());
});

test("the client knows every error of these contracts", () => {
  const source = readFileSync(`${CONTRACTS}/src/quote/DcapErrors.sol`, "utf8");
  const declared = [...source.matchAll(/^error (\w+)\(/gm)].map(([, name]) => name!);
  const known = CONTRACT_ERRORS.map(({ name }) => name);
  expect(declared.length).toBeGreaterThan(60);
  expect(known).toEqual(expect.arrayContaining(declared));
});
