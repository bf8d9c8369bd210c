/** The collector in a process whose system calls lead to a stand-in that keeps the kernel's rules. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseQuote } from "../parse/dcap.ts";
import { ConfigfsStandIn, type ConfigfsFaults, type ConfigfsOptions } from "../testing/configfs-stand-in.ts";
import { testSnpEvidence } from "../testing/sev-snp.ts";
import { CollectorProcess, STAND_IN_MISSING, type Outcome } from "../testing/tee-stand-in.ts";
import { VECTORS_FOLDER } from "../testing/vectors.ts";
import { developmentQuotes } from "../testing/development-quotes.ts";

const reportData = new Uint8Array(64).fill(0x5a);
const other = new Uint8Array(64).fill(0xa5);
const quotes = developmentQuotes();
const snpReport = (data: Uint8Array) => testSnpEvidence({ fields: { reportData: data } }).report;

function evidenceOf(outcome: Outcome | undefined): Extract<Outcome, { quote: Uint8Array }> {
  if (!outcome || "code" in outcome) throw new Error(`no evidence: ${outcome?.message}`);
  return outcome;
}

describe.skipIf(STAND_IN_MISSING)(`configfs-tsm${STAND_IN_MISSING ? ` (${STAND_IN_MISSING})` : ""}`, () => {
  let child: CollectorProcess;
  beforeAll(async () => void (child = await CollectorProcess.start()));
  afterAll(() => child.close());

  function standIn(options: Partial<ConfigfsOptions> = {}): ConfigfsStandIn {
    const made = new ConfigfsStandIn({ provider: "tdx_guest", evidence: quotes, ...options });
    child.standIn = made;
    return made;
  }
  const collect = (data = [reportData]) => child.collect(`configfs-tsm:${child.root}`, data);

  test("quotes the report data asked for, one at a time, and leaves no report behind", async () => {
    const { reports } = standIn();
    const [first, second] = await collect([reportData, other]);
    expect(parseQuote(evidenceOf(first).quote).body.reportData).toEqual(reportData);
    expect(parseQuote(evidenceOf(second).quote).body.reportData).toEqual(other);
    expect(first).toMatchObject({ type: "tdx", certificates: [] });
    expect(reports.size).toBe(0);
  });

  test("gives an SEV-SNP report and the host's certificates", async () => {
    const { certificates } = testSnpEvidence();
    standIn({ provider: "sev_guest", evidence: snpReport, auxblob: certificateTable(certificates[0]!) });
    const outcome = evidenceOf((await collect())[0]);
    expect(outcome).toMatchObject({ type: "sev-snp" });
    expect(outcome.certificates).toEqual([certificates[0]]);
  });

  const recovered: [string, ConfigfsFaults][] = [
    ["answers EBUSY three times", { busyReads: 3 }],
    ["is written to by another in the meantime, twice", { foreignWrites: 2 }],
    ["gives 100 bytes at each read", { readBytes: 100 }],
  ];
  test.each(recovered)("has evidence where the kernel %s", async (_name, faults) => {
    standIn(faults);
    const { quote } = evidenceOf((await collect())[0]);
    expect(parseQuote(quote).body.reportData).toEqual(reportData);
  });

  const refused: [string, Partial<ConfigfsOptions>, string][] = [
    ["stays busy", { busyReads: 99 }, "interface_busy"],
    ["lets another write all the time", { foreignWrites: 99 }, "report_conflict"],
    ["cuts the quote short", { cutTo: 700 }, "reply_malformed"],
    ["gives nothing", { cutTo: 0 }, "reply_malformed"],
    ["gives without end", { evidence: () => new Uint8Array(70_000) }, "reply_malformed"],
    ["takes a part of the report data", { writeTakes: 32 }, "interface_failed"],
    ["gives evidence over other report data", { evidence: () => quotes(other) }, "reply_malformed"],
    ["fails to quote", { outblob: { errno: "EIO" } }, "interface_failed"],
    ["has no provider", { mkdir: { errno: "ENXIO" } }, "interface_absent"],
    ["has no configfs", { mkdir: { errno: "ENOENT" } }, "interface_absent"],
    ["refuses this user", { mkdir: { errno: "EACCES" } }, "permission_denied"],
    ["has a provider that nobody here verifies", { provider: "arm_cca_guest" }, "evidence_unsupported"],
  ];
  test.each(refused)("says so where the kernel %s", async (_name, options, code) => {
    const { reports } = standIn(options);
    expect((await collect())[0]).toMatchObject({ code });
    expect(reports.size).toBe(0);
  });

  const real = join(VECTORS_FOLDER, "dcap", "tdx4-phala-2025-07", "quote.bin");
  test.skipIf(!existsSync(real))("hands a real quote on, byte for byte (needs the vectors)", async () => {
    const quote = new Uint8Array(readFileSync(real));
    standIn({ evidence: () => quote });
    const data = parseQuote(quote).body.reportData;
    expect(evidenceOf((await collect([new Uint8Array(data)]))[0]).quote).toEqual(quote);
  });
});

/** One entry, VCEK, and the end of the table. */
function certificateTable(der: Uint8Array): Uint8Array {
  const table = new Uint8Array(48 + der.length);
  table.set(Buffer.from("63da758de6644564adc5f4b93be8accd", "hex"));
  new DataView(table.buffer).setUint32(16, 48, true);
  new DataView(table.buffer).setUint32(20, der.length, true);
  table.set(der, 48);
  return table;
}
