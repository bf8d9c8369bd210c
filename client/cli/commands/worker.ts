/** `affidavit worker --kind KIND`: works on a service's background jobs in a process of its own. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { constants } from "node:os";
import { fileURLToPath } from "node:url";
import { flags, printJson, UsageError, type Command } from "../command.ts";
import { noPositionals } from "../admin.ts";

const KINDS = ["prove", "reexecute", "settle"];

const HELP = `
affidavit worker --kind KIND [flags]

Works on background jobs of the service whose database DATABASE_URL names, until it is told to stop. It is the service's
own program without HTTP and takes the same settings (AFFIDAVIT_PROVERS says how many proofs at once): it starts a vault
of its own, whose keyset is attested and logged, and signs what it finds under that. Its vault must hold the service's
cluster keys, in AFFIDAVIT_VAULT_DIR: without them the payloads stay sealed to it and it does not start.

  --kind KIND          prove, reexecute, or settle (entries of encrypted balances); repeat it for several
  --json               one line for machines, once it works
`;

export const worker: Command = { summary: "works on a service's background jobs", help: HELP, run };

async function run(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, {
    kind: { type: "string", multiple: true },
    json: { type: "boolean" },
  });
  noPositionals(positionals);
  const kinds = values.kind ?? [];
  if (kinds.length === 0 || !kinds.every((kind) => KINDS.includes(kind)))
    throw new UsageError(`give --kind, one of ${KINDS.join(", ")}`);
  if (!process.env["DATABASE_URL"])
    throw new UsageError("set DATABASE_URL to the database of the service whose jobs these are");
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const main = fileURLToPath(new URL(`../../../service/main.${extension}`, import.meta.url));
  if (!existsSync(main)) throw new UsageError("a worker needs the service, which this installation lacks");
  return await work(main, [...new Set(kinds)], values.json ?? false);
}

/** The service's own exit status: 0 where it was told to stop. */
async function work(main: string, kinds: string[], json: boolean): Promise<number> {
  const child = spawn(process.execPath, [main, "--worker", kinds.join(",")], {
    stdio: ["ignore", json ? "pipe" : "inherit", "inherit"],
  });
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    if (text.includes("Working on")) printJson({ ok: true, code: "ok", kinds });
  });
  const forward = (signal: NodeJS.Signals) => void child.kill(signal);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, forward);
  return await new Promise((done) => {
    child.once("error", () => done(3));
    child.once("exit", (code, signal) => done(code ?? 128 + (signal ? constants.signals[signal] : 0)));
  });
}
