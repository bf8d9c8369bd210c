/** Devices asked by ioctl, in a process whose system calls lead to stand-ins that keep the drivers' rules. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { decodeCbor, encodeCbor, type CborMap } from "../../codec/index.ts";
import { parseNitroDocument } from "../parse/nitro.ts";
import { parseSnpReport } from "../parse/sev-snp.ts";
import { testNitroDocument, testNitroFields } from "../testing/nitro.ts";
import { testSnpEvidence } from "../testing/sev-snp.ts";
import {
  CollectorProcess,
  STAND_IN_MISSING,
  type Answer,
  type OpenFile,
  type Outcome,
} from "../testing/tee-stand-in.ts";
import { VECTORS_FOLDER } from "../testing/vectors.ts";
import { NSM_IOCTL_RAW } from "./nitro-nsm.ts";
import { SEV_GUEST_LAYOUT, SNP_GET_EXT_REPORT, SNP_GET_REPORT } from "./sev-guest.ts";
import { TDX_CMD_GET_REPORT0 } from "./tdx-guest.ts";

const reportData = new Uint8Array(64).fill(0x5a);

test("the numbers of the calls are the kernel's", () => {
  expect(TDX_CMD_GET_REPORT0).toBe(0xc4405401);
  expect(SNP_GET_REPORT).toBe(0xc0205300);
  expect(SNP_GET_EXT_REPORT).toBe(0xc0205302);
  expect(NSM_IOCTL_RAW).toBe(0xc0200a00);
});

type Ioctl = NonNullable<OpenFile["ioctl"]>;

const snpReport = (data: Uint8Array) => testSnpEvidence({ fields: { reportData: data } }).report;

/** Error (8 bytes), eight of filling, MSG_REPORT_RSP, certificates: as the stand-in's library lays them out. */
function snpAnswer(report: Uint8Array, size = report.length, error: [number, number] = [0, 0]): Uint8Array {
  const bytes = Buffer.alloc(16 + SEV_GUEST_LAYOUT.RESPONSE_BYTES + 16_384);
  bytes.writeUInt32LE(error[0], 0);
  bytes.writeUInt32LE(error[1], 4);
  bytes.writeUInt32LE(size, 20);
  bytes.set(report, 48);
  return bytes;
}

function withCertificate(answer: Uint8Array, der: Uint8Array): Uint8Array {
  const at = 16 + SEV_GUEST_LAYOUT.RESPONSE_BYTES;
  const bytes = Buffer.from(answer);
  bytes.write("a8074bc2a25a483eaae639c045a0b8a1", at, "hex");
  bytes.writeUInt32LE(48, at + 16);
  bytes.writeUInt32LE(der.length, at + 20);
  bytes.set(der, at + 48);
  return bytes;
}

function nsmReply(document: Uint8Array): Uint8Array {
  return encodeCbor(new Map([["Attestation", new Map([["document", document]])]]));
}

const good: Ioctl = (_request, bytes) => ({ bytes: snpAnswer(snpReport(bytes.subarray(0, 64))) });
const slow: Ioctl = async (request, bytes) => {
  await sleep(400);
  return await good(request, bytes);
};

/** An answer once, then what the driver says when all is well. */
function first(answer: Answer, then: Ioctl): Ioctl {
  let asked = 0;
  return (request, bytes) => (asked++ === 0 ? answer : then(request, bytes));
}

describe.skipIf(STAND_IN_MISSING)(`devices${STAND_IN_MISSING ? ` (${STAND_IN_MISSING})` : ""}`, () => {
  let child: CollectorProcess;
  beforeAll(async () => void (child = await CollectorProcess.start()));
  afterAll(() => child.close());

  async function collect(name: string, ioctl: Ioctl, timeoutMs?: number): Promise<Outcome> {
    child.standIn = { open: () => ({ ioctl }) };
    const [outcome] = await child.collect(`${name}:${child.root}/device`, [reportData], timeoutMs);
    return outcome!;
  }

  test.each([
    ["sev-guest", "ENOENT", "interface_absent"],
    ["sev-guest", "EACCES", "permission_denied"],
    ["nitro", "ENODEV", "interface_absent"],
    ["tdx-guest", "EPERM", "permission_denied"],
    ["tdx-guest", "EBUSY", "interface_busy"],
  ] as const)("%s that opens with %s is %s", async (name, errno, code) => {
    child.standIn = { open: () => ({ errno }) };
    expect((await child.collect(`${name}:${child.root}/device`, [reportData]))[0]).toMatchObject({ code });
  });

  test("sev-guest gives the extended report with the host's VLEK", async () => {
    const vlek = testSnpEvidence({ kind: "vlek" }).certificates[0]!;
    const outcome = await collect("sev-guest", (request, bytes) => {
      expect(request).toBe(SNP_GET_EXT_REPORT);
      expect(bytes).toHaveLength(SEV_GUEST_LAYOUT.EXTENDED_REQUEST_BYTES);
      return { bytes: withCertificate(snpAnswer(snpReport(bytes.subarray(0, 64))), vlek) };
    });
    expect(outcome).toMatchObject({ type: "sev-snp", certificates: [vlek] });
    if (!("quote" in outcome)) throw new Error("no quote");
    expect(parseSnpReport(outcome.quote).reportData).toEqual(reportData);
  });

  test("sev-guest asks for the plain report where the host refuses the other", async () => {
    const asked: number[] = [];
    const outcome = await collect("sev-guest", (request, bytes) => {
      asked.push(request);
      if (request === SNP_GET_EXT_REPORT)
        return { errno: "EIO", bytes: snpAnswer(new Uint8Array(0), 0, [0, 1]) };
      return good(request, bytes);
    });
    expect(outcome).toMatchObject({ type: "sev-snp", certificates: [] });
    expect(asked).toEqual([SNP_GET_EXT_REPORT, SNP_GET_REPORT]);
  });

  test.each<[string, Answer]>([
    ["EBUSY", { errno: "EBUSY" }],
    ["EAGAIN", { errno: "EAGAIN" }],
    ["a busy host", { errno: "EIO", bytes: snpAnswer(new Uint8Array(0), 0, [0, 2]) }],
  ])("sev-guest is asked again after %s", async (_name, answer) => {
    expect(await collect("sev-guest", first(answer, good))).toMatchObject({ type: "sev-snp" });
  });

  test.each<[string, Ioctl, string]>([
    [
      "a firmware error",
      () => ({ errno: "EIO", bytes: snpAnswer(new Uint8Array(0), 0, [22, 0]) }),
      "interface_failed",
    ],
    [
      "another size",
      (_, bytes) => ({ bytes: snpAnswer(snpReport(bytes.subarray(0, 64)), 1183) }),
      "reply_malformed",
    ],
    ["other report data", () => ({ bytes: snpAnswer(snpReport(new Uint8Array(64))) }), "reply_malformed"],
    ["EBUSY for ever", () => ({ errno: "EBUSY" }), "interface_busy"],
    ["EIO", () => ({ errno: "EIO" }), "interface_failed"],
  ])("sev-guest with %s is refused", async (_name, ioctl, code) => {
    expect(await collect("sev-guest", ioctl)).toMatchObject({ code });
  });

  test("a device that does not answer is given up", async () => {
    expect(await collect("sev-guest", slow, 100)).toMatchObject({ code: "interface_timed_out" });
    await sleep(400);
  });

  test("tdx_guest alone says that this is a TD without quotes", async () => {
    const report = Buffer.alloc(1024);
    report[0] = 0x81;
    expect(await collect("tdx-guest", () => ({ bytes: report }))).toMatchObject({
      code: "quote_path_missing",
    });
    const sgx = Buffer.alloc(1024);
    expect(await collect("tdx-guest", () => ({ bytes: sgx }))).toMatchObject({ code: "reply_malformed" });
  });

  test("the Nitro module's document is over the report data", async () => {
    const outcome = await collect("nitro", (_request, bytes) => {
      const asked = (decodeCbor(bytes) as CborMap).get("Attestation") as CborMap;
      const userData = asked.get("user_data") as Uint8Array;
      expect([asked.get("nonce"), asked.get("public_key")]).toEqual([null, null]);
      return { bytes: nsmReply(testNitroDocument(testNitroFields().set("user_data", userData))) };
    });
    if (!("quote" in outcome)) throw new Error(outcome.message);
    expect(parseNitroDocument(outcome.quote).userData).toEqual(reportData);
  });

  test.each<[string, Uint8Array, string]>([
    ["an error", encodeCbor(new Map([["Error", "InvalidArgument"]])), "interface_failed"],
    ["no document", encodeCbor(new Map([["Attestation", new Map()]])), "reply_malformed"],
    ["a cut answer", nsmReply(testNitroDocument()).subarray(0, 900), "reply_malformed"],
    ["a document over something else", nsmReply(testNitroDocument()), "reply_malformed"],
  ])("the Nitro module with %s is refused", async (_name, bytes, code) => {
    expect(await collect("nitro", () => ({ bytes }))).toMatchObject({ code });
  });

  const real = join(VECTORS_FOLDER, "snp", "coco-test-report.bin");
  test.skipIf(!existsSync(real))("hands a real SNP report on (needs the vectors)", async () => {
    const report = new Uint8Array(readFileSync(real)).slice(0, 1184);
    child.standIn = { open: () => ({ ioctl: () => ({ bytes: snpAnswer(report) }) }) };
    const data = new Uint8Array(parseSnpReport(report).reportData);
    const [outcome] = await child.collect(`sev-guest:${child.root}/device`, [data]);
    expect(outcome).toMatchObject({ quote: report });
  });
});
