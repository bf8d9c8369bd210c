/** `affidavit ledger`: every action against a running service, from keys to the audit of what was exported. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ownerToText } from "../balances/index.ts";
import { ADDON, WITHOUT } from "../balances/testing/addon.ts";
import { ledgerAccount } from "../client/cli/commands/ledger-account.ts";
import { ledgerAudit } from "../client/cli/commands/ledger-audit.ts";
import { ledgerKeygen } from "../client/cli/commands/ledger-keygen.ts";
import { jsonLine, runCommand } from "../client/cli/testing/run-command.ts";
import { sha256, toHex, utf8 } from "../codec/index.ts";
import { OPERATOR } from "./balances-fixture.ts";
import { balancesCache } from "./balances-place.ts";
import { temporaryDirectory } from "./folder.ts";
import { startService, type RunningService } from "./service-process.ts";

const folder = temporaryDirectory();
const file = (name: string) => join(folder.path, "files", name);
let service: RunningService;
const ids: Record<string, string> = {};

async function account(by: string, action: string, ...words: string[]): Promise<Record<string, unknown>> {
  const connection = ["--url", service.url, "--key", service.apiKey, "--json"];
  const { status, stdout } = await runCommand(ledgerAccount, [
    action,
    "--owner-key",
    file(by),
    ...words,
    ...connection,
  ]);
  return { status, ...jsonLine(stdout) };
}

/** Exports until checkpoints cover so many openings, then audits on so many threads. */
async function audited(openings: number, ...words: string[]): Promise<Record<string, unknown>> {
  const { sequence } = await account("alice", "show");
  const exported = () => {
    const { entries } = JSON.parse(readFileSync(file("export/entries.json"), "utf8")) as {
      entries: { openings: unknown[] }[];
    };
    return [entries.length, entries.flatMap((entry) => entry.openings).length];
  };
  do await account("alice", "export", "--folder", file("export"));
  while (exported().join() !== `${sequence},${openings}`);
  const logKey = /[^\s]+\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+/.exec(service.output())![0];
  const flags = ["--account", ids["alice"]!, "--operator", ownerToText(OPERATOR.owner), "--log-key", logKey];
  const { status, stdout } = await runCommand(ledgerAudit, [file("export"), ...flags, ...words, "--json"]);
  return { status, ...jsonLine(stdout) };
}

const done = { status: 0, code: "ok", state: "done" };
const refused = (code: string) => ({ status: 1, ok: false, code });

describe.skipIf(!ADDON)(`affidavit ledger${WITHOUT}`, { timeout: 600_000 }, () => {
  beforeAll(async () => {
    mkdirSync(file(""), { recursive: true });
    service = await startService({
      directory: folder.path,
      startTimeoutMs: 280_000,
      environment: {
        AFFIDAVIT_BALANCES_OPERATOR: ownerToText(OPERATOR.owner),
        AFFIDAVIT_CACHE_DIR: balancesCache(folder.path),
        AFFIDAVIT_CHECKPOINT_INTERVAL_MS: "200",
      },
    });
    writeFileSync(file("operator"), `ed25519:${toHex(sha256(utf8("operator")))}\n`, { mode: 0o600 });
    for (const [name, scheme] of [
      ["alice", "secp256k1"],
      ["bob", "ed25519"],
    ] as const) {
      const { stdout } = await runCommand(ledgerKeygen, [file(name), "--scheme", scheme, "--json"]);
      ids[name] = jsonLine(stdout)["account"] as string;
    }
  }, 300_000);
  afterAll(async () => {
    await service?.stop();
    folder.remove();
  }, 60_000);

  it("opens accounts, and shows them to their tenant", async () => {
    expect(await account("alice", "show")).toMatchObject(refused("ledger_account_unknown"));
    for (const name of ["alice", "bob"])
      expect(await account(name, "create")).toMatchObject({ status: 0, account: ids[name], sequence: "1" });
    expect(await account("alice", "create")).toMatchObject(refused("ledger_account_exists"));
    expect(await account("alice", "balance")).toMatchObject({ status: 0, amountAtomic: "0", sequence: "1" });
  });

  it("credits, debits, transfers and deposits", async () => {
    const to = ["--to", ids["alice"]!];
    expect(await account("operator", "credit", ...to, "--amount", "1000")).toMatchObject(done);
    expect(await account("bob", "credit", ...to, "--amount", "1000")).toMatchObject(
      refused("ledger_signature_invalid"),
    );
    expect(await account("alice", "debit", "--amount", "100")).toMatchObject({ ...done, sufficient: true });
    expect(await account("alice", "debit", "--amount", "901")).toMatchObject({
      status: 1,
      code: "insufficient",
      state: "done",
    });
    expect(await account("alice", "private-debit", "--amount", "200")).toMatchObject(done);
    expect(await account("alice", "transfer", "--amount", "50", "--to", ids["bob"]!)).toMatchObject(done);
    const voucher = ["--voucher", file("voucher")];
    expect(await account("operator", "voucher", ...to, "--amount", "7", ...voucher)).toMatchObject({
      status: 0,
    });
    expect(await account("bob", "deposit", ...voucher)).toMatchObject(refused("ledger_account_mismatch"));
    expect(await account("alice", "deposit", ...voucher)).toMatchObject(done);
    expect(await account("alice", "deposit", ...voucher)).toMatchObject(refused("ledger_reference_used"));
    expect(await account("alice", "balance")).toMatchObject({ amountAtomic: "657" });
  });

  it("freezes and unfreezes by the operator's key", async () => {
    const to = ["--to", ids["alice"]!];
    expect(await account("operator", "freeze", ...to)).toMatchObject(done);
    expect(await account("alice", "show")).toMatchObject({ frozen: true });
    expect(await account("alice", "debit", "--amount", "1")).toMatchObject(refused("ledger_account_frozen"));
    expect(await account("operator", "unfreeze", ...to)).toMatchObject(done);
  });

  it("exports what an audit computes again, with what was opened of it", async () => {
    const audit = await audited(4);
    expect(audit).toMatchObject({ status: 0, code: "agrees", sequence: "9" });
    const entries = audit["entries"] as { sequence: string; sufficient?: boolean }[];
    expect(entries.flatMap(({ sufficient }) => sufficient ?? [])).toEqual([true, false, true, true]);
  });

  it("lets the vault check what a machine of another kind cannot compare", async () => {
    expect(await account("alice", "check", "--sequence", "10")).toMatchObject(
      refused("ledger_entry_unknown"),
    );
    const first = await account("alice", "check", "--sequence", "2");
    expect(first).toMatchObject({ status: 0, code: "ok" });
    expect(await account("alice", "check", "--sequence", "2")).toEqual(first);
    expect(await audited(5, "--threads", "8")).toMatchObject({ status: 1, code: "incomparable" });
    for (const sequence of ["3", "4", "5", "6", "7"])
      expect(await account("alice", "check", "--sequence", sequence)).toMatchObject({ status: 0 });
    expect(await audited(10, "--threads", "8")).toMatchObject({ status: 1, code: "checked" });
    expect(await audited(10, "--threads", "8", "--checked")).toMatchObject({ status: 0, code: "checked" });
  });
});
