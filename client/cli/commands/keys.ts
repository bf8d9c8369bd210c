/** `affidavit keys create | list | revoke`: API keys of a service, with a key whose scope is `admin`. */
import { utf8 } from "../../../codec/index.ts";
import {
  ADMIN_FLAGS_HELP,
  adminFlags,
  adminTransport,
  malformedAnswer,
  noPositionals,
  readObject,
  textMember,
} from "../admin.ts";
import { apiKeyOf, listKeys, NEW_KEY_HELP, newKeyFlags, newKeyOf, showNewKey } from "../api-key-view.ts";
import { flags, onlyPositional, printJson, type Command } from "../command.ts";
import { paint, printable } from "../output.ts";

const CREATE_HELP = `
affidavit keys create --label LABEL [flags]

Makes an API key and shows it: this once, since the service keeps its hash alone.

${NEW_KEY_HELP}
${ADMIN_FLAGS_HELP}
`;

const LIST_HELP = `
affidavit keys list [flags]

Shows the API keys of your tenant: all that are not revoked, then the newest revoked ones.

${ADMIN_FLAGS_HELP}
`;

const REVOKE_HELP = `
affidavit keys revoke ID [flags]

Revokes an API key for good. It may work for a few seconds more.

${ADMIN_FLAGS_HELP}
`;

export const keysCreate: Command = { summary: "makes an API key", help: CREATE_HELP, run: create };
export const keysList: Command = { summary: "lists the API keys", help: LIST_HELP, run: list };
export const keysRevoke: Command = { summary: "revokes an API key", help: REVOKE_HELP, run: revoke };

async function create(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, {
    ...newKeyFlags,
    ...adminFlags,
  });
  noPositionals(positionals);
  const asked = newKeyOf(values);
  const transport = await adminTransport(values);
  const answer = await transport.send("/v1/keys", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: utf8(JSON.stringify(asked)) as Uint8Array<ArrayBuffer>,
    expectedStatus: 201,
  });
  const made = readObject(answer);
  const view = apiKeyOf(made);
  const key = textMember(made, "key");
  if (values.json) printJson({ ok: true, code: "ok", ...view, key });
  else process.stdout.write(showNewKey(view, key));
  return 0;
}

async function list(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, adminFlags);
  noPositionals(positionals);
  const transport = await adminTransport(values);
  const { keys } = readObject(await transport.send("/v1/keys", {}));
  if (!Array.isArray(keys)) throw malformedAnswer();
  const views = keys.map(apiKeyOf);
  if (values.json) printJson({ ok: true, code: "ok", keys: views });
  else process.stdout.write(listKeys(views) + "\n");
  return 0;
}

async function revoke(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, adminFlags);
  const id = onlyPositional(positionals, "key id");
  const transport = await adminTransport(values);
  await transport.send(`/v1/keys/${encodeURIComponent(id)}`, { method: "DELETE", expectedStatus: 204 });
  if (values.json) printJson({ ok: true, code: "ok", id });
  else process.stdout.write(`${paint("green", "✓ revoked")}  ${printable(id)}\n`);
  return 0;
}
