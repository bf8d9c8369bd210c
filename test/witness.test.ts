/** A witness, a monitor and a verifier by the command line, beside a service that is told of the witness. */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { witnessKey as createWitnessKey } from "../client/witness/index.ts";
import { formatVerifierKey, NOTE_TYPE_ED25519, parseAttestation, parseKeyset } from "../receipts/index.ts";
import { temporaryDirectory } from "./folder.ts";
import { infer, receiptIdOf, smallCall } from "./service-load.ts";
import { startService, type RunningService } from "./service-process.ts";

const CLI = new URL("../client/cli/main.ts", import.meta.url).pathname;

describe("by the command line", () => {
  const folder = temporaryDirectory();
  const path = (name: string) => join(folder.path, name);
  let service: RunningService;
  let witness: ChildProcess;
  let witnessKey: string;
  let logKey: string;

  function affidavit(...words: string[]): { status: number | null; answer: Record<string, unknown> } {
    const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, ...words, "--json"], {
      encoding: "utf8",
      env: { PATH: process.env["PATH"], HOME: folder.path },
    });
    expect(stdout.trim().split("\n"), stderr).toHaveLength(1);
    return { status, answer: JSON.parse(stdout) as Record<string, unknown> };
  }

  const witnessWords = () => {
    const key = ["--key-file", path("key"), "--name", "witness.example/w1"];
    return [
      "witness",
      "serve",
      ...key,
      "--origin-vkey",
      logKey,
      "--state",
      path("state"),
      "--port",
      "0",
      "--json",
    ];
  };

  beforeAll(async () => {
    const directory = path("service");
    const first = await startService({ directory });
    const attestation = await (await fetch(`${first.url}/v1/attestation`)).text();
    const { origin, publicKey } = parseKeyset(parseAttestation(attestation).keyset).log;
    logKey = formatVerifierKey(NOTE_TYPE_ED25519, { name: origin, publicKey });
    await first.stop();
    witness = spawn(process.execPath, [CLI, ...witnessWords()], { stdio: ["ignore", "pipe", "inherit"] });
    const [line] = (await once(witness.stdout!.setEncoding("utf8"), "data")) as [string];
    const started = JSON.parse(line.split("\n")[0]!) as { url: string; verifierKey: string };
    witness.stdout!.resume();
    witnessKey = started.verifierKey;
    const environment = { AFFIDAVIT_WITNESSES: `${witnessKey} ${started.url}` };
    service = await startService({ directory, environment });
  }, 120_000);
  afterAll(async () => {
    witness?.kill("SIGTERM");
    await service?.stop();
    folder.remove();
  }, 60_000);

  test("a receipt is refused without the log witness that the verifier requires", async () => {
    const answer = await infer(service, smallCall("breast-cancer"));
    const headers = { authorization: `Bearer ${service.apiKey}` };
    const receipt = await fetch(`${service.url}/v1/receipts/${receiptIdOf(answer)}?wait=inclusion`, {
      headers,
    });
    writeFileSync(path("r"), await receipt.text());
    const verify = ["verify", path("r"), "--allow-simulated", "--witness"];
    const accepted = affidavit(...verify, witnessKey);
    expect([accepted.status, accepted.answer["code"]]).toEqual([0, "ok"]);
    expect(accepted.answer["claims"]).toContainEqual({
      claim: "one log",
      value: "1 of 1 log witnesses cosigned",
      status: "verified",
      source: "verifier_derived",
    });
    const stranger = createWitnessKey("witness.example/w2", new Uint8Array(32).fill(2)).verifierKey;
    const refused = affidavit(...verify, stranger);
    expect([refused.status, refused.answer["code"]]).toEqual([1, "cosignatures_missing"]);
  }, 60_000);

  test("a monitor follows the log, and tells when it is shown another", async () => {
    const monitor = [
      "monitor",
      "--url",
      service.url,
      "--once",
      "--state",
      path("monitor"),
      "--log-key",
      logKey,
    ];
    const witnessed = ["--witness", witnessKey, "--require-witnesses", "1"];
    expect(affidavit(...monitor, ...witnessed)).toMatchObject({ status: 0, answer: { ok: true } });
    expect(existsSync(path("monitor"))).toBe(true);
    const again = affidavit(...monitor);
    expect(again).toMatchObject({ status: 0, answer: { added: "0" } });
    const other = await startService();
    try {
      // Another log at the same address, as whoever restored nothing but the name would show it.
      const moved = ["monitor", "--url", other.url, "--once", "--state", path("monitor")];
      expect(affidavit(...moved)).toMatchObject({
        status: 1,
        answer: { ok: false, code: "checkpoint_invalid" },
      });
    } finally {
      await other.stop();
    }
    expect(affidavit("monitor", "--url", "http://127.0.0.1:1", "--once", "--log-key", logKey).status).toBe(1);
  }, 120_000);

  test("bad flags and damaged files are told apart from a broken log", () => {
    writeFileSync(path("damaged"), "{}");
    expect(affidavit("monitor", "--once", "--state", path("damaged")).status).toBe(2);
    expect(affidavit("monitor", "--log-key", "x").status).toBe(2);
    expect(affidavit("witness", "serve").status).toBe(2);
    expect(affidavit(...witnessWords().filter((word) => word !== "--json"), "--port", "x").status).toBe(2);
  }, 60_000);
});
