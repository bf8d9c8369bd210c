import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { exportJWK, generateKeyPair, jwtVerify } from "jose";
import { afterAll, describe, expect, test } from "vitest";
import { pem } from "../../../attestation/attest/der-write.ts";
import {
  rootCertificate,
  testCollateral,
  testPki,
  testQuote,
  TEST_NOW,
} from "../../../attestation/testing/dcap.ts";
import { TEST_NITRO_TIME, testNitroChain, testNitroDocument } from "../../../attestation/testing/nitro.ts";
import { testSnpEvidence } from "../../../attestation/testing/sev-snp.ts";
import { vectorCases, type VectorCase } from "../../../attestation/testing/vectors.ts";
import { sha256, toBase64, toHex } from "../../../codec/index.ts";
import { temporaryDirectory } from "../../../test/folder.ts";
import { jsonLine, runCommand } from "../testing/run-command.ts";
import { appraise as command } from "./appraise.ts";

const MAIN = join(import.meta.dirname, "../main.ts");
const folder = temporaryDirectory();
afterAll(() => folder.remove());

/** As a process of its own. */
function spawned(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, "appraise", ...args, "--json"], {
    encoding: "utf8",
    timeout: 20_000,
    env: { ...process.env, NODE_COMPILE_CACHE: join(folder.path, "compiled") },
  });
  return { status, stderr, ...jsonLine(stdout) };
}

/** As the process does, in this one. */
async function appraise(...args: string[]): Promise<Record<string, unknown>> {
  const { status, stdout } = await runCommand(command, [...args, "--json"]);
  return { status, ...jsonLine(stdout) };
}

function file(name: string, content: Uint8Array | string): string {
  const path = join(folder.path, name);
  writeFileSync(path, content);
  return path;
}

function argumentsOf({ type, evidence, collateral, certificates = [], root, now }: VectorCase): string[] {
  return [
    evidence,
    "--type",
    type,
    "--now",
    String(now),
    ...(collateral === undefined ? [] : ["--collateral", collateral]),
    ...(root === undefined ? [] : ["--root", root]),
    ...certificates.flatMap((path) => ["--cert", path]),
  ];
}

const cases = vectorCases();
const why = cases.length === 0 ? " (skipped: the folder of vectors is not there)" : "";

describe.skipIf(cases.length === 0)(`real evidence through the command${why}`, () => {
  test("is of every type", () => {
    expect(new Set(cases.map(({ type }) => type))).toEqual(new Set(["tdx", "sgx", "sev-snp", "nitro"]));
  });

  const firstOfType = new Set(
    [...new Set(cases.map(({ type }) => type))].map((type) => cases.find((each) => each.type === type)),
  );

  // One of each type as a process of its own; a start costs half a second.
  test.each(cases.map((vector) => [vector.name, vector] as const))("%s", async (_, vector) => {
    const words = argumentsOf(vector);
    const result = firstOfType.has(vector) ? spawned(...words) : await appraise(...words);
    const { verdict, code, tcbStatus, advisoryIds } = vector;
    expect(result, JSON.stringify(result)).toMatchObject({
      verdict,
      ...(code !== undefined && { code }),
      ...(tcbStatus !== undefined && { tcbStatus }),
      ...(advisoryIds !== undefined && { advisoryIds }),
    });
    expect(result.status).toBe(verdict === "accepted" ? 0 : 1);
    expect(result).toHaveProperty("transcript.0.step");
  });
});

const pki = testPki();
const collateral = file("collateral.json", JSON.stringify(testCollateral("tdx4")));
const quote = testQuote("tdx4");
const root = file("root.der", rootCertificate(pki));
const quoteFile = file("quote.bin", quote);
const dcap = ["--collateral", collateral, "--root", root, "--now", String(TEST_NOW.getTime() / 1000)];

function lines(text: string, width: number, end = "\n"): string {
  return text.match(new RegExp(`.{1,${width}}`, "g"))!.join(end) + end;
}

describe("forms of evidence", () => {
  test.each<[string, Uint8Array | string]>([
    ["raw", quote],
    ["hex", toHex(quote)],
    ["hex with a line break", `${toHex(quote)}\n`],
    ["upper-case hex with 0x in lines", lines(`0x${toHex(quote).toUpperCase()}`, 64)],
    ["base64", toBase64(quote)],
    ["base64 in lines of Windows", lines(toBase64(quote), 76, "\r\n")],
    ["base64url without padding", Buffer.from(quote).toString("base64url")],
  ])("%s", async (name, content) => {
    const result = await appraise(
      file(`quote-${name.replaceAll(" ", "-")}`, content),
      "--type",
      "tdx",
      ...dcap,
    );
    expect(result).toMatchObject({ status: 0, verdict: "accepted", code: "ok", tcbStatus: "UpToDate" });
  });

  test.each<[string, Uint8Array | string, string]>([
    ["empty", "", "quote_truncated"],
    ["truncated", quote.subarray(0, 700), "quote_truncated"],
    ["one byte too long", Buffer.concat([quote, Buffer.of(1)]), "quote_trailing_bytes"],
    ["text", "this is no quote", "quote_truncated"],
    ["larger than any quote", new Uint8Array(5 * 1024 * 1024), "quote_truncated"],
  ])("malformed evidence is rejected: %s", async (name, content, code) => {
    const result = await appraise(
      file(`bad-${name.replaceAll(" ", "-")}`, content),
      "--type",
      "tdx",
      ...dcap,
    );
    expect(result).toMatchObject({ status: 1, verdict: "rejected", code });
  });
});

const tdx = (...more: string[]) => appraise(quoteFile, "--type", "tdx", ...dcap, ...more);
const at = (now: string) => appraise(quoteFile, "--type", "tdx", ...dcap.slice(0, 4), "--now", now);

async function withCollateral(content: string) {
  const other = file("other.json", content);
  return appraise(quoteFile, "--type", "tdx", ...dcap.slice(2), "--collateral", other);
}

describe("tdx", () => {
  test("is rejected under the hardware root, and without collateral", async () => {
    const noRoot = dcap.filter((_, i) => i !== 2 && i !== 3);
    expect(await appraise(quoteFile, "--type", "tdx", ...noRoot)).toMatchObject({
      status: 1,
      code: "certificate_untrusted_root",
    });
    expect(await appraise(quoteFile, "--type", "tdx", "--root", root)).toMatchObject({
      status: 1,
      code: "collateral_missing",
    });
    expect(await appraise(quoteFile, "--type", "sgx", ...dcap)).toMatchObject({
      code: "evidence_type_mismatch",
    });
  });

  test("report data and policy are compared", async () => {
    expect(await tdx("--report-data", "d0".repeat(64))).toMatchObject({ status: 0 });
    expect(await tdx("--report-data", "d1".repeat(64))).toMatchObject({
      status: 1,
      code: "report_data_mismatch",
    });
    const policy = file("policy.json", JSON.stringify({ formatVersion: 1 }));
    expect(await tdx("--policy", policy)).toMatchObject({ status: 1, code: "code_identity_unchecked" });
  });

  test("times are Unix seconds or ISO 8601", async () => {
    for (const now of [
      "2026-06-01T12:00:00Z",
      "2026-06-01 12:00:00",
      "1780315200.5",
      "2026-06-01",
      "2026-06-01T12:00",
      "2026-06-01T14:00:00+02:00",
    ])
      expect(await at(now), now).toMatchObject({ status: 0 });
    expect(await at("2026-07-01")).toMatchObject({ status: 1 });
    for (const now of ["document", "tomorrow", "1 June 2026", "-1", "2026-13-01"])
      expect(await at(now), now).toMatchObject({ status: 2, code: "usage" });
  });

  test("collateral that is JSON but no collateral is rejected, and what is no JSON cannot be read", async () => {
    expect(await withCollateral("{}")).toMatchObject({ status: 1, code: "collateral_malformed" });
    expect(await withCollateral("[]")).toMatchObject({ status: 1, code: "collateral_malformed" });
    expect(await withCollateral(`{"__proto__": ${readFileSync(collateral, "utf8")}}`)).toMatchObject({
      status: 1,
    });
    expect(await withCollateral(`\uFEFF${readFileSync(collateral, "utf8")}`)).toMatchObject({ status: 0 });
    expect(await withCollateral("{")).toMatchObject({ status: 2, code: "file_unreadable" });
  });
});

describe("--ear", () => {
  test("signs the result with a JWK", async () => {
    for (const algorithm of ["ES256", "ES384", "EdDSA"]) {
      const { publicKey, privateKey } = await generateKeyPair(algorithm, { extractable: true });
      const key = file("key.json", JSON.stringify({ ...(await exportJWK(privateKey)), kid: "one" }));
      const result = (await tdx("--ear", key)) as { ear: string };
      const { payload, protectedHeader } = await jwtVerify(result.ear, publicKey, { currentDate: TEST_NOW });
      expect(protectedHeader).toEqual({ alg: algorithm, kid: "one", typ: "eat+jwt" });
      expect(payload).toMatchObject({
        eat_profile: "tag:ietf.org,2026:rats/ear#04",
        // The root is the test's own: nobody's hardware.
        ear_status: "contraindicated",
        submods: { tdx: { affidavit: { evidenceDigest: `sha256:${toHex(sha256(quote))}`, code: "ok" } } },
      });
    }
  });

  test("gives claims unsigned, of rejected evidence too; other keys cannot be read", async () => {
    const { ear } = (await appraise(quoteFile, "--type", "tdx", "--ear", "unsigned")) as { ear: object };
    expect(ear).toMatchObject({
      ear_status: "contraindicated",
      submods: { tdx: { ear_status: "contraindicated" } },
    });
    const { publicKey } = await generateKeyPair("ES256", { extractable: true });
    const publicOnly = file("public.json", JSON.stringify(await exportJWK(publicKey)));
    expect(await tdx("--ear", publicOnly)).toMatchObject({ status: 2, code: "file_unreadable" });
    const broken = file(
      "broken.json",
      JSON.stringify({ kty: "EC", crv: "P-256", x: "AA", y: "AA", d: "AA" }),
    );
    expect(await tdx("--ear", broken)).toMatchObject({ status: 2, code: "file_unreadable" });
  });
});

describe("sev-snp", () => {
  const evidence = testSnpEvidence();
  const report = file("report.bin", evidence.report);
  const snp = (root_: string, ...paths: string[]) =>
    appraise(
      report,
      "--type",
      "sev-snp",
      "--root",
      root_,
      "--now",
      "2026-11-23",
      ...paths.flatMap((path) => ["--cert", path]),
    );
  const [key, ask] = evidence.certificates as [Uint8Array, Uint8Array];
  const ark = file("ark.pem", pem("CERTIFICATE", evidence.root));
  const keyFile = file("vcek.der", key);

  test.each<[string, string[]]>([
    ["DER values one behind the other", [file("der", Buffer.concat([ask, key]))]],
    [
      "PEM with other text around it",
      [file("pem", `subject=x\n${pem("CERTIFICATE", ask)}\nsubject=y\n${pem("CERTIFICATE", key)}\n`)],
    ],
    ["files of different forms", [keyFile, file("ask.b64", toBase64(ask)), ark]],
    ["the same one again", [keyFile, keyFile, file("ask.der", ask), ark, ark]],
  ])("certificates as %s", async (_, paths) => {
    expect(await snp(ark, ...paths)).toMatchObject({ status: 0, code: "ok", codeIdentity: "unchecked" });
  });

  test("broken certificates are rejected, files without any cannot be read", async () => {
    const askFile = file("ask.der", ask);
    expect(await snp(ark, file("cut.der", key.subarray(0, -9)), askFile)).toMatchObject({ status: 1 });
    expect(await snp(ark, file("cut.pem", pem("CERTIFICATE", key).slice(0, 200)), askFile)).toMatchObject({
      status: 1,
    });
    const otherTag = file("other-tag.der", Buffer.concat([Buffer.of(0x31), key.subarray(1)]));
    expect(await snp(ark, otherTag, askFile)).toMatchObject({ status: 1, code: "certificate_malformed" });
    expect(await snp(ark, file("none.txt", "nothing here"), askFile)).toMatchObject({ status: 2 });
    expect(await snp(ark, file("no-bytes", ""), askFile)).toMatchObject({ status: 2 });
    expect(await snp(keyFile, keyFile, askFile)).toMatchObject({ status: 2 });
    const crl = await appraise(
      report,
      "--type",
      "sev-snp",
      "--root",
      ark,
      "--cert",
      keyFile,
      "--cert",
      askFile,
      "--crl",
      file("crl.der", key),
    );
    expect(crl).toMatchObject({ status: 1, code: "crl_malformed" });
  });
});

describe("nitro", () => {
  const document = testNitroDocument();
  const path = file("document.b64", lines(toBase64(document), 64));
  const nitroRoot = file("nitro-root.pem", pem("CERTIFICATE", testNitroChain().cabundle[0]!));
  const nitro = (...more: string[]) => appraise(path, "--type", "nitro", "--root", nitroRoot, ...more);

  test("is appraised at its own time, or at another", async () => {
    expect(await nitro("--now", "document")).toMatchObject({ status: 0, code: "ok" });
    expect(await nitro("--now", TEST_NITRO_TIME.toISOString())).toMatchObject({ status: 0 });
    expect(await nitro("--now", "2027-01-01")).toMatchObject({ status: 1, code: "certificate_expired" });
    const userData = toHex(new TextEncoder().encode("test user data"));
    expect(await nitro("--now", "document", "--report-data", userData)).toMatchObject({ status: 0 });
    expect(await nitro("--now", "document", "--report-data", "00")).toMatchObject({
      code: "report_data_mismatch",
    });
  });

  test("certificates beside it are said not to count, other files are refused", async () => {
    const beside = await nitro("--now", "document", "--cert", nitroRoot);
    expect(beside).toMatchObject({
      transcript: expect.arrayContaining([
        expect.objectContaining({ step: "endorsements", status: "skipped" }),
      ]),
    });
    expect(await nitro("--collateral", collateral)).toMatchObject({ status: 2, code: "usage" });
    expect(await nitro("--crl", nitroRoot)).toMatchObject({ status: 2, code: "usage" });
  });
});

describe("use", () => {
  test("the process exits 0, 1 or 2", () => {
    const args = [quoteFile, "--type", "tdx", ...dcap];
    expect(spawned(...args)).toMatchObject({ status: 0, code: "ok", tcbStatus: "UpToDate" });
    expect(spawned(...args.slice(0, 3))).toMatchObject({ status: 1, code: "collateral_missing" });
    expect(spawned(...args, "--loud")).toMatchObject({ status: 2, ok: false });
  });

  test.each<[string, string[]]>([
    ["no type", [quoteFile]],
    ["an unknown type", [quoteFile, "--type", "tpm"]],
    ["an unknown flag", [quoteFile, "--type", "tdx", "--verbose"]],
    ["no file", ["--type", "tdx"]],
    ["a file that is not there", [join(folder.path, "absent"), "--type", "tdx"]],
    ["a folder", [folder.path, "--type", "tdx"]],
    ["two files", [quoteFile, quoteFile, "--type", "tdx"]],
    ["report data that is no hex", [quoteFile, "--type", "tdx", "--report-data", "xyz"]],
    ["report data that is too short", [quoteFile, "--type", "tdx", "--report-data", "00"]],
    ["a policy that is none", [quoteFile, "--type", "tdx", "--policy", collateral]],
    ["a root that is none", [quoteFile, "--type", "tdx", "--root", collateral]],
  ])("exits 2: %s", async (_, args) => {
    expect(await appraise(...args)).toMatchObject({ status: 2, ok: false });
  });

  test("people get verdict, reason, claims and transcript", async () => {
    const accepted = await runCommand(command, [quoteFile, "--type", "tdx", ...dcap]);
    expect(accepted.status).toBe(0);
    for (const text of ["✓ accepted", "tcbStatus", "UpToDate", "mrTd", "codeIdentity", "quote_signature"])
      expect(accepted.stdout).toContain(text);
    const rejected = await runCommand(command, [quoteFile, "--type", "tdx", "--root", root]);
    expect(rejected.status).toBe(1);
    expect(rejected.stdout).toContain("✗ rejected");
    expect(rejected.stdout).toContain("[collateral_missing]");
  });

  test("a file name cannot write to the terminal", async () => {
    mkdirSync(join(folder.path, "odd"), { recursive: true });
    const { stdout } = await runCommand(command, [file("odd/\u001b[31mred", quote), "--type", "tdx"]);
    expect(stdout).not.toContain("\u001b");
  });
});
