/** `affidavit jobs list | show | retry | cancel`: a service's background work, for its operator. */
import {
  ADMIN_FLAGS_HELP,
  adminFlags,
  adminTransport,
  malformedAnswer,
  noPositionals,
  objectOf,
  readObject,
  textMember,
} from "../admin.ts";
import { flags, onlyPositional, printJson, UsageError, type Command } from "../command.ts";
import { paint, printable, table } from "../output.ts";

const LIST_HELP = `
affidavit jobs list [flags]

Shows background jobs, the newest first. A failed one ran out of tries, or cannot succeed: it waits for you.

  --kind KIND          prove, reexecute, settle, anchor or chain
  --state STATE        created, retry, active, completed, cancelled or failed
  --limit N            at most so many (100, up to 1000)
${ADMIN_FLAGS_HELP}
`;

const oneJobHelp = (verb: string, what: string) => `
affidavit jobs ${verb} ID [flags]

${what}

${ADMIN_FLAGS_HELP}
`;

interface Job {
  id: string;
  kind: string;
  summary: string;
  state: string;
  retries: number;
  retryLimit: number;
  code: string | null;
  createdAt: string;
  startAfter: string;
  startedAt: string | null;
  endedAt: string | null;
}

export const jobsList: Command = { summary: "lists background jobs", help: LIST_HELP, run: list };
export const jobsShow: Command = {
  summary: "shows a background job",
  help: oneJobHelp("show", "Shows a background job: its state, its tries, and why the last one failed."),
  run: (words) => one(words, "GET", ""),
};
export const jobsRetry: Command = {
  summary: "tries a failed job again",
  help: oneJobHelp("retry", "Lets a failed job try once more, or a cancelled one go on."),
  run: (words) => one(words, "POST", "/retry"),
};
export const jobsCancel: Command = {
  summary: "cancels a background job",
  help: oneJobHelp("cancel", "Cancels a background job. One that runs ends within some seconds."),
  run: (words) => one(words, "DELETE", ""),
};

async function list(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, {
    kind: { type: "string" },
    state: { type: "string" },
    limit: { type: "string" },
    ...adminFlags,
  });
  noPositionals(positionals);
  if (values.limit !== undefined && !/^[1-9][0-9]{0,3}$/.test(values.limit))
    throw new UsageError("--limit takes a number from 1 to 1000");
  const { kind, state, limit } = values;
  const query = new URLSearchParams(
    Object.entries({ kind, state, limit }).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, value]],
    ),
  );
  const transport = await adminTransport(values);
  const { jobs } = readObject(await transport.send(`/v1/jobs?${query}`, {}));
  if (!Array.isArray(jobs)) throw malformedAnswer();
  const rows = jobs.map(jobOf);
  if (values.json) printJson({ ok: true, code: "ok", jobs: rows });
  else process.stdout.write(listed(rows) + "\n");
  return 0;
}

async function one(words: string[], method: string, action: string): Promise<number> {
  const { values, positionals } = flags(words, adminFlags);
  const id = onlyPositional(positionals, "job id");
  const transport = await adminTransport(values);
  const job = jobOf(
    readObject(await transport.send(`/v1/jobs/${encodeURIComponent(id)}${action}`, { method })),
  );
  if (values.json) printJson({ ok: true, code: "ok", job });
  else process.stdout.write(shown(job));
  return 0;
}

/** The members that are shown, each of its type. */
function jobOf(value: unknown): Job {
  const row = objectOf(value);
  return {
    id: textMember(row, "id"),
    kind: textMember(row, "kind"),
    summary: textMember(row, "summary"),
    state: textMember(row, "state"),
    retries: count(row, "retries"),
    retryLimit: count(row, "retryLimit"),
    code: textOrNull(row, "code"),
    createdAt: textMember(row, "createdAt"),
    startAfter: textMember(row, "startAfter"),
    startedAt: textOrNull(row, "startedAt"),
    endedAt: textOrNull(row, "endedAt"),
  };
}

function textOrNull(row: Record<string, unknown>, name: string): string | null {
  return row[name] === null ? null : textMember(row, name);
}

function count(row: Record<string, unknown>, name: string): number {
  const value = row[name];
  if (typeof value !== "number") throw malformedAnswer();
  return value;
}

function listed(jobs: Job[]): string {
  const rows = jobs.map((job) => [
    job.id,
    job.kind,
    job.state,
    `${job.retries}/${job.retryLimit}`,
    job.code ?? "",
    job.createdAt,
  ]);
  return table([
    ["ID", "KIND", "STATE", "RETRIES", "CODE", "CREATED"],
    ...rows.map((row) => row.map((cell) => printable(cell))),
  ]);
}

function shown(job: Job): string {
  const lines = [
    `${paint("bold", printable(job.kind))} ${printable(job.id)}: ${printable(job.summary)}`,
    `  state      ${printable(job.state)}${job.code === null ? "" : ` (last failure: ${printable(job.code)})`}`,
    `  retries    ${job.retries} of ${job.retryLimit}`,
    `  created    ${printable(job.createdAt)}`,
    `  ${job.startedAt === null ? `not before ${printable(job.startAfter)}` : `started    ${printable(job.startedAt)}`}`,
    ...(job.endedAt === null ? [] : [`  ended      ${printable(job.endedAt)}`]),
  ];
  return lines.join("\n") + "\n";
}
