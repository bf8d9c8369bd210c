/** `affidavit worker --kind KIND`: works on a service's background jobs in a process of its own. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { constants } from "node:os";
import { fileURLToPath } from "node:url";
import { flags, printJson, UsageError, type Command } from "../command.ts";
import { noPositionals } from "../admin.ts";

const KINDS = ["prove", "reexecute"];
/** `affidavit worker`: a service without HTTP that works on the queue of a shared database. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { noPositionals } from "../admin.ts";
import { flags, printJson, UsageError, type Command } from "../command.ts";

const KINDS = ["settle"];

const HELP = `
affidavit worker --kind KIND [flags]

Works on background jobs of the service whose database DATABASE_URL names, until it is told to stop. It is the service's
own program without HTTP and takes the same settings (AFFIDAVIT_PROVERS says how many proofs at once): it starts a vault
of its own, whose keyset is attested and logged, and signs what it finds under that. Its vault must hold the service's
cluster keys, in AFFIDAVIT_VAULT_DIR: without them the payloads stay sealed to it and it does not start.

  --kind KIND          prove or reexecute; repeat it for both
  --json               one line for machines, once it works
Works on background jobs of a service's database until it is stopped, beside the service and other workers. It is the service
without HTTP: it takes the same settings from the environment, needs DATABASE_URL, and has a vault of its own, whose key directory
(AFFIDAVIT_VAULT_DIR) holds a copy of the cluster's keys (docs/operate/balances.md).

  --kind KIND          settle: entries of encrypted balances
  --json               one line for machines when it has ended
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
  const { values, positionals } = flags(words, { kind: { type: "string" }, json: { type: "boolean" } });
  noPositionals(positionals);
  if (!values.kind || !KINDS.includes(values.kind)) throw new UsageError(`--kind takes ${KINDS.join(", ")}`);
  const service = fileURLToPath(new URL("../../../bin/affidavit-service.js", import.meta.url));
  if (!existsSync(service)) throw new UsageError("this installation has no service", "file_unreadable");
  const child = spawn(process.execPath, [service, "--worker", values.kind], {
    stdio: ["ignore", values.json ? "ignore" : "inherit", "inherit"],
  });
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill(signal));
  const status = await new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => resolve(code ?? 3));
  });
  if (values.json) printJson({ ok: status === 0, code: status === 0 ? "ok" : "worker_failed" });
  return status;
}
