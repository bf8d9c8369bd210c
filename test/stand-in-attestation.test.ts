/**
 * A service whose vault has its evidence from interfaces, played by stand-ins under the development roots: dstack's socket,
 * and NVIDIA's library where it can be compiled.
 */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { GpuStandIn } from "../attestation/testing/gpu-stand-in.ts";
import { STAND_IN_MISSING } from "../attestation/testing/tee-stand-in.ts";
import { developmentQuotes } from "../attestation/testing/development-quotes.ts";
import { TEST_COMPOSE_HASH, TEST_CONFIG } from "../attestation/testing/dstack.ts";
import {
  jsonEvents,
  registersOf,
  TEST_BOOT_EVENTS,
  testRuntimeEvents,
} from "../attestation/testing/event-log.ts";
import { createClient, verifyReceipt } from "../client/index.ts";
import { equal, fromHex, toHex } from "../codec/index.ts";
import { parseInferRequest } from "../models/client.ts";
import { gpuNonce, parseAttestation, parseKeyset, serializeBundle } from "../receipts/index.ts";
import { startService, type RunningService } from "./service-process.ts";

const EXAMPLE = new URL("../models/zoo/breast-cancer/example.json", import.meta.url);
const CLI = new URL("../client/cli/main.ts", import.meta.url).pathname;
const events = [...TEST_BOOT_EVENTS, ...testRuntimeEvents(TEST_COMPOSE_HASH)];
const quotes = developmentQuotes(registersOf(events));
const folder = mkdtempSync(join(tmpdir(), "stand-in-"));
const socketPath = join(folder, "dstack.sock");
let agent: Server;
let asked = 0;
let gpu: GpuStandIn | undefined;
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
  gpu = STAND_IN_MISSING === undefined ? await GpuStandIn.start() : undefined;
  const environment = {
    AFFIDAVIT_ATTESTATION: `dstack:${socketPath}`,
    AFFIDAVIT_GPU_ATTESTATION: gpu ? `nvml:${gpu.library}` : "none",
  };
  service = await startService({ environment });
}, 90_000);

afterAll(async () => {
  await service?.stop();
  agent?.closeAllConnections();
  agent?.close();
  gpu?.close();
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
    expect(ready).toContain(gpu ? "GPUs: nvml (simulated: proves nothing)." : "GPUs: not attested.");
    const { receipt } = await client(true).infer("breast-cancer", inputs);
    const file = join(folder, "receipt.json");
    writeFileSync(file, serializeBundle(receipt));
    const run = promisify(execFile)(process.execPath, [CLI, "verify", file, "--allow-simulated"]);
    expect((await run).stdout).toContain("SIMULATED");
  });
});

async function attestation(query: string) {
  return parseAttestation(await (await fetch(`${service.url}/v1/attestation${query}`)).text());
}

describe.skipIf(STAND_IN_MISSING)(
  `CPU and GPU evidence in one keyset${STAND_IN_MISSING ? ` (${STAND_IN_MISSING})` : ""}`,
  () => {
    test("is served, over the keyset's own nonce and a caller's", async () => {
      const nonce = new Uint8Array(32).fill(0x77);
      const { keyset, keysetStatement, evidence, fresh } = await attestation(`?nonce=${toHex(nonce)}`);
      expect(parseKeyset(keyset).attester.gpu).toEqual({ type: "nvidia-gpu", name: "nvml", simulated: true });
      const { keysetDigest } = keysetStatement.statement;
      for (const [given, over] of [
        [evidence, evidence.nonce],
        [fresh!, nonce],
      ] as const) {
        const wanted = gpuNonce(keysetDigest, over);
        expect(given.gpu!.type).toBe("nvidia-gpu");
        expect(gpu!.nonces.some((each) => equal(each, wanted))).toBe(true);
      }
    });

    test("is in the receipt, SIMULATED in every claim, and refused without it", async () => {
      const { receipt, verification } = await client(true).infer("breast-cancer", inputs);
      const claims = new Map(verification.claims.map((each) => [each.claim, each]));
      expect(claims.get("GPU")).toMatchObject({ value: "SIMULATED", source: "simulated" });
      expect(claims.get("fresh")!.value).toContain("GPU evidence SIMULATED");
      expect(JSON.stringify(verification)).not.toMatch(/attached|hardware_proven/);
      const { gpu: _, ...bare } = receipt.evidence;
      const stripped = { ...receipt, evidence: bare };
      const policy = { allowSimulated: true };
      expect(verifyReceipt(stripped, { now: new Date(), policy }).code).toBe("evidence_digest_mismatch");
    });

    test("has each part as a document under its own digest", async () => {
      const { keysetStatement, evidence } = await attestation("");
      const { evidenceDigest } = keysetStatement.statement;
      const index = await (await fetch(`${service.url}/v1/documents/${toHex(evidenceDigest)}`)).json();
      const { gpu: list, quote } = index as { gpu: { sha256: string }; quote: string };
      const read = async (digest: string) =>
        new Uint8Array(await (await fetch(`${service.url}/v1/documents/${digest}`)).arrayBuffer());
      expect(await read(quote)).toEqual(evidence.quote);
      expect(await read(list.sha256)).toEqual(evidence.gpu!.quote);
    });
  },
);
