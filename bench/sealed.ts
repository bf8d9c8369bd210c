/**
 * What sealing costs: the same inference over the same connection, sealed by EHBP with the SDK's own code and in the clear.
 * Sealing the request and opening the answer are part of the time. Each sample is a pair of neighbours.
 */
import { readFileSync } from "node:fs";
import { Sealer } from "../client/sealed-exchange.ts";
import { toHex } from "../codec/index.ts";
import { encodeInferRequest, parseInferRequest } from "../models/index.ts";
import { parseAttestation, parseKeyset } from "../receipts/index.ts";
import { hpkeKeysOf } from "../sealing/index.ts";
import { startService, type RunningService } from "../test/service-process.ts";
import { Connection, postBytes, type Answer } from "./connection.ts";
import { figure, type Figure, type Report } from "./report.ts";
import { compareLoads } from "./sealed-load.ts";

interface Load {
  model: string;
  /** Sends and asks for tensors as raw bytes. */
  binary: boolean;
  warmUps: number;
  pairs: number;
}

const LARGEST: Load = { model: "ocr", binary: true, warmUps: 10, pairs: 200 };
const TINY: Load = { model: "breast-cancer", binary: false, warmUps: 100, pairs: 500 };
const RATIO = { unit: "ratio", better: "lower" } as const;
const LOADS = 20;
const SALT = new Uint8Array(32).fill(0x5a);

export async function run(): Promise<Report> {
  const service = await startService({ environment: { AFFIDAVIT_LOG_LEVEL: "warn" } });
  let requests: Figure[];
  try {
    const publicKey = await sealingKey(service);
    const ratios = async (load: Load): Promise<number[]> => {
      process.stderr.write(`${load.model}\n`);
      return await compare(service, publicKey, load);
    };
    requests = [
      figure("sealed.p50", await ratios(LARGEST), { ...RATIO, aim: 1.02 }),
      figure("sealed.p50_tiny", await ratios(TINY), RATIO),
    ];
  } finally {
    await service.stop();
  }
  process.stderr.write("loads of 100 MB\n");
  const loads = figure("load.sealed_over_plain", await compareLoads(LOADS), { ...RATIO, aim: 1.3 });
  return { bench: "sealed", figures: [...requests, loads], notMeasured: [] };
}

async function sealingKey({ url }: RunningService): Promise<Uint8Array> {
  const attestation = await fetch(`${url}/v1/attestation`);
  const { keyset } = parseAttestation(await attestation.text());
  return hpkeKeysOf(parseKeyset(keyset).encryptionKeys)[0]!.publicKey;
}

async function compare(
  { url, apiKey }: RunningService,
  publicKey: Uint8Array,
  { model, binary, warmUps, pairs }: Load,
): Promise<number[]> {
  const example = readFileSync(new URL(`../models/zoo/${model}/example.json`, import.meta.url));
  const { inputs } = parseInferRequest(example);
  const { body, headerLength, contentType } = encodeInferRequest({ inputs }, { binary });
  const headers: Record<string, string> = { authorization: `Bearer ${apiKey}`, "content-type": contentType };
  if (headerLength !== undefined) headers["inference-header-content-length"] = String(headerLength);
  const path = `/v2/models/${model}/infer`;
  const sealer = new Sealer(publicKey);
  const connection = await Connection.open(url);

  async function clear(): Promise<number> {
    const begunMs = performance.now();
    check(await connection.send(postBytes(url, path, { ...headers, "affidavit-salt": toHex(SALT) }, body)));
    return performance.now() - begunMs;
  }
  async function sealed(): Promise<number> {
    const begunMs = performance.now();
    const message = await sealer.seal(body, SALT);
    const answer = await connection.send(
      postBytes(url, path, { ...headers, ...message.headers }, message.body),
    );
    check(answer);
    const nonce = /\r\nehbp-response-nonce: *([0-9a-f]{64})/.exec(answer.head)?.[1] ?? "";
    await message.open(answer.status, new Headers({ "ehbp-response-nonce": nonce }), answer.body);
    return performance.now() - begunMs;
  }

  const ratios: number[] = [];
  for (let i = -warmUps; i < pairs; i++) {
    // Alternate order: what one leaves in caches and frequencies is met by both.
    const firstClear = i % 2 === 0 ? await clear() : undefined;
    const sealedMs = await sealed();
    const clearMs = firstClear ?? (await clear());
    if (i >= 0) ratios.push(sealedMs / clearMs);
  }
  connection.close();
  return ratios;
}

/** A bench of refusals would look fast. */
function check({ status, head, body }: Answer): void {
  if (status === 200 && head.includes("\r\naffidavit-receipt:")) return;
  throw new Error(`${status} ${body.toString().slice(0, 300)}`);
}
