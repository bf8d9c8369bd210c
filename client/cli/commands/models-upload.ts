/** `affidavit models upload | remove | access`: sealed models of your tenant at a service. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, stat, type FileHandle } from "node:fs/promises";
import { fromUtf8, utf8 } from "../../../codec/index.ts";
import { readAt } from "../../../models/index.ts";
import type { Transport } from "../../transport.ts";
import {
  ADMIN_FLAGS_HELP,
  adminFlags,
  adminTransport,
  malformedAnswer,
  readObject,
  textMember,
} from "../admin.ts";
import { flags, onlyPositional, printJson, readInput, UsageError, type Command } from "../command.ts";
import { paint, printable } from "../output.ts";

const MAX_MANIFEST_BYTES = 1024 * 1024;
const MAX_SIGNATURE_BYTES = 64 * 1024;

const UPLOAD_HELP = `
affidavit models upload FILE.sealed --manifest FILE --broker URL [flags]

Uploads sealed weights (affidavit models seal) in parts and makes a model of them that your tenant alone may use. Run again
after an interruption, it goes on where it was.

  --manifest FILE      the model's manifest
  --broker URL         your key broker (affidavit broker serve), which the service asks at every load
  --signature FILE     the model's signature (affidavit models sign), where the service takes signed models alone
${ADMIN_FLAGS_HELP}
`;

const REMOVE_HELP = `
affidavit models remove MODEL-ID [flags]

Removes one of your tenant's models; its ciphertext is erased, its receipts stay good.

${ADMIN_FLAGS_HELP}
`;

const ACCESS_HELP = `
affidavit models access MODEL-ID [--allow TENANT | --deny TENANT] [flags]

Shows, or changes, which other tenants may use one of your tenant's models.

  --allow TENANT       let this tenant in
  --deny TENANT        let it in no longer
${ADMIN_FLAGS_HELP}
`;

export const modelsUpload: Command = { summary: "uploads a sealed model", help: UPLOAD_HELP, run: upload };
export const modelsRemove: Command = { summary: "removes an uploaded model", help: REMOVE_HELP, run: remove };
export const modelsAccess: Command = {
  summary: "shows or sets who may use a model",
  help: ACCESS_HELP,
  run: access,
};

interface Upload {
  id: string;
  receivedBytes: number;
  maxPartBytes: number;
}

async function upload(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, {
    manifest: { type: "string" },
    broker: { type: "string" },
    signature: { type: "string" },
    ...adminFlags,
  });
  const path = onlyPositional(positionals, "sealed file");
  if (values.manifest === undefined) throw new UsageError("give the model's --manifest");
  if (values.broker === undefined) throw new UsageError("give the address of your --broker");
  const manifest = fromUtf8(await readInput(values.manifest, MAX_MANIFEST_BYTES));
  const found = await stat(path).catch(() => undefined);
  if (!found?.isFile()) throw new UsageError(`${path} cannot be read`, "file_unreadable");
  const transport = await adminTransport(values);
  const signature =
    values.signature === undefined
      ? undefined
      : fromUtf8(await readInput(values.signature, MAX_SIGNATURE_BYTES));
  const body = {
    manifest,
    broker: values.broker,
    bytes: found.size,
    sha256: await digestOf(path),
    signature,
  };
  const begun = uploadOf(
    await transport.send("/v1/models", { ...json(body), method: "POST", expectedStatus: 201 }),
  );
  const file = await open(path);
  try {
    await sendParts(transport, file, begun, found.size, values.json ?? false);
  } finally {
    await file.close();
  }
  const done = await transport.send(`/v1/models/uploads/${begun.id}/complete`, {
    method: "POST",
    expectedStatus: 201,
  });
  const made = readObject(done);
  const [name, version, modelId] = ["name", "version", "modelId"].map((member) => textMember(made, member));
  if (values.json) printJson({ ok: true, code: "ok", name, version, modelId });
  else
    process.stdout.write(
      `${paint("green", "✓ uploaded")}  ${printable(name!)} ${printable(version!)}  ${printable(modelId!)}\n`,
    );
  return 0;
}

async function sendParts(
  transport: Transport,
  file: FileHandle,
  begun: Upload,
  totalBytes: number,
  quiet: boolean,
): Promise<void> {
  let { receivedBytes: offset } = begun;
  const part = new Uint8Array(begun.maxPartBytes);
  while (offset < totalBytes) {
    const read = await readAt(file, part, offset);
    const answer = await transport.send(`/v1/models/uploads/${begun.id}?offset=${offset}`, {
      method: "PUT",
      headers: { "Content-Type": "application/octet-stream" },
      body: part.slice(0, read),
    });
    const { receivedBytes } = uploadOf(answer);
    if (receivedBytes !== offset + read) throw malformedAnswer();
    offset = receivedBytes;
    if (!quiet && process.stderr.isTTY) {
      const percent = Math.floor((100 * offset) / totalBytes);
      process.stderr.write(`\ruploading ${percent} %${offset === totalBytes ? "\n" : ""}`);
    }
  }
}

async function remove(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, adminFlags);
  const modelId = modelIdOf(onlyPositional(positionals, "model id"));
  const transport = await adminTransport(values);
  await transport.send(`/v1/models/${modelId}`, { method: "DELETE", expectedStatus: 204 });
  if (values.json) printJson({ ok: true, code: "ok", modelId });
  else process.stdout.write(`${paint("green", "✓ removed")}  ${modelId}\n`);
  return 0;
}

async function access(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, {
    allow: { type: "string" },
    deny: { type: "string" },
    ...adminFlags,
  });
  const path = `/v1/models/${modelIdOf(onlyPositional(positionals, "model id"))}/access`;
  if (values.allow !== undefined && values.deny !== undefined)
    throw new UsageError("give --allow or --deny, not both");
  const transport = await adminTransport(values);
  const tenant = values.allow ?? values.deny;
  if (tenant !== undefined) {
    const method = values.allow === undefined ? "DELETE" : "PUT";
    await transport.send(`${path}/${encodeURIComponent(tenant)}`, { method, expectedStatus: 204 });
  }
  const { tenants } = readObject(await transport.send(path, {}));
  if (!Array.isArray(tenants)) throw malformedAnswer();
  const names = tenants.map(String);
  if (values.json) printJson({ ok: true, code: "ok", tenants: names });
  else
    process.stdout.write(
      names.length === 0 ? "your own tenant alone\n" : `${names.map(printable).join("\n")}\n`,
    );
  return 0;
}

function modelIdOf(text: string): string {
  const digits = text.replace(/^0x/, "");
  if (!/^[0-9a-f]{64}$/.test(digits)) throw new UsageError("a model id is 64 hex digits");
  return digits;
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 }))
    hash.update(chunk as Buffer);
  return hash.digest("hex");
}

function json(body: object): { headers: Record<string, string>; body: Uint8Array<ArrayBuffer> } {
  const bytes = utf8(JSON.stringify(body)) as Uint8Array<ArrayBuffer>;
  return { headers: { "Content-Type": "application/json" }, body: bytes };
}

function uploadOf(answer: Parameters<typeof readObject>[0]): Upload {
  const row = readObject(answer);
  const { receivedBytes, maxPartBytes } = row;
  const id = textMember(row, "id");
  const sound = [receivedBytes, maxPartBytes].every((value) => Number.isSafeInteger(value));
  if (!sound || (maxPartBytes as number) < 1 || (maxPartBytes as number) > 64 * 1024 * 1024)
    throw malformedAnswer();
  if (!/^[0-9a-f-]{36}$/.test(id)) throw malformedAnswer();
  return { id, receivedBytes: receivedBytes as number, maxPartBytes: maxPartBytes as number };
}
