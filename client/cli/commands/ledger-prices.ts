/** `affidavit ledger prices`: the service's owner signs what an inference of each model takes from an allowance. */
import { readFile } from "node:fs/promises";
import { BalanceError, priceListDigest, signPriceList } from "../../../balances/index.ts";
import { CodecError, fromHex, toHex0x } from "../../../codec/index.ts";
import { manifestText, modelId } from "../../../models/client.ts";
import { createClient } from "../../client.ts";
import { flags, onlyPositional, printJson, UsageError, type Command } from "../command.ts";
import { apiKeyFor, DEFAULT_URL } from "../credentials.ts";
import { paint } from "../output.ts";
import { replaceFile } from "../replace-file.ts";

const HELP = `
affidavit ledger prices FILE --key FILE --list-version N --price MODEL=CREDITS... [flags]

Signs a price list, for AFFIDAVIT_PRICES: what an inference of each model takes from an allowance. A list with a higher version
replaces one with a lower; allowances that run keep the prices that their owners signed.

  --key FILE           the service owner's Ed25519 key: 64 hex digits (owner.key in the configuration folder)
  --list-version N     above the version of the list before
  --price MODEL=N      credits for a model: its name at the service, or its id (0x and 64 hex digits); may be given again
  --url URL            the service that is asked for the ids of names (AFFIDAVIT_URL, else ${DEFAULT_URL})
  --json               one line for machines
`;

export const ledgerPrices: Command = { summary: "signs the price list of allowances", help: HELP, run };

async function run(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, {
    key: { type: "string" },
    "list-version": { type: "string" },
    price: { type: "string", multiple: true },
    url: { type: "string" },
    json: { type: "boolean" },
  });
  const file = onlyPositional(positionals, "file");
  const { key, price = [], "list-version": version = "" } = values;
  if (key === undefined) throw new UsageError("give the owner's --key");
  if (!/^(0|[1-9][0-9]{0,17})$/.test(version)) throw new UsageError("--list-version takes a whole number");
  if (price.length === 0) throw new UsageError("give a --price");
  const url = values.url ?? process.env["AFFIDAVIT_URL"] ?? DEFAULT_URL;
  const prices = new Map(await Promise.all(price.map((text) => readPrice(text, url))));
  const list = { version: BigInt(version), issuedAtMs: BigInt(Date.now()), prices };
  const text = signed(list, await readSeed(key));
  await replaceFile(file, `${text}\n`, 0o644);
  const digest = toHex0x(priceListDigest(text));
  if (values.json) printJson({ ok: true, code: "ok", digest, prices: prices.size });
  else process.stdout.write(`${paint("green", "✓ signed")}  ${digest}, ${prices.size} prices\n`);
  return 0;
}

function signed(...list: Parameters<typeof signPriceList>): string {
  try {
    return signPriceList(...list);
  } catch (error) {
    throw error instanceof BalanceError ? new UsageError(error.message) : error;
  }
}

async function readPrice(text: string, url: string): Promise<[string, bigint]> {
  const [, model, credits] = /^(.{1,256})=([1-9][0-9]{0,17})$/.exec(text) ?? [];
  if (model === undefined || credits === undefined) throw new UsageError("--price takes MODEL=CREDITS");
  if (/^0x[0-9a-f]{64}$/.test(model)) return [model, BigInt(credits)];
  const client = createClient({ url, apiKey: await apiKeyFor(url, undefined) });
  const manifest = await client.manifest(model);
  return [toHex0x(modelId(manifestText(manifest))), BigInt(credits)];
}

/** @throws UsageError; what the file holds is in no message */
async function readSeed(path: string): Promise<Uint8Array> {
  try {
    return fromHex((await readFile(path, "utf8")).trim(), 32);
  } catch (cause) {
    const why = cause instanceof CodecError ? "it is not 64 hex digits" : (cause as Error).message;
    throw new UsageError(`cannot use ${path}: ${why}`, "file_unreadable");
  }
}
