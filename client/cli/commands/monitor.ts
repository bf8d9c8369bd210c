/** `affidavit monitor --url`: follows a log and raises an alarm where it breaks its rules. */
import { randomUUID } from "node:crypto";
import { open, readFile, rename } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { toHex } from "../../../codec/index.ts";
import {
  NOTE_TYPE_ED25519,
  parseAttestation,
  parseKeyset,
  parseVerifierKey,
  ReceiptError,
} from "../../../receipts/index.ts";
import { AffidavitError } from "../../errors.ts";
import {
  httpSource,
  LogAlarm,
  monitorRound,
  newState,
  stateFromJson,
  stateToJson,
  type LogSource,
  type MonitorState,
} from "../../monitor/index.ts";
import { requiredWitnesses } from "../../steps/witnesses.ts";
import { flags, printJson, UsageError, type Command } from "../command.ts";
import { DEFAULT_URL } from "../credentials.ts";
import { paint, printable } from "../output.ts";
import { witnessesFrom } from "../policy-flags.ts";

const HELP = `
affidavit monitor --url URL [flags]

Reads every leaf of a log, derives each signed root from them, and raises an alarm on a fork, a rollback, tiles that are
not of the leaves, a bad leaf, a keyset that was used before it was logged, or a list of revocations that is not the log's.

  --url URL               the service (${DEFAULT_URL})
  --log-key KEY           the log's verifier key (origin+id+base64); without it the key of the first keyset seen is kept
  --state FILE            what was seen is kept here, so that a changed past is noticed after a restart too
  --once                  one look at the log instead of following it
  --interval SECONDS      between two looks (10)
  --witness KEY           verifier key of a log witness that counts; may be given again
  --require-witnesses K   an alarm where fewer of them cosigned the newest checkpoint (all of them)
  --json                  a line of JSON for each look and for an alarm

Exits 1 with an alarm. A service that cannot be reached is no alarm: it is asked again, with --once it exits 1 too.
`;

export const monitor: Command = {
  summary: "follows a log and tells when it breaks its rules",
  help: HELP,
  run,
};

async function run(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, {
    url: { type: "string" },
    "log-key": { type: "string" },
    state: { type: "string" },
    once: { type: "boolean" },
    interval: { type: "string" },
    witness: { type: "string", multiple: true },
    "require-witnesses": { type: "string" },
    json: { type: "boolean" },
  });
  if (positionals.length > 0) throw new UsageError("monitor takes flags only");
  const url = values.url ?? DEFAULT_URL;
  const source = httpSource(url);
  const intervalMs = 1000 * readInterval(values.interval);
  const witnesses = requiredWitnesses(witnessesFrom(values).witnesses);
  const json = values.json ?? false;
  let state = await firstState(source, values.state, values["log-key"]);
  for (;;) {
    try {
      const round = await monitorRound(source, state, { witnesses });
      state = round.state;
      if (values.state) await save(values.state, state);
      tell(json, { ok: true, origin: state.log.name, size: round.size, added: round.added });
    } catch (error) {
      if (error instanceof LogAlarm) return alarm(error, json);
      if (!(error instanceof AffidavitError) || values.once) throw error;
      process.stderr.write(`affidavit: ${error.message} [${error.code}], trying again\n`);
    }
    if (values.once) return 0;
    await sleep(intervalMs);
  }
}

function readInterval(given = "10"): number {
  if (!/^[0-9]{1,5}$/.test(given) || Number(given) < 1)
    throw new UsageError("--interval takes 1 to 99999 seconds");
  return Number(given);
}

async function firstState(
  source: LogSource,
  file: string | undefined,
  key: string | undefined,
): Promise<MonitorState> {
  const kept = file === undefined ? undefined : await readState(file);
  const wanted = key === undefined ? undefined : readKey(key);
  if (kept) {
    const other =
      wanted && (wanted.name !== kept.log.name || toHex(wanted.publicKey) !== toHex(kept.log.publicKey));
    if (other) throw new UsageError("the state is of another log than --log-key");
    return kept;
  }
  if (wanted) return newState(wanted);
  const { origin, publicKey } = await logOf(source);
  return newState({ name: origin, publicKey });
}

async function logOf(source: LogSource): Promise<{ origin: string; publicKey: Uint8Array }> {
  try {
    return parseKeyset(parseAttestation(await source.attestation()).keyset).log;
  } catch (cause) {
    if (!(cause instanceof ReceiptError)) throw cause;
    throw new AffidavitError("server_response_invalid", "the service's attestation is malformed", { cause });
  }
}

function readKey(text: string): { name: string; publicKey: Uint8Array } {
  try {
    return parseVerifierKey(text, NOTE_TYPE_ED25519);
  } catch (error) {
    if (error instanceof ReceiptError) throw new UsageError(`--log-key: ${error.message}`);
    throw error;
  }
}

/** No file is a new monitor; a damaged one stops it, because it once knew something. */
async function readState(file: string): Promise<MonitorState | undefined> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new UsageError(`cannot read ${file}: ${(error as Error).message}`, "file_unreadable");
  }
  try {
    return stateFromJson(text);
  } catch (error) {
    throw new UsageError(`${file}: ${(error as Error).message}`, "file_unreadable");
  }
}

async function save(file: string, state: MonitorState): Promise<void> {
  const temporary = `${file}.${randomUUID()}.new`;
  const handle = await open(temporary, "wx", 0o600);
  try {
    await handle.writeFile(stateToJson(state));
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, file);
}

function tell(json: boolean, round: { ok: true; origin: string; size: bigint; added: bigint }): void {
  if (json) printJson(round);
  else process.stdout.write(`${round.origin}: ${round.size} leaves, ${round.added} new, all in order\n`);
}

function alarm({ code, message, leafIndex, evidence }: LogAlarm, json: boolean): number {
  if (json) printJson({ ok: false, code, message, ...(leafIndex !== undefined && { leafIndex }), evidence });
  else {
    process.stdout.write(`${paint("red", "✗ ALARM")}  ${printable(message)} [${code}]\n`);
    for (const note of evidence)
      process.stdout.write(
        `\n${note
          .split("\n")
          .map((line) => printable(line))
          .join("\n")}`,
      );
  }
  return 1;
}
