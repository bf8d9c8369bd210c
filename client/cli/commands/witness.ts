/** `affidavit witness serve`: runs a log witness. */
import { parseVerifierKey, NOTE_TYPE_ED25519, ReceiptError, type NoteKey } from "../../../receipts/index.ts";
import { openWitnessKey, startWitness, WitnessError, type WitnessKey } from "../../witness/index.ts";
import { flags, printJson, UsageError, type Command } from "../command.ts";

const HELP = `
affidavit witness serve --key-file FILE --origin-vkey KEY --state DIR [flags]

Cosigns the checkpoints of the named logs, each only where it extends the last one cosigned (c2sp.org/tlog-witness).
Prints the witness's verifier key: those who are to believe it need that.

  --key-file FILE         the witness's key; made at the first start, mode 0600
  --name NAME             the witness's name in a new key, such as witness.example/w1 (localhost/witness)
  --origin-vkey KEY       verifier key of a log to follow; may be given again
  --state DIR             what was cosigned last is kept here: never lose it, never share it
  --host ADDRESS          address to listen on (127.0.0.1)
  --port PORT             port to listen on (8081); 0 takes a free one
  --json                  lines of JSON: one for the start, then one for each checkpoint

Stops at SIGINT or SIGTERM. Exits 2 where its key or state cannot be used.
`;

export const witnessServe: Command = { summary: "runs a log witness", help: HELP, run };

async function run(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, {
    "key-file": { type: "string" },
    name: { type: "string" },
    "origin-vkey": { type: "string", multiple: true },
    state: { type: "string" },
    host: { type: "string" },
    port: { type: "string" },
    json: { type: "boolean" },
  });
  const { "key-file": keyFile, state, "origin-vkey": origins = [] } = values;
  if (positionals.length > 0 || keyFile === undefined || state === undefined || origins.length === 0)
    throw new UsageError("witness serve needs --key-file, --origin-vkey and --state");
  const logs = origins.map(readLog);
  if (new Set(logs.map(({ name }) => name)).size !== logs.length)
    throw new UsageError("two --origin-vkey have one origin");
  const json = values.json ?? false;
  const running = await startOrRefuse(async () =>
    startWitness({
      key: await openKey(keyFile, values.name ?? "localhost/witness"),
      logs,
      stateDirectory: state,
      host: values.host ?? "127.0.0.1",
      port: readPort(values.port),
      onEvent(event) {
        if (json) printJson({ ok: event.kind === "cosigned", ...event });
        else if (event.kind !== "cosigned")
          process.stderr.write(`${event.kind}: ${event.status} ${event.reason ?? ""}\n`);
      },
    }),
  );
  const { url, verifierKey } = running;
  if (json) printJson({ ok: true, url, verifierKey });
  else process.stdout.write(`Listening on ${url}\nVerifier key: ${verifierKey}\n`);
  await new Promise<void>((stop) => {
    process.once("SIGINT", stop);
    process.once("SIGTERM", stop);
  });
  await running.close();
  return 0;
}

function readLog(text: string): NoteKey {
  try {
    return parseVerifierKey(text, NOTE_TYPE_ED25519);
  } catch (error) {
    if (error instanceof ReceiptError) throw new UsageError(`--origin-vkey: ${error.message}`);
    throw error;
  }
}

function readPort(given = "8081"): number {
  if (!/^[0-9]{1,5}$/.test(given) || Number(given) > 65_535) throw new UsageError("--port takes 0 to 65535");
  return Number(given);
}

async function openKey(file: string, name: string): Promise<WitnessKey> {
  try {
    return await openWitnessKey(file, name);
  } catch (error) {
    if (error instanceof ReceiptError) throw new UsageError(`--name: ${error.message}`);
    throw error;
  }
}

async function startOrRefuse<T>(start: () => Promise<T>): Promise<T> {
  try {
    return await start();
  } catch (error) {
    if (error instanceof WitnessError) throw new UsageError(error.message, "file_unreadable");
    throw error;
  }
}
