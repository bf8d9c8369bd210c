/** What `affidavit ledger keygen` and `account` refuse before they ask a service. The slow suite goes through a running one. */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { accountId, parseOwner } from "../../../balances/index.ts";
import { toHex0x } from "../../../codec/index.ts";
import { jsonLine, runCommand } from "../testing/run-command.ts";
import { ledgerAccount } from "./ledger-account.ts";
import { ledgerKeygen } from "./ledger-keygen.ts";

const NOBODY = "http://127.0.0.1:1";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "ledger-account-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function code(words: string[]): Promise<[number, unknown]> {
  const { status, stdout } = await runCommand(ledgerAccount, [
    ...words,
    "--url",
    NOBODY,
    "--key",
    "k",
    "--json",
  ]);
  return [status, jsonLine(stdout)["code"]];
}

describe("affidavit ledger keygen", () => {
  it.each(["secp256k1", "ed25519"])("makes a key of %s for its owner alone to read", async (scheme) => {
    const file = join(folder, `${scheme}.key`);
    const { status, stdout } = await runCommand(ledgerKeygen, [file, "--scheme", scheme, "--json"]);
    const { owner, account } = jsonLine(stdout) as { owner: string; account: string };
    expect(status).toBe(0);
    expect(toHex0x(accountId(parseOwner(owner)))).toBe(account);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readFileSync(file, "utf8")).toMatch(new RegExp(`^${scheme}:[0-9a-f]{64}\n$`));
    expect(stdout).not.toContain(readFileSync(file, "utf8").slice(-65, -1));
  });

  it("refuses a scheme and a place that there are not", async () => {
    for (const words of [["a.key", "--scheme", "rsa"], [], [join(folder, "nowhere", "a.key")]])
      expect((await runCommand(ledgerKeygen, [...words, "--json"])).status).toBe(2);
  });
});

describe("affidavit ledger account", () => {
  it("refuses actions, keys, amounts, accounts and files that are none", async () => {
    const key = join(folder, "owner.key");
    await runCommand(ledgerKeygen, [key]);
    const other = `0x${"11".repeat(32)}`;
    const broken = join(folder, "broken");
    writeFileSync(broken, "{}");
    for (const words of [
      [],
      ["steal", "--owner-key", key],
      ["toString", "--owner-key", key],
      ["show", "more", "--owner-key", key],
      ["show"],
      ["show", "--owner-key", broken],
      ["debit", "--owner-key", key],
      ["debit", "--owner-key", key, "--amount", "0"],
      ["debit", "--owner-key", key, "--amount", "1.5"],
      ["private-debit", "--owner-key", key, "--amount", "-1"],
      ["transfer", "--owner-key", key, "--amount", "1"],
      ["transfer", "--owner-key", key, "--amount", "1", "--to", "0x11"],
      ["credit", "--owner-key", key, "--to", other],
      ["voucher", "--owner-key", key, "--to", other, "--amount", "1"],
      ["freeze", "--owner-key", key],
      ["deposit", "--owner-key", key],
      ["deposit", "--owner-key", key, "--voucher", broken],
      ["export", "--owner-key", key],
      ["check", "--owner-key", key],
      ["check", "--owner-key", key, "--sequence", "0"],
    ])
      expect(await code(words), words.join(" ")).toEqual([2, "usage"]);
    expect(await code(["show", "--owner-key", join(folder, "nowhere")])).toEqual([2, "file_unreadable"]);
    expect(await code(["show", "--owner-key", key])).toEqual([1, "server_unreachable"]);
  });
});
