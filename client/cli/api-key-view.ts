/** API keys as the commands show them. */
import { malformedAnswer, objectOf, textMember } from "./admin.ts";
import { UsageError } from "./command.ts";
import { paint, printable, table } from "./output.ts";

export interface ApiKey {
  id: string;
  accountId: string;
  prefix: string;
  label: string;
  scopes: string[];
  createdAt: string;
  expiresAt: string | null;
  revokedAt: string | null;
}

export const newKeyFlags = {
  label: { type: "string" },
  scope: { type: "string", multiple: true },
  account: { type: "string" },
  expires: { type: "string" },
} as const;

export const NEW_KEY_HELP = `  --label LABEL        what people know it by
  --scope SCOPE        infer (the default), admin or worker; repeat it for several
  --account ID         the account that it acts for; without it a new one
  --expires TIME       when it stops working, as ISO 8601; without it never`;

/** What is asked of the service. @throws UsageError */
export function newKeyOf(values: {
  label?: string;
  scope?: string[];
  account?: string;
  expires?: string;
}): object {
  if (!values.label) throw new UsageError("give a --label");
  return {
    label: values.label,
    scopes: values.scope,
    accountId: values.account,
    expiresAt: values.expires === undefined ? undefined : parseTime(values.expires, "--expires"),
  };
}

/** @throws UsageError */
export function parseTime(given: string, flag: string): string {
  const time = new Date(given);
  if (!/^\d{4}-/.test(given) || Number.isNaN(time.getTime()))
    throw new UsageError(`${flag} takes a time in ISO 8601, such as 2027-01-31T12:00:00Z`);
  return time.toISOString();
}

/** The members that are shown, each of its type: the server's words are not ours. */
export function apiKeyOf(value: unknown): ApiKey {
  const row = objectOf(value);
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

export function showNewKey(view: ApiKey, key: string): string {
  return [
    `${paint("green", "✓ made")}  ${printable(view.label)} (${printable(view.scopes.join(", "))})`,
    "",
    `  ${paint("bold", printable(key))}`,
    "",
    `It is not shown again. Its id is ${printable(view.id)}, its account ${printable(view.accountId)}.`,
    "",
  ].join("\n");
}

export function listKeys(views: ApiKey[]): string {
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
