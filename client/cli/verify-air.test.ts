import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ed25519 } from "@noble/curves/ed25519.js";
import { afterAll, describe, expect, it } from "vitest";
import { fromHex, toHex } from "../../codec/index.ts";
import { buildAirReceipt, type AirClaims } from "../../receipts/index.ts";
import { temporaryDirectory } from "../../test/folder.ts";
import { verify } from "./commands/verify.ts";
import { jsonLine, runCommand } from "./testing/run-command.ts";

const folder = temporaryDirectory();
afterAll(() => folder.remove());

function file(name: string, content: Uint8Array): string {
  const path = join(folder.path, name);
  writeFileSync(path, content);
  return path;
}

async function run(path: string, ...args: string[]) {
  const { status, stdout } = await runCommand(verify, [path, "--format", "air", ...args, "--json"]);
  return { status, ...jsonLine(stdout) };
}

const SEED = new Uint8Array(32).fill(5);
const KEY = toHex(ed25519.getPublicKey(SEED));
const hash = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
const CLAIMS: AirClaims = {
  iss: "issuer\u001b[2J",
  iat: 1_780_000_000n,
  cti: new Uint8Array(16).fill(1),
  eatNonce: hash(9),
  modelId: "m",
  modelVersion: "1",
  modelHash: hash(1),
  requestHash: hash(2),
  responseHash: hash(3),
  attestationDocHash: hash(4),
  measurements: {
    measurementType: "nitro-pcr",
    pcr0: new Uint8Array(48),
    pcr1: new Uint8Array(48),
    pcr2: new Uint8Array(48),
  },
  policyVersion: "p",
  sequenceNumber: 2n ** 60n,
  executionTimeMs: 5n,
  memoryPeakMb: 0n,
  securityMode: "production",
};
const receipt = buildAirReceipt(CLAIMS, (message) => ed25519.sign(message, SEED));
const path = file("receipt.cbor", receipt);

describe("affidavit verify --format air", () => {
  it("says yes, with the claims", async () => {
    const flags = ["--nonce", toHex(hash(9)), "--model-hash", toHex(hash(1)), "--platform", "nitro-pcr"];
    expect(await run(path, "--key", KEY, ...flags, "--max-age", "60", "--now", "1780000060")).toMatchObject({
      status: 0,
      ok: true,
      code: "ok",
      assurance: "air_local",
      claims: { iat: 1_780_000_000, sequenceNumber: (2n ** 60n).toString(), modelHash: toHex(hash(1)) },
    });
    expect(await run(path, "--key", KEY, "--now", "document", "--max-age", "0")).toMatchObject({ status: 0 });
    expect(await run(path, "--key", `0x${KEY}`, "--now", "2026-06-01")).toMatchObject({ status: 0 });
  });

  it.each([
    [["--nonce", "00".repeat(8)], 4, "NONCE_MISMATCH"],
    [["--model-hash", "ff".repeat(32)], 4, "MODEL_HASH_MISMATCH"],
    [["--platform", "tdx-mrtd-rtmr"], 4, "PLATFORM_MISMATCH"],
    [["--max-age", "59", "--now", "1780000060"], 4, "TIMESTAMP_STALE"],
    [["--now", "1779999000"], 4, "TIMESTAMP_FUTURE"],
    [["--key", "11".repeat(32)], 2, "SIG_FAILED"],
  ])("says no by the draft's code: %s", async (flags, layer, code) => {
    expect(await run(path, "--key", KEY, "--now", "1780000000", ...flags)).toMatchObject({
      status: 1,
      ok: false,
      layer,
      code,
    });
  });

  it("says no to what is no COSE, and to what is too large", async () => {
    expect(await run(file("empty", new Uint8Array(0)), "--key", KEY)).toMatchObject({
      status: 1,
      code: "COSE_DECODE_FAILED",
    });
    expect(await run(file("text", Buffer.from("{}")), "--key", KEY)).toMatchObject({
      status: 1,
      code: "COSE_DECODE_FAILED",
    });
    expect(await run(file("large", new Uint8Array(70_000)), "--key", KEY)).toMatchObject({
      status: 1,
      code: "RECEIPT_TOO_LARGE",
    });
  });

  it("takes a receipt of an evaluation only when told to", async () => {
    const evaluation = buildAirReceipt({ ...CLAIMS, securityMode: "evaluation" }, (message) =>
      ed25519.sign(message, SEED),
    );
    const at = file("evaluation.cbor", evaluation);
    expect(await run(at, "--key", KEY, "--now", "document")).toMatchObject({
      status: 1,
      code: "EVALUATION_MODE_REJECTED",
    });
    expect(await run(at, "--key", KEY, "--now", "document", "--allow-simulated")).toMatchObject({
      status: 0,
    });
  });

  it.each([
    [[]],
    [["--key", "11"]],
    [["--key", "no hex"]],
    [["--key", KEY, "--platform", "sev-snp"]],
    [["--key", KEY, "--max-age", "soon"]],
    [["--key", KEY, "--now", "yesterday"]],
    [["--key", KEY, "--nonce", "0"]],
  ])("refuses flags that it cannot read: %s", async (flags) => {
    expect(await run(path, ...flags)).toMatchObject({ status: 2, code: "usage" });
  });

  it("refuses flags of the other format, other formats, and a file that is not there", async () => {
    for (const flags of [
      ["--key", KEY],
      ["--format", "jwt"],
      ["--max-age", "1"],
    ]) {
      const { status, stdout } = await runCommand(verify, [path, ...flags, "--json"]);
      expect({ status, ...jsonLine(stdout) }).toMatchObject({ status: 2, code: "usage" });
    }
    expect(await run(join(folder.path, "absent"), "--key", KEY)).toMatchObject({
      status: 2,
      code: "file_unreadable",
    });
  });

  it("tells people the same, without the issuer's control characters", async () => {
    const { status, stdout } = await runCommand(verify, [
      path,
      "--format",
      "air",
      "--key",
      KEY,
      "--now",
      "document",
    ]);
    expect(status).toBe(0);
    expect(stdout).toContain("AIR-local");
    expect(stdout).not.toContain("\u001b");
    const refused = await runCommand(verify, [
      path,
      "--format",
      "air",
      "--key",
      KEY,
      "--nonce",
      "00".repeat(8),
    ]);
    expect(refused).toMatchObject({ status: 1, stdout: expect.stringContaining("[NONCE_MISMATCH]") });
  });
});

const VECTORS = join(
  process.env["AFFIDAVIT_VECTORS"] ?? join(import.meta.dirname, "../../../shared/vectors"),
  "air",
);
const folders = existsSync(VECTORS) ? ["valid", "invalid"] : [];
const vectors = folders.flatMap((name) => readdirSync(join(VECTORS, name)).map((entry) => join(name, entry)));

describe.skipIf(vectors.length === 0)(
  "published vectors (skipped where the folder of vectors is absent)",
  () => {
    it.each(vectors)("%s", async (name) => {
      const vector = JSON.parse(readFileSync(join(VECTORS, name), "utf8"));
      const policy = vector.verify_policy ?? {};
      const flags = {
        nonce: policy.expected_nonce_hex,
        "model-hash": policy.expected_model_hash_hex,
        platform: policy.expected_platform,
        "max-age": policy.max_age_secs,
      };
      const given = Object.entries(flags).filter(([, value]) => value !== undefined);
      const found = await run(
        file("vector.cbor", fromHex(vector.receipt_hex)),
        "--key",
        vector.wrong_public_key_hex ?? vector.public_key_hex,
        ...given.flatMap(([flag, value]) => [`--${flag}`, String(value)]),
      );
      const failure = vector.expected_failure;
      expect(found).toMatchObject(failure ? { status: 1, code: failure.code } : { status: 0, code: "ok" });
    });
  },
);
