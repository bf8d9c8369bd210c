/** `affidavit models seal`: seals weights for the owner's key broker. */
import { stat } from "node:fs/promises";
import { fromHex, fromUtf8, toHex0x } from "../../../codec/index.ts";
import { manifestText, modelId, ModelError, parseManifest, sealWeights } from "../../../models/index.ts";
import {
  flags,
  onlyPositional,
  printJson,
  readInput,
  RefusedError,
  UsageError,
  type Command,
} from "../command.ts";
import { paint } from "../output.ts";

const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;
const MAX_ANSWER_BYTES = 4096;
const TIMEOUT_MS = 15_000;

const HELP = `
affidavit models seal FILE.onnx --manifest FILE --for BROKER [flags]

Seals weights so that only a vault that the broker's owner accepts can open them (docs/spec/sealed-models.md).

  --manifest FILE   the model's manifest: the sealed file is for this model alone
  --for BROKER      the broker's public key, 64 hex digits, or its address (https://…), which is then asked for it
  --out FILE        where to write (FILE.onnx.sealed)
  --json            one line for machines
`;

export const modelsSeal: Command = { summary: "seals weights for a key broker", help: HELP, run };

async function run(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, {
    manifest: { type: "string" },
    for: { type: "string" },
    out: { type: "string" },
    json: { type: "boolean" },
  });
  const file = onlyPositional(positionals, "ONNX file");
  if (values.manifest === undefined) throw new UsageError("give the model's --manifest");
  if (values.for === undefined) throw new UsageError("say --for which broker");
  const manifest = await readInput(values.manifest, MAX_MANIFEST_BYTES);
  const size = await stat(file).catch(() => undefined);
  if (!size?.isFile()) throw new UsageError(`${file} cannot be read`, "file_unreadable");
  const brokerKey = await brokerKeyFrom(values.for);
  const out = values.out ?? `${file}.sealed`;
  const id = await refusing(async () => {
    const text = manifestText(parseManifest(fromUtf8(manifest)));
    const { weights } = parseManifest(text);
    const head = await sealWeights(file, out, {
      brokerKey,
      modelId: modelId(text),
      expected: weights,
      ...(values.json ? {} : { onProgress: showProgress }),
    });
    return head.description.modelId;
  });
  if (values.json) printJson({ ok: true, code: "ok", modelId: id, file: out });
  else process.stdout.write(`${paint("green", "✓ sealed")}  ${out}  for model ${toHex0x(fromHex(id))}\n`);
  return 0;
}

function showProgress(doneBytes: number, totalBytes: number): void {
  if (!process.stderr.isTTY) return;
  const percent = Math.floor((100 * doneBytes) / totalBytes);
  process.stderr.write(`\rsealing ${percent} %${doneBytes === totalBytes ? "\n" : ""}`);
}

async function brokerKeyFrom(text: string): Promise<Uint8Array> {
  if (/^[0-9a-f]{64}$/.test(text)) return fromHex(text);
  if (!URL.canParse(text)) throw new UsageError("--for takes a key of 64 hex digits, or an address");
  const response = await fetch(new URL("/v1/broker", text), {
    redirect: "error",
    signal: AbortSignal.timeout(TIMEOUT_MS),
  }).catch((cause: unknown) => {
    throw new RefusedError("broker_unreachable", "the broker does not answer", { cause });
  });
  const key = keyOf((await response.text()).slice(0, MAX_ANSWER_BYTES));
  if (!response.ok || key === undefined)
    throw new RefusedError("broker_unreachable", "this address is no key broker's");
  process.stderr.write(
    `sealing to ${key}, which ${new URL(text).host} says is its key: compare it with the owner's\n`,
  );
  return fromHex(key);
}

function keyOf(body: string): string | undefined {
  try {
    const { publicKey } = JSON.parse(body) as { publicKey?: unknown };
    return typeof publicKey === "string" && /^[0-9a-f]{64}$/.test(publicKey) ? publicKey : undefined;
  } catch {
    return undefined;
  }
}

async function refusing<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof ModelError) throw new RefusedError(cause.code, cause.message, { cause });
    throw cause;
  }
}
