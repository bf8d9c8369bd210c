/** A service whose vault has its evidence from an interface, played by a stand-in that quotes under the development root. */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { developmentQuotes } from "../attestation/testing/development-quotes.ts";
import { TEST_COMPOSE_HASH, TEST_CONFIG } from "../attestation/testing/dstack.ts";
import {
  jsonEvents,
  registersOf,
  TEST_BOOT_EVENTS,
  testRuntimeEvents,
} from "../attestation/testing/event-log.ts";
import { createClient } from "../client/index.ts";
import { fromHex, toHex } from "../codec/index.ts";
import { parseInferRequest } from "../models/client.ts";
import { serializeBundle } from "../receipts/index.ts";
import { startService, type RunningService } from "./service-process.ts";

const EXAMPLE = new URL("../models/zoo/breast-cancer/example.json", import.meta.url);
const CLI = new URL("../client/cli/main.ts", import.meta.url).pathname;
const events = [...TEST_BOOT_EVENTS, ...testRuntimeEvents(TEST_COMPOSE_HASH)];
const quotes = developmentQuotes(registersOf(events));
const folder = mkdtempSync(join(tmpdir(), "stand-in-"));
const socketPath = join(folder, "dstack.sock");
let agent: Server;
let asked = 0;
let service: RunningService;

function startAgent(): Server {
  return createServer((request, response) => {
    let text = "";
    request.on("data", (part) => (text += String(part)));
    request.on("end", () => {
      asked++;
      const { report_data: reportData } = JSON.parse(text) as { report_data: string };
      const quote = toHex(quotes(fromHex(reportData)));
      const event_log = JSON.stringify(jsonEvents(events));
      response.end(JSON.stringify({ quote, event_log, report_data: reportData, vm_config: TEST_CONFIG }));
    });
  }).listen(socketPath);
}

beforeAll(async () => {
  // The vault may run as a user of its own.
  chmodSync(folder, 0o755);
  agent = startAgent();
  await once(agent, "listening");
  service = await startService({ environment: { AFFIDAVIT_ATTESTATION: `dstack:${socketPath}` } });
}, 90_000);

afterAll(async () => {
  await service?.stop();
  agent?.closeAllConnections();
  agent?.close();
  rmSync(folder, { recursive: true, force: true });
}, 30_000);

const inputs = parseInferRequest(readFileSync(EXAMPLE)).inputs;
const client = (allowSimulated: boolean) =>
  createClient({ url: service.url, apiKey: service.apiKey, policy: { allowSimulated } });

describe("a service on a stand-in's evidence", () => {
  test("asks the interface, and says at the start that it is simulated", () => {
    expect(asked).toBeGreaterThan(1);
    expect(service.output()).toContain("The TEE is SIMULATED");
  });

  test("gives receipts that verify where simulation is allowed, and only there", async () => {
    const { verification } = await client(true).infer("breast-cancer", inputs);
    expect(verification.verdict).toBe("accepted");
    expect(JSON.stringify(verification)).toContain("SIMULATED");
    await expect(client(false).infer("breast-cancer", inputs)).rejects.toMatchObject({
      detail: "simulated_refused",
    });
  });

  test("is called simulated by /readyz and the command", async () => {
    const ready = await (await fetch(`${service.url}/readyz`)).text();
    expect(ready).toContain("Attester: dstack (simulated: proves nothing).");
    const { receipt } = await client(true).infer("breast-cancer", inputs);
    const file = join(folder, "receipt.json");
    writeFileSync(file, serializeBundle(receipt));
    const run = promisify(execFile)(process.execPath, [CLI, "verify", file, "--allow-simulated"]);
    expect((await run).stdout).toContain("SIMULATED");
  });
});
