/** The SDK and the command against a whole running service, and with a man in the middle. */
import { execFile, execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createClient, verifiedFetch, type Client } from "../client/index.ts";
import type { ClientOptions } from "../client/index.ts";
import { parseInferRequest } from "../models/client.ts";
import { changed } from "./fixture-service.ts";
import { startMiddleman, type Middleman } from "./middleman.ts";
import { refusal } from "./refusal.ts";
import { startService, type RunningService } from "./service-process.ts";

const ZOO = ["breast-cancer", "digits", "vad", "ocr"];
const CLI = fileURLToPath(new URL("../client/cli/main.ts", import.meta.url));
const INFER = /\/infer$/;
const example = (model: string): string =>
  fileURLToPath(new URL(`../models/zoo/${model}/example.json`, import.meta.url));
const inputsOf = (model: string) => parseInferRequest(readFileSync(example(model))).inputs;

let service: RunningService;
let middleman: Middleman;
let folder: string;

beforeAll(async () => {
  service = await startService();
  middleman = await startMiddleman(service.url);
  folder = mkdtempSync(join(tmpdir(), "affidavit-client-"));
}, 90_000);

afterAll(async () => {
  await middleman?.close();
  await service?.stop();
  if (folder) rmSync(folder, { recursive: true, force: true });
}, 30_000);

beforeEach(() => {
  middleman.change = (_, answer) => answer;
});

function clientOf(options: Partial<ClientOptions> = {}): Client {
  const { url, apiKey } = service;
  return createClient({ url, apiKey, policy: { allowSimulated: true }, ...options });
}

function ask(client: Client, signal?: AbortSignal) {
  return () => client.infer("breast-cancer", inputsOf("breast-cancer"), { signal });
}

describe("the SDK asks a running service", () => {
  it.each(ZOO)("for %s, in JSON and in binary, and gets the same outputs", async (model) => {
    const client = clientOf();
    const inJson = await client.infer(model, inputsOf(model));
    const inBinary = await client.infer(model, inputsOf(model), { binary: true });
    expect(inJson.outputs.length).toBeGreaterThan(0);
    expect(inBinary.outputs.map(({ name, data }) => [name, Buffer.from(data).toString("hex")])).toEqual(
      inJson.outputs.map(({ name, data }) => [name, Buffer.from(data).toString("hex")]),
    );
    expect(inJson.receiptId).not.toBe(inBinary.receiptId);
    expect(inJson.manifest.name).toBe(model);
    const stored = await client.receipt(inJson.receiptId, inJson.privatePart);
    expect(stored.verification.verdict).toBe("accepted");
  });

  it("with verifiedFetch, an audience, and a key that repeats the answer", async () => {
    const client = clientOf();
    const fetchVerified = verifiedFetch(client);
    const body = readFileSync(example("breast-cancer"));
    const response = await fetchVerified("/v2/models/breast-cancer/infer", { method: "POST", body });
    expect(((await response.json()) as { model_name: string }).model_name).toBe("breast-cancer");
    const audience = { chainId: 1n, address: new Uint8Array(20).fill(7) };
    const options = { idempotencyKey: "once-and-again", audience };
    const first = await client.infer("breast-cancer", inputsOf("breast-cancer"), options);
    const second = await clientOf().infer("breast-cancer", inputsOf("breast-cancer"), options);
    expect(second.receiptId).toBe(first.receiptId);
    const other = () => client.infer("digits", inputsOf("digits"), options);
    expect(await refusal(other)).toBe("request_rejected idempotency_conflict");
  });

  it("and each failure is an error that says what to do", async () => {
    expect(await refusal(ask(clientOf({ policy: {} })))).toBe("attestation_rejected simulated_refused");
    expect(await refusal(ask(clientOf({ policy: { allowUncheckedCode: true } })))).toBe(
      "attestation_rejected simulated_refused",
    );
    expect(await refusal(ask(clientOf({ apiKey: "affidavit_wrong" })))).toMatch(/^unauthorized/);
    expect(await refusal(ask(clientOf({ apiKey: undefined })))).toMatch(/^unauthorized/);
    expect(await refusal(ask(clientOf({ url: "http://127.0.0.1:9" })))).toBe("server_unreachable");
    expect(await refusal(ask(clientOf(), AbortSignal.abort()))).toBe("cancelled");
    expect(await refusal(() => clientOf().infer("none", inputsOf("digits")))).toBe(
      "request_rejected model_not_found",
    );
    expect(await refusal(() => clientOf().infer("digits", inputsOf("breast-cancer")))).toMatch(
      /^request_rejected input_/,
    );
    const controller = new AbortController();
    middleman.change = () => {
      controller.abort();
      return undefined;
    };
    expect(await refusal(ask(clientOf({ url: middleman.url }), controller.signal))).toBe("cancelled");
    middleman.change = () => undefined;
    expect(await refusal(ask(clientOf({ url: middleman.url, timeoutMs: 200 })))).toBe("server_timeout");
  });

  it("through a man in the middle, and finds each change of his", async () => {
    // In the clear, so that he finds something to change: sealed exchanges are in sealed-service.test.ts.
    const asked = () => refusal(ask(clientOf({ url: middleman.url, seal: false })));
    expect(await asked()).toBe("none");
    const cases: [RegExp, Parameters<typeof changed>[1], RegExp][] = [
      [
        INFER,
        { body: (text) => text.replace('"shape":[', '"shape": [') },
        /^receipt_rejected response_digest_mismatch$/,
      ],
      [INFER, { headers: { "affidavit-receipt": null } }, /^receipt_missing$/],
      [INFER, { headers: { "affidavit-requester": "account:x" } }, /^receipt_rejected requester_mismatch$/],
      [/^\/v1\/documents\//, { body: (text) => text.replace("1", "2") }, /^server_response_invalid$/],
      [
        /^\/v1\/attestation/,
        { body: (text) => text.replace(/("nonce":"0x)../g, "$100") },
        /^attestation_rejected /,
      ],
    ];
    for (const [path, change, wanted] of cases) {
      middleman.change = (at, answer) => (path.test(at) ? changed(answer, change) : answer);
      expect(await asked()).toMatch(wanted);
    }
    const waiting: { answer: Response; resolve: (other: Response) => void }[] = [];
    middleman.change = (at, answer) => {
      if (!INFER.test(at)) return answer;
      const { promise, resolve } = Promise.withResolvers<Response>();
      waiting.push({ answer, resolve });
      if (waiting.length === 2) {
        waiting[0]!.resolve(waiting[1]!.answer);
        waiting[1]!.resolve(waiting[0]!.answer);
      }
      return promise;
    };
    expect(await Promise.all([asked(), asked()])).toEqual(
      Array(2).fill("receipt_rejected requester_mismatch"),
    );
  });
});

interface Ran {
  status: number;
  stdout: string;
  stderr: string;
}

function affidavit(...words: string[]): Promise<Ran> {
  const env = {
    PATH: process.env["PATH"],
    HOME: folder,
    AFFIDAVIT_URL: service.url,
    AFFIDAVIT_API_KEY: service.apiKey,
  };
  return new Promise((done) => {
    execFile(
      process.execPath,
      [CLI, ...words],
      { env, maxBuffer: 16 * 1024 * 1024 },
      (error, stdout, stderr) => {
        const status = error ? Number(error.code) : 0;
        done({ status, stdout, stderr });
      },
    );
  });
}

function line({ stdout }: Ran): Record<string, unknown> {
  expect(stdout.endsWith("\n")).toBe(true);
  expect(stdout.trimEnd().split("\n")).toHaveLength(1);
  return JSON.parse(stdout) as Record<string, unknown>;
}

describe("the command", () => {
  it("infers, saves, and verifies what it saved, with and without the private file", async () => {
    const file = join(folder, "receipt.json");
    // An older file that others could read must not lend its mode to the new one.
    writeFileSync(`${file}.private`, "old", { mode: 0o644 });
    const asked = ["infer", "breast-cancer", "--input", example("breast-cancer"), "--allow-simulated"];
    const inferred = await affidavit(...asked, "--save", file, "--json");
    expect(inferred.stderr).toBe("");
    expect(inferred.status).toBe(0);
    expect(line(inferred)).toMatchObject({
      ok: true,
      code: "ok",
      simulated: true,
      model: { name: "breast-cancer" },
    });
    expect(statSync(`${file}.private`).mode & 0o777).toBe(0o600);
    const { salt } = JSON.parse(readFileSync(`${file}.private`, "utf8")) as { salt: string };
    expect(readFileSync(file, "utf8")).not.toContain(salt.slice(2));

    const verified = await affidavit("verify", file, "--allow-simulated", "--json");
    expect(verified.status).toBe(0);
    const claims = line(verified)["claims"] as { claim: string; status: string }[];
    expect(claims).toContainEqual(expect.objectContaining({ claim: "output", status: "verified" }));
    const shown = await affidavit("verify", file, "--allow-simulated");
    expect(shown.status).toBe(0);
    expect(shown.stdout).toContain("SIMULATED");

    const refused = await affidavit("verify", file, "--json");
    expect(refused.status).toBe(1);
    expect(line(refused)).toMatchObject({ ok: false, code: "simulated_refused" });

    rmSync(`${file}.private`);
    const alone = await affidavit("verify", file, "--allow-simulated", "--json");
    expect(alone.status).toBe(0);
    expect(line(alone)["claims"]).toContainEqual(
      expect.objectContaining({ claim: "bodies", status: "unchecked" }),
    );

    writeFileSync(file, readFileSync(file, "utf8").replace(/("sequence": ")/, "$19"));
    const tampered = await affidavit("verify", file, "--allow-simulated", "--json");
    expect(tampered.status).toBe(1);
    expect(line(tampered)).toMatchObject({ code: "sequence_mismatch" });
  }, 60_000);

  it("refuses the simulated TEE unless told otherwise, and repeats an answer by its key", async () => {
    const asked = ["infer", "breast-cancer", "--input", example("breast-cancer"), "--json"];
    const refused = await affidavit(...asked);
    expect(refused.status).toBe(1);
    expect(line(refused)).toMatchObject({ ok: false, code: "simulated_refused" });
    const repeated = [...asked, "--allow-simulated", "--idempotency-key", "again"];
    const first = line(await affidavit(...repeated));
    expect(first["ok"]).toBe(true);
    expect(line(await affidavit(...repeated))["receiptId"]).toBe(first["receiptId"]);
  }, 60_000);

  it("exits 2 for files and flags that are none, 1 for what is not to be believed", async () => {
    const bad: [string[], string][] = [
      [["verify", join(folder, "none.json")], "file_unreadable"],
      [["verify", "a", "b"], "usage"],
      [["infer", "digits", "--nonsense"], "usage"],
      [["infer", "digits", "--input", "", "--allow-simulated"], "file_unreadable"],
      [["infer", "digits", "--input", example("digits"), "--url", "nonsense"], "usage"],
      [["nonsense"], "usage"],
    ];
    const ran = await Promise.all(bad.map(([words]) => affidavit(...words, "--json")));
    expect(ran.map((each) => [each.status, line(each)["code"]])).toEqual(bad.map(([, code]) => [2, code]));
    const file = join(folder, "bad.json");
    writeFileSync(file, "{}");
    const invalid = await affidavit("verify", file, "--json");
    expect([invalid.status, line(invalid)["code"]]).toEqual([1, "bundle_invalid"]);
    const unreachable = await affidavit(
      "infer",
      "digits",
      "--input",
      example("digits"),
      "--url",
      "http://127.0.0.1:9",
      "--json",
    );
    expect([unreachable.status, line(unreachable)["code"]]).toEqual([1, "server_unreachable"]);
  }, 60_000);
});

/** The service's child that is the vault. */
function vaultOf(child: number): number {
  const rows = execFileSync("ps", ["--ppid", String(child), "-o", "pid=,args="], { encoding: "utf8" });
  return Number(/^\s*(\d+) .*vault/m.exec(rows)![1]);
}

describe("a client outlives the service's vault", () => {
  it("and attests anew", async () => {
    const client = clientOf();
    const before = await client.infer("breast-cancer", inputsOf("breast-cancer"));
    process.kill(vaultOf(service.child.pid!), "SIGKILL");
    const end = Date.now() + 20_000;
    for (;;) {
      const failed = await refusal(async () => {
        const after = await client.infer("breast-cancer", inputsOf("breast-cancer"));
        expect(after.receipt.keyset).not.toBe(before.receipt.keyset);
      });
      if (failed === "none") break;
      expect(failed).toMatch(/^server_error/);
      if (Date.now() > end) throw new Error(`still ${failed}`);
      await new Promise((done) => setTimeout(done, 200));
    }
    const stored = await client.receipt(before.receiptId, before.privatePart);
    expect(stored.verification.verdict).toBe("accepted");
  }, 40_000);
});
