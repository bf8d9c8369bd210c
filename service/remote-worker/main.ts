/**
 * `affidavit worker --service URL`: proves for a service elsewhere. It has no database and no vault; the service is in
 * AFFIDAVIT_URL, the key for it in AFFIDAVIT_API_KEY. With `--unattested` it shows no evidence, and gets public inputs alone.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openInterfaces, type Attester } from "../../attestation/attest/index.ts";
import { brokerUrlSchema } from "../../models/index.ts";
import { CircuitStore, createEzklSystem, findProofSystem } from "../../proofs/index.ts";
import { ConfigError, parseConfig, type Config } from "../config.ts";
import { endorsementSource } from "../endorsements.ts";
import { createLogger } from "../logger.ts";
import { showEvidence } from "./admission.ts";
import { Connection } from "./connection.ts";
import { workElsewhere, type WorkEvent } from "./work.ts";

const QUOTE_TIMEOUT_MS = 30_000;

function openConnection(): Connection {
  const { AFFIDAVIT_URL: url, AFFIDAVIT_API_KEY: apiKey } = process.env;
  const parsed = brokerUrlSchema.safeParse(url);
  if (!parsed.success)
    throw new ConfigError(
      "setting_invalid",
      ["AFFIDAVIT_URL"],
      "AFFIDAVIT_URL: an https URL, or http on this machine",
    );
  if (!apiKey)
    throw new ConfigError("setting_invalid", ["AFFIDAVIT_API_KEY"], "AFFIDAVIT_API_KEY is missing");
  return new Connection(parsed.data.replace(/\/$/, ""), apiKey);
}

async function openAttester(config: Config): Promise<Attester> {
  const interfaces = await openInterfaces(config.attestation, {
    register: "none",
    timeoutMs: QUOTE_TIMEOUT_MS,
  });
  return (await interfaces.choose()).attester;
}

async function start(signal: AbortSignal): Promise<void> {
  const { values } = parseArgs({ options: { unattested: { type: "boolean" } } });
  const config = parseConfig();
  const log = createLogger({ level: config.logLevel });
  const connection = openConnection();
  const found = findProofSystem(config.cacheDirectory);
  if (!found.ready)
    throw new ConfigError("setting_invalid", ["AFFIDAVIT_CACHE_DIR"], `${found.problem}: ${found.command}`);
  const folder = config.circuitsDirectory ?? join(config.dataDirectory, "circuits");
  const circuits = await CircuitStore.load([folder]);
  const attester = values.unattested ? undefined : await openAttester(config);
  const workers = Math.max(1, config.provers);
  const system = createEzklSystem({ python: found.python, workers });
  const endorsements = endorsementSource(config);
  let admitted = false;
  const parts = {
    connection,
    circuits,
    system,
    admission: attester && ((nonce: Uint8Array) => showEvidence(attester, endorsements, nonce)),
    onAdmitted() {
      if (!admitted) process.stdout.write("Working on prove\n");
      admitted = true;
    },
    onEvent: (event: WorkEvent) => log[event.kind === "trouble" ? "warn" : "info"]({ event }, "worker"),
  };
  const stopping = new AbortController();
  const either = AbortSignal.any([signal, stopping.signal]);
  try {
    await Promise.all(Array.from({ length: workers }, () => workElsewhere(parts, either)));
  } finally {
    stopping.abort();
    await system.close();
    await attester?.close();
  }
}

// Of whoever started it: without that nobody could stop it any more.
process.on("disconnect", () => process.exit(1));
const asked = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => asked.abort());
try {
  await start(asked.signal);
  process.exit(0);
} catch (error) {
  const { message, code } = error as Error & { code?: string };
  process.stderr.write(`The worker ended: ${message}${code ? ` [${code}]` : ""}\n`);
  process.exit(1);
}
