/** `affidavit admin tenant create | list | limits | suspend | resume | usage`. */
import { Administrator, ADMINISTRATOR_HELP, administratorFlags } from "../administrator.ts";
import { malformedAnswer, noPositionals, objectOf, textMember } from "../admin.ts";
import { flags, onlyPositional, printJson, UsageError, type Command } from "../command.ts";
import { paint, printable, table } from "../output.ts";

const LIMITS_HELP = `  --per-minute N       inferences a minute, or none
  --at-once N          inferences at one time, or none
  --per-month N        answered inferences a month, or none`;

const CREATE_HELP = `
affidavit admin tenant create NAME [flags]

Makes a tenant. It may use no model until it is let in to one ("admin model allow"), and has no key ("admin key create").

${LIMITS_HELP}
${ADMINISTRATOR_HELP}
`;

const LIST_HELP = `
affidavit admin tenant list [flags]

Shows every tenant with its limits.

${ADMINISTRATOR_HELP}
`;

const LIMITS = `
affidavit admin tenant limits TENANT [flags]

Changes a tenant's limits; those that are not named stay. TENANT is an id, or a name that one tenant alone has.

${LIMITS_HELP}
${ADMINISTRATOR_HELP}
`;

const oneTenantHelp = (verb: string, what: string) => `
affidavit admin tenant ${verb} TENANT [flags]

${what}

${ADMINISTRATOR_HELP}
`;

const limitFlags = {
  "per-minute": { type: "string" },
  "at-once": { type: "string" },
  "per-month": { type: "string" },
} as const;

interface Tenant {
  tenantId: string;
  name: string;
  suspendedAt: string | null;
  everyModel: boolean;
  requestsPerMinute: number | null;
  concurrency: number | null;
  requestsPerMonth: number | null;
}

export const adminTenantCreate: Command = { summary: "makes a tenant", help: CREATE_HELP, run: create };
export const adminTenantList: Command = { summary: "lists the tenants", help: LIST_HELP, run: list };
export const adminTenantLimits: Command = { summary: "sets a tenant's limits", help: LIMITS, run: limits };
export const adminTenantSuspend: Command = {
  summary: "suspends a tenant",
  help: oneTenantHelp(
    "suspend",
    "Lets a tenant's keys open nothing any more, within a second on every replica.",
  ),
  run: (words) => turn(words, "suspend"),
};
export const adminTenantResume: Command = {
  summary: "lets a suspended tenant in again",
  help: oneTenantHelp("resume", "Lets a suspended tenant in again."),
  run: (words) => turn(words, "resume"),
};
export const adminTenantUsage: Command = {
  summary: "shows what a tenant used",
  help: oneTenantHelp("usage", "Shows what a tenant used, by month (UTC). Counts are up to two seconds old."),
  run: usage,
};

async function create(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, { ...limitFlags, ...administratorFlags });
  const name = onlyPositional(positionals, "name");
  const body = { name, ...limitsOf(values) };
  const administrator = await Administrator.open(values);
  const made = tenantOf(await administrator.ask("POST", "/v1/admin/tenants", { body, expectedStatus: 201 }));
  return shown(made, "made", values.json);
}

async function list(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, administratorFlags);
  noPositionals(positionals);
  const administrator = await Administrator.open(values);
  const { tenants } = await administrator.ask("GET", "/v1/admin/tenants");
  if (!Array.isArray(tenants)) throw malformedAnswer();
  const rows = tenants.map(tenantOf);
  if (values.json) printJson({ ok: true, code: "ok", tenants: rows });
  else process.stdout.write(listed(rows) + "\n");
  return 0;
}

async function limits(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, { ...limitFlags, ...administratorFlags });
  const given = onlyPositional(positionals, "tenant");
  const body = limitsOf(values);
  if (Object.keys(body).length === 0)
    throw new UsageError("name a limit: --per-minute, --at-once, --per-month");
  const administrator = await Administrator.open(values);
  const path = `/v1/admin/tenants/${await administrator.tenantId(given)}`;
  return shown(tenantOf(await administrator.ask("PATCH", path, { body })), "changed", values.json);
}

async function turn(words: string[], verb: "suspend" | "resume"): Promise<number> {
  const { values, positionals } = flags(words, administratorFlags);
  const given = onlyPositional(positionals, "tenant");
  const administrator = await Administrator.open(values);
  const path = `/v1/admin/tenants/${await administrator.tenantId(given)}/${verb}`;
  const done = verb === "suspend" ? "suspended" : "resumed";
  return shown(tenantOf(await administrator.ask("POST", path)), done, values.json);
}

async function usage(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, administratorFlags);
  const given = onlyPositional(positionals, "tenant");
  const administrator = await Administrator.open(values);
  const tenantId = await administrator.tenantId(given);
  const answer = await administrator.ask("GET", `/v1/admin/tenants/${tenantId}/usage`);
  const tenant = tenantOf(answer["tenant"]);
  if (!Array.isArray(answer["months"])) throw malformedAnswer();
  const months = answer["months"].map(monthOf);
  if (values.json) printJson({ ok: true, code: "ok", tenant, months });
  else process.stdout.write(used(months) + "\n");
  return 0;
}

/** Those that were named; null takes one away. @throws UsageError */
function limitsOf(values: { [Name in keyof typeof limitFlags]?: string }): Record<string, number | null> {
  const members = {
    requestsPerMinute: values["per-minute"],
    concurrency: values["at-once"],
    requestsPerMonth: values["per-month"],
  };
  return Object.fromEntries(
    Object.entries(members).flatMap(([name, text]) => (text === undefined ? [] : [[name, limitOf(text)]])),
  );
}

function limitOf(text: string): number | null {
  if (text === "none") return null;
  if (!/^[1-9][0-9]{0,12}$/.test(text)) throw new UsageError("a limit is a whole number from 1, or none");
  return Number(text);
}

/** The members that are shown, each of its type: the server's words are not ours. */
function tenantOf(value: unknown): Tenant {
  const row = objectOf(value);
  const count = (name: string) => (row[name] === null ? null : wholeOf(row[name]));
  return {
    tenantId: textMember(row, "tenantId"),
    name: textMember(row, "name"),
    suspendedAt: row["suspendedAt"] === null ? null : textMember(row, "suspendedAt"),
    everyModel: row["everyModel"] === true,
    requestsPerMinute: count("requestsPerMinute"),
    concurrency: count("concurrency"),
    requestsPerMonth: count("requestsPerMonth"),
  };
}

function wholeOf(value: unknown): number {
  if (!Number.isSafeInteger(value)) throw malformedAnswer();
  return value as number;
}

const MONTH_COUNTS = ["answered", "refused", "inputBytes", "outputBytes", "leased"] as const;
type Month = { month: string } & Record<(typeof MONTH_COUNTS)[number], number>;

function monthOf(value: unknown): Month {
  const row = objectOf(value);
  const counts = Object.fromEntries(MONTH_COUNTS.map((name) => [name, wholeOf(row[name])]));
  return { month: textMember(row, "month"), ...counts } as Month;
}

function shown(tenant: Tenant, done: string, json: boolean | undefined): number {
  if (json) printJson({ ok: true, code: "ok", ...tenant });
  else process.stdout.write(`${paint("green", `✓ ${done}`)}\n${listed([tenant])}\n`);
  return 0;
}

function listed(tenants: Tenant[]): string {
  const rows = tenants.map((tenant) => [
    tenant.tenantId,
    tenant.name,
    ...[tenant.requestsPerMinute, tenant.concurrency, tenant.requestsPerMonth].map((limit) =>
      limit === null ? "none" : String(limit),
    ),
    tenant.everyModel ? "every one" : "as let in",
    tenant.suspendedAt === null ? "active" : `suspended ${tenant.suspendedAt}`,
  ]);
  return table([
    ["ID", "NAME", "A MINUTE", "AT ONCE", "A MONTH", "MODELS", "STATE"],
    ...rows.map((row) => row.map((cell) => printable(cell))),
  ]);
}

function used(months: Month[]): string {
  return table([
    ["MONTH", "ANSWERED", "REFUSED", "BYTES IN", "BYTES OUT"],
    ...months.map(({ month, answered, refused, inputBytes, outputBytes }) => [
      printable(month),
      ...[answered, refused, inputBytes, outputBytes].map(String),
    ]),
  ]);
}
