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
import { flags, onlyPositional, printJson, UsageError, type Command } from "../command.ts";
import { paint, printable, table } from "../output.ts";

const CREATE_HELP = `
affidavit keys create --label LABEL [flags]

Makes an API key and shows it: this once, since the service keeps its hash alone.

  --label LABEL        what people know it by
  --scope SCOPE        infer (the default) or admin; repeat it for both
  --account ID         the account that it acts for; without it a new one
  --expires TIME       when it stops working, as ISO 8601; without it never
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

interface ApiKey {
  id: string;
  accountId: string;
  prefix: string;
  label: string;
  scopes: string[];
  createdAt: string;
  expiresAt: string | null;
  revokedAt: string | null;
}

export const keysCreate: Command = { summary: "makes an API key", help: CREATE_HELP, run: create };
export const keysList: Command = { summary: "lists the API keys", help: LIST_HELP, run: list };
export const keysRevoke: Command = { summary: "revokes an API key", help: REVOKE_HELP, run: revoke };

async function create(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, {
    label: { type: "string" },
    scope: { type: "string", multiple: true },
    account: { type: "string" },
    expires: { type: "string" },
    ...adminFlags,
  });
  noPositionals(positionals);
  if (!values.label) throw new UsageError("give a --label");
  const asked = {
    label: values.label,
    scopes: values.scope,
    accountId: values.account,
    expiresAt: values.expires === undefined ? undefined : parseTime(values.expires),
  };
  const transport = await adminTransport(values);
  const answer = await transport.send("/v1/keys", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: utf8(JSON.stringify(asked)) as Uint8Array<ArrayBuffer>,
    expectedStatus: 201,
  });
  const made = readObject(answer);
  const view = apiKey(made);
  const key = textMember(made, "key");
  if (values.json) printJson({ ok: true, code: "ok", ...view, key });
  else process.stdout.write(created(view, key));
  return 0;
}

async function list(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, adminFlags);
  noPositionals(positionals);
  const transport = await adminTransport(values);
  const { keys } = readObject(await transport.send("/v1/keys", {}));
  if (!Array.isArray(keys)) throw malformedAnswer();
  const views = keys.map(apiKey);
  if (values.json) printJson({ ok: true, code: "ok", keys: views });
  else process.stdout.write(listed(views) + "\n");
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

/** @throws UsageError */
function parseTime(given: string): string {
  const time = new Date(given);
  if (!/^\d{4}-/.test(given) || Number.isNaN(time.getTime()))
    throw new UsageError("--expires takes a time in ISO 8601, such as 2027-01-31T12:00:00Z");
  return time.toISOString();
}

/** The members that are shown, each of its type: the server's words are not ours. */
function apiKey(value: unknown): ApiKey {
  if (typeof value !== "object" || value === null) throw malformedAnswer();
  const row = value as Record<string, unknown>;
  const scopes = row["scopes"];
  if (!Array.isArray(scopes) || !scopes.every((scope) => typeof scope === "string")) throw malformedAnswer();
  return {
    id: textMember(row, "id"),
    accountId: textMember(row, "accountId"),
    prefix: textMember(row, "prefix"),
    label: textMember(row, "label"),
    scopes,
    createdAt: textMember(row, "createdAt"),
    expiresAt: row["expiresAt"] === null ? null : textMember(row, "expiresAt"),
    revokedAt: row["revokedAt"] === null ? null : textMember(row, "revokedAt"),
  };
}

function created(view: ApiKey, key: string): string {
  return [
    `${paint("green", "✓ made")}  ${printable(view.label)} (${printable(view.scopes.join(", "))})`,
    "",
    `  ${paint("bold", printable(key))}`,
    "",
    `It is not shown again. Its id is ${printable(view.id)}, its account ${printable(view.accountId)}.`,
    "",
  ].join("\n");
}

function listed(views: ApiKey[]): string {
  const rows = views.map((view) => [
    view.id,
    view.prefix && `${view.prefix}…`,
    view.label,
    view.scopes.join(","),
    view.accountId,
    state(view),
  ]);
  return table([
    ["ID", "KEY", "LABEL", "SCOPES", "ACCOUNT", "STATE"],
    ...rows.map((row) => row.map((cell) => printable(cell))),
  ]);
}

function state({ expiresAt, revokedAt }: ApiKey): string {
  if (revokedAt !== null) return `revoked ${revokedAt}`;
  if (expiresAt === null) return "live";
  return Date.parse(expiresAt) <= Date.now() ? `expired ${expiresAt}` : `live until ${expiresAt}`;
}
