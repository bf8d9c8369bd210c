/** `affidavit models show | bom`: what a model's manifest says, read from a service or a file. */
import { CodecError, fromHex, fromUtf8, toHex } from "../../../codec/index.ts";
import {
  manifestText,
  modelBom,
  ModelError,
  modelId as idOf,
  parseCanonicalManifest,
  parseManifest,
  type Manifest,
} from "../../../models/client.ts";
import { AffidavitError } from "../../errors.ts";
import { Transport } from "../../transport.ts";
import { objectOf, readObject } from "../admin.ts";
import {
  flags,
  onlyPositional,
  printJson,
  readInput,
  RefusedError,
  UsageError,
  type Command,
} from "../command.ts";
import { apiKeyFor, DEFAULT_URL } from "../credentials.ts";
import { printable } from "../output.ts";

const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;

const SOURCE_HELP = `  --manifest FILE   a manifest on this machine instead: give no MODEL then
  --url URL         the service (AFFIDAVIT_URL, else ${DEFAULT_URL})
  --key KEY         an API key, for models of its tenant (AFFIDAVIT_API_KEY, else the file that npm start wrote)`;

const SHOW_HELP = `
affidavit models show MODEL [flags]

Shows a model's manifest: identity, licence, source, provenance, tensors, and what the service says of it. MODEL is NAME (the
highest version), NAME/VERSION, a model id or an alias. The model id is computed here; only a receipt proves which
model answered.

${SOURCE_HELP}
  --json            one line for machines
`;

const BOM_HELP = `
affidavit models bom MODEL [flags]

Writes a model as a CycloneDX 1.6 bill of materials (ML-BOM) to standard output. It is made here of the manifest, whose
digest is the model id: the same manifest gives the same bytes.

${SOURCE_HELP}
  --json            one line with the bill as its member bom
`;

export const modelsShow: Command = { summary: "shows a model's manifest", help: SHOW_HELP, run: show };
export const modelsBom: Command = { summary: "writes a model's CycloneDX ML-BOM", help: BOM_HELP, run: bom };

const sourceFlags = {
  manifest: { type: "string" },
  url: { type: "string" },
  key: { type: "string" },
  json: { type: "boolean" },
} as const;

interface Found {
  manifest: Manifest;
  /** 64 hex digits. */
  modelId: string;
  /** What the service says. */
  said: { ready?: boolean; deprecatedAt?: string; sunsetAt?: string; aliases: string[] };
}

async function find(words: string[]): Promise<Found & { json: boolean }> {
  const { values, positionals } = flags(words, sourceFlags);
  const json = values.json ?? false;
  if (values.manifest !== undefined) {
    if (positionals.length > 0) throw new UsageError("give a model or a --manifest, not both");
    const manifest = await readManifest(values.manifest);
    return { manifest, modelId: toHex(idOf(manifestText(manifest))), said: { aliases: [] }, json };
  }
  const wanted = onlyPositional(positionals, "model");
  const url = values.url ?? process.env["AFFIDAVIT_URL"] ?? DEFAULT_URL;
  if (!URL.canParse(url)) throw new UsageError("--url takes an address such as https://inference.example");
  const transport = new Transport({ url, apiKey: await apiKeyFor(url, values.key) });
  const list = readList(readObject(await transport.send("/v1/models", {})));
  const found = list.find((one) => isMeant(one, wanted));
  if (!found)
    throw new RefusedError("model_not_found", `the service shows no model ${JSON.stringify(wanted)}`);
  return { ...found, json };
}

function isMeant({ manifest, modelId, said }: Found, wanted: string): boolean {
  const { name, version } = manifest;
  return [name, `${name}/${version}`, modelId, `0x${modelId}`, ...said.aliases].includes(wanted);
}

/** @throws UsageError, RefusedError `manifest_invalid` */
async function readManifest(file: string): Promise<Manifest> {
  try {
    return parseManifest(fromUtf8(await readInput(file, MAX_MANIFEST_BYTES)));
  } catch (cause) {
    if (cause instanceof ModelError) throw new RefusedError(cause.code, cause.message, { cause });
    if (cause instanceof CodecError)
      throw new RefusedError("manifest_invalid", "the manifest is not text in UTF-8", { cause });
    throw cause;
  }
}

/** Ids are computed of the manifests; the server's own words are shown as such. @throws AffidavitError */
function readList({ models, aliases }: Record<string, unknown>): Found[] {
  try {
    if (!Array.isArray(models) || !Array.isArray(aliases)) throw new TypeError("no lists");
    const named = aliases.map(objectOf).map(({ name, modelId }) => ({
      name: String(name),
      modelId: toHex(fromHex(String(modelId), 32)),
    }));
    return models.map(objectOf).map((row) => {
      const text = String(row["manifest"]);
      const manifest = parseCanonicalManifest(text);
      const modelId = toHex(idOf(text));
      const known = named.filter((alias) => alias.modelId === modelId).map(({ name }) => name);
      const times = Object.fromEntries(
        ["deprecatedAt", "sunsetAt"].flatMap((member) =>
          typeof row[member] === "string" ? [[member, row[member]]] : [],
        ),
      );
      return { manifest, modelId, said: { ready: row["ready"] === true, ...times, aliases: known } };
    });
  } catch (cause) {
    const malformed = [TypeError, CodecError, ModelError].some((kind) => cause instanceof kind);
    if (!malformed) throw cause;
    const message = "the server's answer is not what /v1/models answers";
    throw new AffidavitError("server_response_invalid", message, { cause });
  }
}

async function show(words: string[]): Promise<number> {
  const { manifest, modelId, said, json } = await find(words);
  if (json) printJson({ ok: true, code: "ok", modelId: `0x${modelId}`, ...said, manifest });
  else process.stdout.write(described({ manifest, modelId, said }) + "\n");
  return 0;
}

async function bom(words: string[]): Promise<number> {
  const { manifest, json } = await find(words);
  const text = modelBom(manifest);
  if (json) printJson({ ok: true, code: "ok", bom: JSON.parse(text) as unknown });
  else process.stdout.write(`${JSON.stringify(JSON.parse(text), null, 2)}\n`);
  return 0;
}

function described({ manifest, modelId, said }: Found): string {
  const { name, version, title, description, licence, weights, owner, assurance, accuracy } = manifest;
  const lines: [string, string][] = [
    ["model", `${name} ${version}`],
    ["model id", `0x${modelId}`],
    ["title", title],
    ["description", description],
    ["licence", licence],
    ["source", source(manifest)],
    ["weights", `sha256:${weights.sha256}, ${weights.bytes} bytes`],
    ["assurance", assurance.join(", ")],
  ];
  if (accuracy)
    lines.push([
      "accuracy",
      `${accuracy.metric} ${accuracy.value} on ${accuracy.dataset} (${accuracy.split})`,
    ]);
  if (owner !== undefined) lines.push(["owner's key", `ed25519:0x${owner}`]);
  lines.push(...provenance(manifest), ...tensors(manifest));
  for (const alias of said.aliases) lines.push(["alias", `${alias} (the operator's word)`]);
  if (said.deprecatedAt !== undefined)
    lines.push([
      "deprecated",
      `since ${said.deprecatedAt}${said.sunsetAt === undefined ? "" : `, refused from ${said.sunsetAt}`}`,
    ]);
  const width = Math.max(...lines.map(([label]) => label.length));
  return lines.map(([label, text]) => `${label.padEnd(width)}  ${printable(text, 1000)}`).join("\n");
}

function source({ source: from }: Manifest): string {
  if ("package" in from) return `npm ${from.package} ${from.version}, ${from.file}`;
  return "url" in from ? `${from.url} ${from.version}` : `${from.script} ${from.version}`;
}

function provenance({ provenance: said }: Manifest): [string, string][] {
  if (!said) return [];
  const lines: [string, string][] = [];
  if (said.owner) lines.push(["owner", [said.owner.name, said.owner.url ?? ""].join(" ").trim()]);
  for (const { name, digest, licence, url } of said.trainingData ?? [])
    lines.push(["training data", [name, digest, licence ?? "", url ?? ""].filter(Boolean).join(", ")]);
  if (said.trainingLog)
    lines.push([
      "training log",
      [said.trainingLog.digest, said.trainingLog.url ?? ""].filter(Boolean).join(", "),
    ]);
  for (const { account, shareBasisPoints } of said.payees ?? [])
    lines.push(["payee", `${account}, ${shareBasisPoints / 100} %`]);
  return lines;
}

function tensors({ inputs, outputs }: Manifest): [string, string][] {
  return [...inputs.map((spec) => tensor("input", spec)), ...outputs.map((spec) => tensor("output", spec))];
}

function tensor(
  label: string,
  { name, datatype, shape, unit }: Manifest["inputs"][number],
): [string, string] {
  return [label, `${name} ${datatype} [${shape.join(", ")}], ${unit}`];
}
