/** `affidavit models list | add`: the models of a service, and the models folder that it reads at its start. */
import { join, resolve } from "node:path";
import { CodecError, fromUtf8, toHex0x } from "../../../codec/index.ts";
import {
  addModel,
  ModelError,
  parseCanonicalManifest,
  parseManifest,
  type LoadedModel,
} from "../../../models/index.ts";
import { AffidavitError } from "../../errors.ts";
import { Transport } from "../../transport.ts";
import {
  flags,
  onlyPositional,
  printJson,
  readInput,
  RefusedError,
  UsageError,
  type Command,
} from "../command.ts";
import { DEFAULT_URL } from "../credentials.ts";
import { paint, printable, table } from "../output.ts";

const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;
const MAX_SIGNATURE_BYTES = 32 * 1024 * 1024;
const MAX_WEIGHTS_BYTES = 2 ** 31 - 1;

const LIST_HELP = `
affidavit models list [flags]

Shows the models that a service offers. Only a receipt proves which one answered.

  --url URL   the service (AFFIDAVIT_URL, else ${DEFAULT_URL})
  --json      one line for machines
`;

const ADD_HELP = `
affidavit models add FILE.onnx --manifest FILE [flags]

Puts a model into the models folder of a service on this machine, once its weights have the manifest's digest and its
graph has the manifest's inputs and outputs. The service offers it from its next start.

  --manifest FILE   the manifest (docs/spec/manifest.md)
  --signature FILE  the model's signature (affidavit models sign), kept beside it as model.sig
  --data-dir DIR    the service's data directory: the model goes into its folder models. Without it, as for the service:
                    AFFIDAVIT_MODELS_DIR, else AFFIDAVIT_DATA_DIR/models, else ./.data/models
  --json            one line for machines
`;

export const modelsList: Command = { summary: "lists a service's models", help: LIST_HELP, run: list };
export const modelsAdd: Command = { summary: "adds a model to a service's folder", help: ADD_HELP, run: add };

interface Listed {
  name: string;
  version: string;
  title: string;
  modelId: string;
  ready: boolean;
}

async function list(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, { url: { type: "string" }, json: { type: "boolean" } });
  if (positionals.length > 0) throw new UsageError(`unexpected ${JSON.stringify(positionals[0])}`);
  const url = values.url ?? process.env["AFFIDAVIT_URL"] ?? DEFAULT_URL;
  if (!URL.canParse(url)) throw new UsageError("--url takes an address such as https://inference.example");
  const { body } = await new Transport({ url }).send("/v1/models", {});
  const models = readList(body);
  if (values.json) printJson({ ok: true, code: "ok", models });
  else process.stdout.write(listed(models) + "\n");
  return 0;
}

/** What the manifests say; the server's own words about them are left aside. */
function readList(body: Uint8Array): Listed[] {
  try {
    const { models } = JSON.parse(fromUtf8(body)) as {
      models: { manifest: string; modelId: string; ready: boolean }[];
    };
    return models.map(({ manifest, modelId, ready }) => {
      const { name, version, title } = parseCanonicalManifest(manifest);
      return { name, version, title, modelId: String(modelId), ready: ready === true };
    });
  } catch (cause) {
    const malformed = [SyntaxError, CodecError, TypeError, ModelError].some((kind) => cause instanceof kind);
    if (!malformed) throw cause;
    const message = "the server's answer is not what /v1/models answers";
    throw new AffidavitError("server_response_invalid", message, { cause });
  }
}

function listed(models: Listed[]): string {
  const rows = models.map(({ name, version, title, ready }) => [
    name,
    version,
    ready ? "ready" : "not ready",
    title,
  ]);
  return table([
    ["MODEL", "VERSION", "STATE", "TITLE"],
    ...rows.map((row) => row.map((cell) => printable(cell))),
  ]);
}

async function add(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, {
    manifest: { type: "string" },
    signature: { type: "string" },
    "data-dir": { type: "string" },
    json: { type: "boolean" },
  });
  const file = onlyPositional(positionals, "ONNX file");
  if (values.manifest === undefined) throw new UsageError("give the model's --manifest");
  const directory = modelsDirectory(values["data-dir"], process.env);
  const manifest = await readInput(values.manifest, MAX_MANIFEST_BYTES);
  const onnx = await readInput(file, MAX_WEIGHTS_BYTES);
  const signature = values.signature && (await readInput(values.signature, MAX_SIGNATURE_BYTES));
  const model = await addTo(directory, onnx, manifest, signature || undefined);
  const { name, version } = model.manifest;
  const modelId = toHex0x(model.modelId);
  if (values.json) printJson({ ok: true, code: "ok", name, version, modelId, directory });
  else process.stdout.write(added(model, directory));
  return 0;
}

/** @throws RefusedError with the code that names what does not hold */
async function addTo(
  directory: string,
  onnx: Uint8Array,
  manifest: Uint8Array,
  signature: Uint8Array | undefined,
): Promise<LoadedModel> {
  try {
    const signed = signature && fromUtf8(signature);
    return await addModel(directory, onnx, parseManifest(fromUtf8(manifest)), signed);
  } catch (cause) {
    if (cause instanceof ModelError) throw new RefusedError(cause.code, cause.message, { cause });
    if (cause instanceof CodecError)
      throw new RefusedError("manifest_invalid", "the manifest or the signature is not text in UTF-8", {
        cause,
      });
    throw cause;
  }
}

/** Where the service looks, by the same settings. */
export function modelsDirectory(dataDirectory: string | undefined, environment: NodeJS.ProcessEnv): string {
  if (dataDirectory !== undefined) return resolve(dataDirectory, "models");
  if (environment["AFFIDAVIT_MODELS_DIR"]) return resolve(environment["AFFIDAVIT_MODELS_DIR"]);
  return resolve(join(environment["AFFIDAVIT_DATA_DIR"] || "./.data", "models"));
}

function added({ manifest, modelId }: LoadedModel, directory: string): string {
  return [
    `${paint("green", "✓ added")}  ${manifest.name} ${manifest.version}  ${toHex0x(modelId)}`,
    `  into ${directory}; the service reads it at its next start`,
    "",
  ].join("\n");
}
