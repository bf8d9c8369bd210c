/** From a service to an archive and a disclosure, and what an auditor with no network makes of them. */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  DISCLOSED_FIELDS,
  opens,
  parseDisclosure,
  readTar,
  verifyAudit,
  writeTar,
} from "../client/audit/index.ts";
import { fromUtf8, utf8 } from "../codec/index.ts";
import { parseBundle, serializePrivatePart } from "../receipts/index.ts";
import { temporaryDirectory } from "./folder.ts";
import { infer, receiptIdOf, smallCall } from "./service-load.ts";
import { startService, type RunningService } from "./service-process.ts";

const CLI = new URL("../client/cli/main.ts", import.meta.url).pathname;
const RECEIPTS = 7;

const body = (bytes: Uint8Array) => ({ bytes, contentType: "application/json", headerLength: null });

const verify = (files: Map<string, Uint8Array>) =>
  verifyAudit(writeTar([...files].map(([name, bytes]) => ({ name, bytes }))), {
    now: new Date(),
    policy: { allowSimulated: true },
  });

describe("an audit", () => {
  const folder = temporaryDirectory();
  const path = (name: string) => join(folder.path, name);
  let service: RunningService;
  let archive: Uint8Array;

  function affidavit(...words: string[]): { status: number | null; answer: Record<string, unknown> } {
    const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, ...words, "--json"], {
      encoding: "utf8",
      env: { PATH: process.env["PATH"], HOME: folder.path },
    });
    expect(stdout.trim().split("\n"), stderr).toHaveLength(1);
    return { status, answer: JSON.parse(stdout) as Record<string, unknown> };
  }

  beforeAll(async () => {
    service = await startService();
    for (let i = 0; i < RECEIPTS; i++) {
      const call = smallCall("breast-cancer");
      const answer = await infer(service, call);
      if (i > 0) continue;
      const headers = { authorization: `Bearer ${service.apiKey}` };
      const receipt = await fetch(`${service.url}/v1/receipts/${receiptIdOf(answer)}?wait=inclusion`, {
        headers,
      });
      writeFileSync(path("r"), await receipt.text());
      const requester = answer.headers.get("affidavit-requester")!;
      const part = { salt: call.salt, requester, request: body(call.body), response: body(answer.body) };
      writeFileSync(path("r.private"), serializePrivatePart(part));
    }
    const key = ["--url", service.url, "--key", service.apiKey];
    const { status, answer } = affidavit(
      "export",
      ...key,
      "--from",
      "2020-01-01",
      "--out",
      path("bundle.tar"),
    );
    expect([status, answer["receipts"]]).toEqual([0, RECEIPTS]);
    archive = new Uint8Array(readFileSync(path("bundle.tar")));
    expect(affidavit("export", ...key, "--to", "2020-01-01", "--out", path("none.tar")).status).toBe(1);
    await service.stop();
  }, 120_000);
  afterAll(() => folder.remove());

  test("holds with no network, years later, and says what each claim rests on", () => {
    const { status, answer } = affidavit(
      "verify",
      path("bundle.tar"),
      "--allow-simulated",
      "--now",
      "2046-01-01",
    );
    expect(answer).toMatchObject({ ok: true, verdict: "accepted", simulated: true });
    expect(status).toBe(0);
    expect(answer["receipts"]).toHaveLength(RECEIPTS);
    const claims = answer["claims"] as { claim: string; status: string; source: string; receipts: number }[];
    const named = (claim: string) => claims.find(({ claim: name }) => name === claim);
    expect(named("TEE")).toMatchObject({ source: "simulated", receipts: RECEIPTS });
    expect(named("issued at")).toMatchObject({ status: "asserted", source: "operator_asserted" });
    expect(named("logged")).toMatchObject({ status: "verified", source: "verifier_derived" });
    expect(named("not revoked")).toMatchObject({ status: "asserted", source: "operator_asserted" });
  });

  test("is refused by the default policy, since its TEE is simulated", () => {
    const { status, answer } = affidavit("verify", path("bundle.tar"));
    expect([status, answer["ok"], answer["code"]]).toEqual([1, false, "simulated_refused"]);
  });

  /** The verdict's code, or that of the error. */
  function codeAfter(change: (files: Map<string, Uint8Array>) => void): string {
    const files = new Map(readTar(archive));
    change(files);
    try {
      return verify(files).code;
    } catch (error) {
      return (error as { code: string }).code;
    }
  }

  // Nobody can tell that an exporter left a receipt out: which ones there are is his word.
  test("notices every other file that is missing, and one that was changed", () => {
    expect(codeAfter(() => {})).toBe("ok");
    for (const name of readTar(archive).keys()) {
      const receiptsLeft = name.startsWith("receipts/");
      const missing = codeAfter((files) => files.delete(name));
      if (receiptsLeft) expect(missing).toBe("ok");
      else expect(missing, name).not.toBe("ok");
      const flipped = codeAfter((files) => {
        const bytes = files.get(name)!.slice();
        // A hex digit or letter in the middle of something that is signed or hashed.
        const place = Math.floor(bytes.length / 2);
        bytes[place] = bytes[place] === 0x61 ? 0x62 : 0x61;
        files.set(name, bytes.length > 0 ? bytes : new Uint8Array(32));
      });
      if (name !== "audit.json" && name !== "revocations.json") expect(flipped, name).not.toBe("ok");
    }
  });

  test("notices log heads that are of no one log", () => {
    const proofs = [...readTar(archive).keys()].filter((name) => name.startsWith("consistency/"));
    expect(proofs.length).toBeGreaterThan(0);
    const code = codeAfter((files) => {
      for (const name of proofs) files.set(name, new Uint8Array(files.get(name)!.length + 32));
    });
    expect(code).toBe("log_heads_inconsistent");
  });

  test.each([
    ["nothing", new Uint8Array(0)],
    ["text", utf8("x".repeat(2048))],
  ])("of %s is refused", (_, bytes) => {
    expect(() => verifyAudit(bytes, { now: new Date() })).toThrow(
      expect.objectContaining({ code: "archive_invalid" }),
    );
  });

  test("a disclosure that is of something else, or none, is refused", () => {
    const out = path("forged.disclosure");
    expect(affidavit("disclose", path("r"), "--field", "input", "--out", out).status).toBe(0);
    const document = JSON.parse(fromUtf8(readFileSync(out))) as object;
    const shown = ["verify", path("r"), "--allow-simulated", "--disclosure", out];
    writeFileSync(out, JSON.stringify({ ...document, value: "AAAA" }));
    expect(affidavit(...shown)).toMatchObject({ status: 1, answer: { code: "disclosure_mismatch" } });
    writeFileSync(out, "{}");
    expect(affidavit(...shown).status).toBe(2);
  }, 60_000);

  test.each(DISCLOSED_FIELDS)(
    "opens the %s alone",
    (field) => {
      const out = path(`${field}.disclosure`);
      const made = affidavit("disclose", path("r"), "--field", field, "--out", out);
      expect([made.status, made.answer["field"]]).toEqual([0, field]);
      const shown = ["verify", path("r"), "--allow-simulated", "--disclosure", out];
      expect(affidavit(...shown)).toMatchObject({ status: 0, answer: { ok: true, field } });
      const document = JSON.parse(fromUtf8(readFileSync(out))) as Record<string, string>;
      expect(Object.keys(document)).toEqual(["formatVersion", "receiptId", "field", "salt", "value"]);
      const bundle = parseBundle(fromUtf8(readFileSync(path("r"))));
      const opensAfter = (change: object) =>
        opens(parseDisclosure(JSON.stringify({ ...document, ...change })), bundle);
      expect(opensAfter({})).toBe(true);
      const other = field === "request" ? "response" : "request";
      for (const change of [{ value: "AAAA" }, { salt: `0x${"11".repeat(32)}` }, { field: other }])
        expect(opensAfter(change)).toBe(false);
    },
    60_000,
  );
});
