/** `affidavit infer MODEL`: asks, verifies, shows, saves. */
import {
  encodeInferRequest,
  formatDisplay,
  manifestText,
  modelId,
  ModelError,
  OipError,
  parseRaw,
  postprocess,
  preprocess,
  ProcessingError,
  type Manifest,
} from "../../../models/client.ts";
import { fromHex } from "../../../codec/index.ts";
import { serializeBundle, serializePrivatePart, type Body, type Tensor } from "../../../receipts/index.ts";
import { createClient, type Client, type ClientOptions, type InferResult } from "../../client.ts";
import { flags, onlyPositional, printJson, readInput, UsageError, type Command } from "../command.ts";
import { apiKeyFor, DEFAULT_URL } from "../credentials.ts";
import { paint, printable } from "../output.ts";
import { policyFlags, POLICY_FLAGS_HELP, policyFrom } from "../policy-flags.ts";
import { claimLines, headline, simulatedWarning } from "../show-verification.ts";
import { readAssets } from "../assets.ts";
import { awaitPromise, fetchProofBundle, type PromiseEnd } from "../promise-progress.ts";
import { replaceFile } from "../replace-file.ts";
import { Transport } from "../../transport.ts";
import type { Assurance } from "../../infer-exchange.ts";

const MAX_INPUT_BYTES = 64 * 1024 * 1024;

const HELP = `
affidavit infer MODEL --input FILE [flags]

Asks a service for an inference, and verifies evidence, receipt and bodies before it shows the answer.

  --input FILE         an Open Inference request (JSON), or - for standard input
  --raw FILE           instead: a raw input (features as JSON, PGM or PPM image, WAV) that the model's manifest prepares
  --model-version V    the version; without it the newest
  --url URL            the service (AFFIDAVIT_URL, else ${DEFAULT_URL})
  --key KEY            the API key (AFFIDAVIT_API_KEY, else the file that npm start wrote)
  --save FILE          writes the receipt to FILE (shareable) and salt and bodies to FILE.private (mode 0600)
  --audience ID:ADDR   makes the receipt for this contract: chain id and address
  --clear              does not seal request and answer: whoever ends TLS before the service can read them
  --idempotency-key K  a repetition with the same key gets the same answer
  --allowance ID       takes the price from this allowance (affidavit ledger account allowance open)
  --assurance A        tee (the default), tee+zk (a ZK proof follows) or tee+reexecution (it is run again elsewhere)
  --value-at-risk USD  what hangs on the answer: above the operator's threshold a proof is demanded
  --public-input       with --clear: anybody may learn the input, so that workers without attestation may prove it
  --wait               waits for what was promised; with --save, FILE then holds the proof beside the receipt
${POLICY_FLAGS_HELP}
  --json               one line for machines
`;

export const infer: Command = { summary: "asks for an inference and verifies its receipt", help: HELP, run };

async function run(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, {
    input: { type: "string" },
    raw: { type: "string" },
    "model-version": { type: "string" },
    url: { type: "string" },
    key: { type: "string" },
    save: { type: "string" },
    "idempotency-key": { type: "string" },
    audience: { type: "string" },
    assurance: { type: "string" },
    "value-at-risk": { type: "string" },
    "public-input": { type: "boolean" },
    wait: { type: "boolean" },
    allowance: { type: "string" },
    clear: { type: "boolean" },
    json: { type: "boolean" },
    ...policyFlags,
  });
  const model = onlyPositional(positionals, "model");
  const url = values.url ?? process.env["AFFIDAVIT_URL"] ?? DEFAULT_URL;
  if ((values.input === undefined) === (values.raw === undefined))
    throw new UsageError("give either --input or --raw");
  if (values["public-input"] && !values.clear)
    throw new UsageError("--public-input goes with --clear: what is sealed is not public");
  const apiKey = await apiKeyFor(url, values.key);
  const client = clientOf({
    url,
    apiKey,
    policy: await policyFrom(values),
    seal: values.clear !== true,
  });
  const given = values.input === undefined ? undefined : await requestFromFile(values.input);
  const audience = values.audience === undefined ? undefined : readAudience(values.audience);
  const manifest = await client.manifest(model, values["model-version"]);
  // An alias is the operator's word: what answers must be the model that it named here.
  const aliased = manifest.name !== model;
  const version = aliased ? manifest.version : values["model-version"];
  const prepared: Prepared = given
    ? { body: given, ...(aliased && { modelId: idOf(manifest) }) }
    : await requestFromRaw(manifest, `${url}, ${model}`, values.raw!);
  const { body, ...expected } = prepared;
  const idempotencyKey = values["idempotency-key"];
  const result = await client.inferBody(manifest.name, body, {
    version,
    ...expected,
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
    ...(audience === undefined ? {} : { audience }),
    ...(values.assurance === undefined ? {} : { assurance: readAssurance(values.assurance) }),
    ...(values.allowance === undefined ? {} : { allowance: readAllowance(values.allowance) }),
    ...(values["value-at-risk"] === undefined ? {} : { valueAtRiskUsd: values["value-at-risk"] }),
    ...(values["public-input"] ? { publicInput: true } : {}),
  });
  // Before the wait: what ends it loses nothing of the answer.
  if (values.save !== undefined) await save(values.save, result);
  const { promise } = result;
  const transport = new Transport({ url, apiKey });
  const ended = values.wait && promise ? await awaitPromise(transport, promise) : undefined;
  if (ended && promise?.kind === "proof" && values.save !== undefined)
    await replaceFile(values.save, await fetchProofBundle(transport, promise.id), 0o644);
  if (values.json)
    printJson({ ...asJson(result, await display(result)), promise: promise && { ...promise, ...ended } });
  else process.stdout.write((await asText(result, values.save)) + promiseText(promise, ended));
  return 0;
}

function clientOf(options: ClientOptions): Client {
  try {
    return createClient(options);
  } catch (error) {
    if (error instanceof TypeError)
      throw new UsageError(`--url is not the URL of a service: ${error.message}`);
    throw error;
  }
}

function readAudience(text: string): { chainId: bigint; address: Uint8Array } {
  const [, chainId, address] = /^([1-9]\d{0,76}):0x([0-9a-fA-F]{40})$/.exec(text) ?? [];
  if (chainId === undefined || address === undefined)
    throw new UsageError("--audience is a chain id, a colon and an address");
  return { chainId: BigInt(chainId), address: fromHex(address.toLowerCase(), 20) };
}

/** A request, and for a raw input the model it was prepared for. */
interface Prepared {
  body: Body;
  modelId?: Uint8Array;
}

function idOf(manifest: Manifest): Uint8Array {
  return modelId(manifestText(manifest));
}

async function requestFromFile(path: string): Promise<Body> {
  const bytes = await readInput(path, MAX_INPUT_BYTES);
  return { bytes, contentType: "application/json", headerLength: null };
}

/** The raw input, prepared as the manifest says that the server tells; the receipt must be of that very manifest. */
async function requestFromRaw(manifest: Manifest, where: string, path: string): Promise<Prepared> {
  const bytes = await readInput(path, MAX_INPUT_BYTES);
  try {
    const inputs = preprocess(manifest.processing, parseRaw(manifest.processing, bytes));
    const message = encodeInferRequest({ inputs }, { binary: true });
    const { body, contentType, headerLength } = message;
    return {
      body: { bytes: body, contentType, headerLength: headerLength ?? null },
      modelId: idOf(manifest),
    };
  } catch (error) {
    if (error instanceof ProcessingError || error instanceof OipError || error instanceof ModelError) {
      throw new UsageError(`${path}: ${error.message} (${where})`, "file_unreadable");
    }
    throw error;
  }
}

function readAllowance(text: string): Uint8Array {
  if (!/^0x[0-9a-f]{64}$/.test(text)) throw new UsageError("--allowance takes 0x and 64 hex digits");
  return fromHex(text, 32);
}

const ASSURANCES: readonly Assurance[] = ["tee", "tee+zk", "tee+reexecution"];

function readAssurance(text: string): Assurance {
  const assurance = ASSURANCES.find((one) => one === text);
  if (!assurance) throw new UsageError(`--assurance is one of ${ASSURANCES.join(", ")}`);
  return assurance;
}

function promiseText(promise: InferResult["promise"], ended: PromiseEnd | undefined): string {
  if (!promise) return "";
  const what = promise.kind === "proof" ? "proof" : "re-execution";
  if (!ended) return `promised: ${what} ${promise.id}\n`;
  const compared = ended.difference === null ? "" : `, ${ended.difference}e-9 off the float output`;
  const keyset = ended.anotherKeyset ? ", under another keyset" : ", under the answer's own keyset";
  return `${paint("green", `✓ ${what} delivered`)}${promise.kind === "proof" ? compared : keyset}\n`;
}

async function save(path: string, { receipt, privatePart }: InferResult): Promise<void> {
  await replaceFile(`${path}.private`, serializePrivatePart(privatePart), 0o600);
  await replaceFile(path, serializeBundle(receipt), 0o644);
}

/** The post-processed answer, where the manifest says how to make one. */
async function display({ manifest, outputs }: InferResult): Promise<string | undefined> {
  if (manifest.processing.post === null) return undefined;
  try {
    return formatDisplay(postprocess(manifest.processing, outputs, await readAssets(manifest)));
  } catch (error) {
    if (error instanceof ProcessingError) return undefined;
    throw error;
  }
}

function asJson(result: InferResult, shown: string | undefined): object {
  const { verification, receiptId, manifest } = result;
  const response = new TextDecoder().decode(result.privatePart.response.bytes);
  const isJson = result.privatePart.response.headerLength === null;
  return {
    ok: true,
    code: "ok",
    model: { name: manifest.name, version: manifest.version },
    receiptId,
    simulated: verification.simulated,
    ...(shown === undefined ? {} : { display: shown }),
    execution: result.execution ?? null,
    outputs: isJson ? outputsOf(response) : result.outputs.map(summary),
    claims: verification.claims,
    steps: verification.steps,
  };
}

/** A response's outputs with each number as it was written: JSON.parse alone rounds 64-bit integers. */
function outputsOf(response: string): unknown {
  const parsed = JSON.parse(response, (_, value: unknown, context?: { source?: string }) =>
    typeof value === "number" && context?.source !== undefined ? rawNumber(context.source) : value,
  ) as { outputs: unknown };
  return parsed.outputs;
}

function rawNumber(source: string): unknown {
  const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown };
  return rawJSON(source);
}

function summary({ name, datatype, shape, data }: Tensor): unknown {
  return { name, datatype, shape, bytes: data.length };
}

async function asText(result: InferResult, saved: string | undefined): Promise<string> {
  const { manifest, outputs, verification, receiptId } = result;
  const shown = await display(result);
  const lines = [
    `${paint("bold", `${manifest.name} ${manifest.version}`)}: ${shown === undefined ? outputs.map(outputLine).join(", ") : printable(shown, 2000)}`,
    "",
    `${headline(verification, "verified")}  receipt ${receiptId}`,
    ...claimLines(verification),
    ...simulatedWarning(verification),
  ];
  if (saved !== undefined) {
    lines.push("", `saved ${saved} (shareable) and ${saved}.private (salt and bodies: keep it to yourself)`);
  }
  return lines.join("\n") + "\n";
}

function outputLine({ name, datatype, shape }: Manifest["outputs"][number] | Tensor): string {
  return `${printable(name)} ${datatype}[${shape.join(",")}]`;
}
