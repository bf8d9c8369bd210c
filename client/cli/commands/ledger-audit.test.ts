import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { entriesToJson, ownerToText } from "../../../balances/index.ts";
import { keysetOf, LOG_KEY, logEntry, seed } from "../../../balances/testing/logged.ts";
import { secp256k1Owner } from "../../../balances/testing/owners.ts";
import { sha256, toHex0x, utf8 } from "../../../codec/index.ts";
import { formatVerifierKey, NOTE_TYPE_ED25519 } from "../../../receipts/index.ts";
import { jsonLine, runCommand } from "../testing/run-command.ts";
import { ledgerAudit } from "./ledger-audit.ts";

const account = seed("account");
const operator = ownerToText(secp256k1Owner("operator").owner);
const logKey = formatVerifierKey(NOTE_TYPE_ED25519, LOG_KEY);
const FLAGS = ["--account", toHex0x(account), "--operator", operator, "--log-key", logKey, "--json"];

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "ledger-audit-"));
  mkdirSync(join(folder, "keys"));
  for (const name of ["evaluation-key", "public-key", "crs"]) writeFileSync(join(folder, "keys", name), name);
});
afterAll(() => rmSync(folder, { recursive: true }));

/** One entry under a keyset that names these keys. */
function publish(keyNames: string[]): void {
  const digests = keyNames.map((name) => sha256(utf8(name)));
  const entry = {
    account,
    sequence: 1n,
    operation: 1,
    previousDigest: new Uint8Array(32),
    newDigest: seed("zero"),
    operandDigest: seed("operand"),
    serverKeyDigest: digests[0]!,
    executionDigest: new Uint8Array(32),
    issuedAtMs: 1n,
  };
  const logged = logEntry({ entry, operandText: "{}", executionText: "" }, keysetOf(digests));
  writeFileSync(join(folder, "entries.json"), JSON.stringify(entriesToJson([logged])));
}

async function code(words: string[]): Promise<[number, unknown]> {
  const { status, stdout } = await runCommand(ledgerAudit, words);
  return [status, jsonLine(stdout)["code"]];
}

describe("affidavit ledger audit", () => {
  it("refuses flags and files that it cannot use", async () => {
    expect(await code(["--json"])).toEqual([2, "usage"]);
    expect(await code([join(folder, "nowhere"), ...FLAGS])).toEqual([2, "file_unreadable"]);
    for (const [flag, value] of [
      ["--account", "0x00"],
      ["--operator", "nobody"],
      ["--log-key", "none"],
      ["--threads", "65"],
      ["--threads", "1.5"],
    ])
      expect(await code([folder, ...FLAGS, flag!, value!]), flag).toEqual([2, "usage"]);
  });

  it("says no to entries that no keyset of this log and of these keys stands behind", async () => {
    writeFileSync(join(folder, "entries.json"), "{}");
    expect(await code([folder, ...FLAGS])).toEqual([1, "entry_invalid"]);
    publish(["evaluation-key", "another", "crs"]);
    expect(await code([folder, ...FLAGS])).toEqual([1, "server_key_mismatch"]);
    const other = formatVerifierKey(NOTE_TYPE_ED25519, { ...LOG_KEY, publicKey: seed("other") });
    expect(await code([folder, ...FLAGS, "--log-key", other])).toEqual([1, "signature_invalid"]);
  });
});
