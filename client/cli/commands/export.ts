/** `affidavit export`: the account's receipts of a span of time, with all that checks them, as one archive. */
import { writeFile } from "node:fs/promises";
import { exportAudit } from "../../audit/index.ts";
import { flags, printJson, UsageError, type Command } from "../command.ts";
import { apiKeyFor, DEFAULT_URL } from "../credentials.ts";
import { parseTime } from "../now.ts";

const HELP = `
affidavit export --out bundle.tar [flags]

Writes your receipts of a span of time into an archive, with evidence, endorsements, keysets, policies, proofs, log heads and
revocations: "affidavit verify bundle.tar" checks it with no network, years later. Salts and bodies are not in it.

  --from TIME             the first moment, Unix seconds or ISO 8601 (the beginning)
  --to TIME               the moment after the last (now)
  --out FILE              must not exist yet
  --url URL               the service (AFFIDAVIT_URL, else ${DEFAULT_URL})
  --key KEY               an API key (AFFIDAVIT_API_KEY, else the file that npm start wrote)
  --json                  one line for machines
`;

export const exportCommand: Command = {
  summary: "writes receipts and their proofs into an archive",
  help: HELP,
  run,
};

async function run(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, {
    from: { type: "string" },
    to: { type: "string" },
    out: { type: "string" },
    url: { type: "string" },
    key: { type: "string" },
    json: { type: "boolean" },
  });
  if (positionals.length > 0 || values.out === undefined)
    throw new UsageError("export takes flags, and --out FILE");
  const url = values.url ?? (process.env["AFFIDAVIT_URL"] || DEFAULT_URL);
  const { archive, receipts } = await exportAudit({
    url,
    apiKey: await apiKeyFor(url, values.key),
    fromMs: values.from === undefined ? undefined : parseTime(values.from).getTime(),
    toMs: values.to === undefined ? undefined : parseTime(values.to).getTime(),
    nowMs: Date.now(),
  });
  try {
    await writeFile(values.out, archive, { flag: "wx", mode: 0o600 });
  } catch (error) {
    throw new UsageError(`cannot write ${values.out}: ${(error as Error).message}`, "file_unreadable");
  }
  if (values.json) printJson({ ok: true, out: values.out, receipts, bytes: archive.length });
  else process.stdout.write(`${values.out}: ${receipts} receipts, ${archive.length} bytes\n`);
  return 0;
}
