/** What an allowance costs: its homomorphic operations over the requests that it pays for, and an inference that it pays for beside one without. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import {
  balanceKeyFromSeed,
  DEFAULT_THREADS,
  generateFheKeys,
  openEvaluator,
  ownerSigner,
  ownerToText,
  type Addon,
} from "../balances/index.ts";
import { sha256, toHex, utf8 } from "../codec/index.ts";
import {
  credit,
  ledgerOf,
  openAllowance,
  operator,
  OWNER_SEED,
  PRICE,
  priceList,
} from "../test/allowance-owner.ts";
import { temporaryDirectory } from "../test/folder.ts";
import { startService, type RunningService } from "../test/service-process.ts";
import { Connection, postBytes } from "./connection.ts";
import { figure, median, type Figure } from "./report.ts";

/** Requests of one credit each, that one debit and one refund are spread over. */
const REQUESTS = 4096;
const RUNS = 8;
const SLICES = 60;
const SLICE_PAIRS = 25;
const WARM_UPS = 400;

export async function allowanceFigures(addon: Addon): Promise<Figure[]> {
  const cpu = await cpuAllowance(addon);
  const ratios = await latencies();
  return [
    figure("allowance.cpu_ms", cpu, { unit: "ms", better: "lower", aim: 1 }),
    figure("allowance.p50_vs_apikey", ratios, { unit: "ratio", better: "lower", aim: 1.02 }),
  ];
}

/** Processor time of all threads: debit and refund by the addon, and what the vault encrypts and decrypts to sign both. */
async function cpuAllowance(addon: Addon): Promise<number[]> {
  const seed = new Uint8Array(32).fill(9);
  const keys = await generateFheKeys(addon, seed);
  const key = await balanceKeyFromSeed(addon, seed);
  const evaluator = await openEvaluator(addon, keys, { threads: DEFAULT_THREADS, niceness: 0 });
  const balance = await key.encrypt(2n ** 40n);
  const samples: number[] = [];
  for (let i = -1; i < RUNS; i++) {
    const begun = process.cpuUsage();
    const amount = await key.encrypt(BigInt(REQUESTS));
    const debited = await evaluator.debit(balance, amount);
    for (const seen of [balance, amount, debited.balance]) await key.decryptAmount(seen);
    await key.decryptBit(debited.sufficient);
    const rest = await key.encrypt(0n);
    const refunded = await evaluator.credit(debited.balance, rest);
    for (const seen of [debited.balance, rest, refunded]) await key.decryptAmount(seen);
    const { user, system } = process.cpuUsage(begun);
    process.stderr.write(`an allowance: ${Math.round((user + system) / 1000)} ms of processor time\n`);
    if (i >= 0) samples.push((user + system) / 1000 / REQUESTS);
  }
  return samples;
}

/** Medians of slices of neighbours: one caller, the same inference, with the allowance and without. */
async function latencies(): Promise<number[]> {
  const folder = temporaryDirectory();
  const service = await startPaid(folder.path);
  try {
    const owner = ownerSigner("secp256k1", sha256(utf8("bench")));
    await ledgerOf(service).open(owner.owner);
    const credits = PRICE * BigInt(WARM_UPS + SLICES * SLICE_PAIRS + 1);
    await credit(ledgerOf(service), owner, credits);
    const allowance = await openAllowance(service, owner, credits);
    return await compare(service, allowance);
  } finally {
    await service.stop();
    folder.remove();
  }
}

function startPaid(directory: string): Promise<RunningService> {
  const config = join(directory, "config");
  mkdirSync(config, { recursive: true, mode: 0o711 });
  writeFileSync(join(config, "owner.key"), `${toHex(OWNER_SEED)}\n`, { mode: 0o600 });
  const prices = join(directory, "prices.json");
  writeFileSync(prices, priceList(1n));
  return startService({
    directory,
    startTimeoutMs: 280_000,
    environment: {
      AFFIDAVIT_BALANCES_OPERATOR: ownerToText(operator.owner),
      AFFIDAVIT_PRICES: prices,
      AFFIDAVIT_CACHE_DIR: join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "affidavit"),
      AFFIDAVIT_LOG_LEVEL: "warn",
    },
  });
}

async function compare({ url, apiKey }: RunningService, allowance: string): Promise<number[]> {
  const body = readFileSync(new URL("../models/zoo/breast-cancer/example.json", import.meta.url));
  const headers = { authorization: `Bearer ${apiKey}`, "content-type": "application/json" };
  const path = "/v2/models/breast-cancer/infer";
  const requests = {
    key: postBytes(url, path, headers, body),
    allowance: postBytes(url, path, { ...headers, "affidavit-allowance": allowance }, body),
  };
  const connection = await Connection.open(url);
  const timed = async (name: keyof typeof requests): Promise<number> => {
    const begunMs = performance.now();
    const { status, body: answer } = await connection.send(requests[name]);
    if (status !== 200) throw new Error(`${name}: ${status} ${answer.toString().slice(0, 300)}`);
    return performance.now() - begunMs;
  };
  const pair = async (i: number) => {
    // In alternate order: what one leaves in caches is met by both.
    const first = i % 2 === 0 ? await timed("key") : undefined;
    const paid = await timed("allowance");
    return { paid, free: first ?? (await timed("key")) };
  };
  for (let i = 0; i < WARM_UPS; i++) await pair(i);
  const ratios: number[] = [];
  for (let slice = 0; slice < SLICES; slice++) {
    const pairs: { paid: number; free: number }[] = [];
    for (let i = 0; i < SLICE_PAIRS; i++) pairs.push(await pair(i));
    ratios.push(median(pairs.map(({ paid }) => paid)) / median(pairs.map(({ free }) => free)));
  }
  connection.close();
  return ratios;
}
