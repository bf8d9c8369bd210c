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
affidavit worker --kind prove --service URL [flags]

Works on background jobs of the service whose database DATABASE_URL names, until it is told to stop. It is the service's
own program without HTTP and takes the same settings (AFFIDAVIT_PROVERS says how many proofs at once): it starts a vault
of its own, whose keyset is attested and logged, and signs what it finds under that. Its vault must hold the service's
cluster keys, in AFFIDAVIT_VAULT_DIR: without them the payloads stay sealed to it and it does not start.

With --service it proves for a service elsewhere, by HTTP, with no database and none of the service's keys. It shows evidence of the
TEE that it runs in (AFFIDAVIT_ATTESTATION), which the service's vault appraises under AFFIDAVIT_WORKER_POLICY; then each job's key
is sealed to it. With --unattested it shows none, and sees inputs alone that their callers called public. It needs the service's circuits
(AFFIDAVIT_CIRCUITS_DIR) and a key with the scope worker.

  --service URL        the service's address: https, or http on this machine
  --key KEY            its API key (AFFIDAVIT_API_KEY)
  --unattested         shows no evidence
  --kind KIND          prove, reexecute, or settle (entries of encrypted balances); repeat it for several
  --json               one line for machines, once it works
`;

export const worker: Command = { summary: "works on a service's background jobs", help: HELP, run };

async function run(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, {
    kind: { type: "string", multiple: true },
    service: { type: "string" },
    key: { type: "string" },
    unattested: { type: "boolean" },
    json: { type: "boolean" },
  });
  noPositionals(positionals);
  const kinds = values.kind ?? [];
  if (kinds.length === 0 || !kinds.every((kind) => KINDS.includes(kind)))
    throw new UsageError(`give --kind, one of ${KINDS.join(", ")}`);
  const asked = [...new Set(kinds)];
  const json = values.json ?? false;
  if (values.service !== undefined) return await workElsewhere(asked, values.service, values, json);
  if (values.unattested || values.key !== undefined)
    throw new UsageError("--unattested and --key go with --service");
  if (!process.env["DATABASE_URL"])
    throw new UsageError(
      "set DATABASE_URL to the database of the service whose jobs these are, or --service to its address",
    );
  return await work(programOf("service/main"), ["--worker", asked.join(",")], asked, { json });
}

async function workElsewhere(
  kinds: string[],
  service: string,
  { key, unattested }: { key?: string; unattested?: boolean },
  json: boolean,
): Promise<number> {
  if (kinds.length !== 1 || kinds[0] !== "prove")
    throw new UsageError("a worker elsewhere proves and does nothing else: --kind prove");
  const apiKey = key ?? process.env["AFFIDAVIT_API_KEY"];
  if (!apiKey) throw new UsageError("give an API key with the scope worker: --key, or AFFIDAVIT_API_KEY");
  // Not on the command line, which every process may read.
  const environment = { ...process.env, AFFIDAVIT_URL: service, AFFIDAVIT_API_KEY: apiKey };
  const words = unattested ? ["--unattested"] : [];
  return await work(programOf("service/remote-worker/main"), words, kinds, { json, environment });
}

/** @throws UsageError */
function programOf(name: string): string {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const main = fileURLToPath(new URL(`../../../${name}.${extension}`, import.meta.url));
  if (!existsSync(main)) throw new UsageError("a worker needs the service, which this installation lacks");
  return main;
}

/** The program's own exit status: 0 where it was told to stop. */
async function work(
  main: string,
  words: string[],
  kinds: string[],
  { json, environment }: { json: boolean; environment?: NodeJS.ProcessEnv },
): Promise<number> {
  const child = spawn(process.execPath, [main, ...words], {
    // By the channel it learns that this process is gone.
    stdio: ["ignore", json ? "pipe" : "inherit", "inherit", "ipc"],
    ...(environment && { env: environment }),
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
