import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { toBase64 } from "../../codec/index.ts";
import { appraise, CollateralCache, parsePolicy, REPORTING_POLICY, type AppraisalPolicy } from "../index.ts";

const folder = process.env["AFFIDAVIT_VECTORS"] ?? join(import.meta.dirname, "../../../shared/vectors");
const real = join(folder, "dcap");
const synthetic = join(folder, "dcap-synthetic");

function casesIn(directory: string, expectation: string): string[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory).filter((name) => existsSync(join(directory, name, expectation)));
}

function readJson(...path: string[]) {
  return JSON.parse(readFileSync(join(...path), "utf8"));
}

function appraiseCase(directory: string, now: Date, policy: AppraisalPolicy, cache?: CollateralCache) {
  const quote = new Uint8Array(readFileSync(join(directory, "quote.bin")));
  const type = quote[4] === 0x81 ? "tdx" : "sgx";
  return appraise({ type, quote }, readJson(directory, "collateral.json"), { now, policy, cache });
}

function why(directory: string): string {
  return existsSync(directory) ? "" : " (skipped: the folder of vectors is not there)";
}

describe.skipIf(!existsSync(real))(`real SGX and TDX quotes${why(real)}`, () => {
  test.each(casesIn(real, "expect.json"))("%s", (name) => {
    const directory = join(real, name);
    const expected = readJson(directory, "expect.json");
    const now = new Date(expected.now * 1000);
    const result = appraiseCase(directory, now, REPORTING_POLICY);
    expect(result.verdict, result.message).toBe(expected.verdict);
    if (expected.verdict === "accepted") {
      expect(result.tcbStatus).toBe(expected.tcbStatus);
      expect(result.advisoryIds).toEqual(expected.advisoryIds);
      expect(result.claims["source"]).toBe("hardware_proven");
    }
  });

  test.each(casesIn(real, "expect.json"))("%s with collateral verified before", (name) => {
    const directory = join(real, name);
    const { now, verdict, validFrom, validUntil } = readJson(directory, "expect.json");
    const cache = new CollateralCache();
    const at = (seconds: number) =>
      appraiseCase(directory, new Date(seconds * 1000), REPORTING_POLICY, cache);
    expect([at(now).verdict, at(now).verdict]).toEqual([verdict, verdict]);
    expect(at(validFrom - 1).verdict).toBe("rejected");
    expect(at(validUntil + 1).verdict).toBe("rejected");
  });
});

/** Our code for each error of the oracle. */
const CODES: Readonly<Record<string, readonly string[]>> = {
  CaUsedAsEndEntity: ["certificate_ca_as_leaf"],
  "Debug mode is enabled": ["debug_enabled", "qe_debug"],
  "Certificate chain is too short for TCB Info": ["tcb_info_chain_length", "certificate_malformed"],
  "Certificate chain is too short for QE Identity": ["qe_identity_chain_length", "certificate_malformed"],
  "Signature is invalid for qe_identity": ["qe_identity_signature_invalid"],
  "Signature is invalid for tcb_info": ["tcb_info_signature_invalid"],
  "Failed to decode quote": ["quote_version_unsupported", "quote_truncated", "quote_malformed"],
  "Not enough data to fill buffer": ["quote_truncated"],
  "Verification failed": ["quote_tee_type_unsupported"],
  "SGX TEE quote must have version 3": ["quote_tee_type_unsupported"],
  "Failed to decode TcbInfo": ["tcb_info_malformed"],
  "Failed to decode QeIdentity": ["qe_identity_malformed"],
  "QE ATTRIBUTES mismatch": ["qe_attributes_mismatch"],
  "QE ISVPRODID mismatch": ["qe_isvprodid_mismatch"],
  "QE MRSIGNER mismatch": ["qe_mrsigner_mismatch"],
  "QE MISCSELECT mismatch": ["qe_miscselect_mismatch"],
  "QE report hash mismatch": ["qe_report_data_mismatch"],
  "QE Identity expired": ["qe_identity_expired"],
  "TCBInfo expired": ["tcb_info_expired"],
  "TCB status is invalid: Revoked": ["tcb_revoked"],
  "No matching TCB level found": ["tcb_level_not_found"],
  "TDX component count mismatch": ["tcb_components_mismatch"],
  "TDX module MRSIGNER mismatch": ["tdx_module_mrsigner_mismatch"],
  "TD profiling is enabled": ["td_profiling_enabled"],
  "TD migration is enabled": ["td_migratable"],
  "SERVTD_EXT is enabled": ["td_servtd_ext_enabled"],
  "SEPT_VE_DISABLE is not enabled": ["td_sept_ve_disable_clear"],
  "Reserved bits in TD attributes are set": ["td_attributes_reserved"],
  "Unsupported DCAP attestation key type": ["quote_key_type_unsupported"],
  "Unsupported quote version": ["quote_version_unsupported"],
  "Unsupported DCAP PCK cert format": ["pck_chain_missing"],
  "Fmspc mismatch": ["fmspc_mismatch"],
};

describe.skipIf(!existsSync(synthetic))(`generated SGX and TDX quotes${why(synthetic)}`, () => {
  const now = new Date("2026-11-23T12:00:00Z");

  test.each(casesIn(synthetic, "expected.json"))("%s", (name) => {
    const directory = join(synthetic, name);
    const expected = readJson(directory, "expected.json");
    const certificate = toBase64(new Uint8Array(readFileSync(join(synthetic, "root_ca.der"))));
    const policy = parsePolicy({ formatVersion: 1, codeIdentity: "reported", roots: [{ certificate }] });
    const result = appraiseCase(directory, now, policy);
    expect(result.verdict, result.message).toBe(expected.should_succeed ? "accepted" : "rejected");
    if (expected.expected_status !== "") expect(result.tcbStatus).toBe(expected.expected_status);
    const codes = CODES[expected.expected_error];
    if (codes !== undefined) expect(codes).toContain(result.code);
  });

  test("the root of generated quotes is no hardware root", () => {
    const result = appraiseCase(join(synthetic, "valid_tdx_v4"), now, REPORTING_POLICY);
    expect(result.code).toBe("certificate_untrusted_root");
  });
});
