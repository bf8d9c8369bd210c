/** `affidavit ledger audit`: computes an account's chain again from its published ciphertexts, offline. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import {
  auditAccount,
  BalanceError,
  loadAddon,
  MAX_DOCUMENT_LENGTH,
  openEvaluator,
  parseEntries,
  parseOwner,
  verifyLoggedEntry,
  type AuditedEntry,
  type FhePublicKeys,
  type LedgerEntry,
  type LedgerSource,
  type LoggedEntry,
  type OpenedOfEntry,
} from "../../../balances/index.ts";
import { equal, fromHex, fromUtf8, sha256, toHex, toHex0x } from "../../../codec/index.ts";
import { NOTE_TYPE_ED25519, parseVerifierKey, ReceiptError, type NoteKey } from "../../../receipts/index.ts";
import {
  flags,
  onlyPositional,
  printJson,
  readInput,
  RefusedError,
  UsageError,
  type Command,
} from "../command.ts";
import { cacheDirectory } from "../ledger-action.ts";
import { paint, printable } from "../output.ts";

const MAX_KEY_BYTES = 128 * 1024 * 1024;
const MAX_BLOB_BYTES = 1024 * 1024;
const MAX_THREADS = 64;

const HELP = `
affidavit ledger audit FOLDER --account ID --operator OWNER --log-key KEY [flags]

Computes every entry of an account again from the ciphertexts of FOLDER and compares, with no network and no secret. FOLDER holds
entries.json, blobs/<sha256>, and keys/evaluation-key, keys/public-key, keys/crs, as the service publishes them.

  --account ID            0x and 64 hex digits
  --operator OWNER        whose vouchers and freezes count: secp256k1:0x<address> or ed25519:0x<public key>
  --log-key KEY           the log's verifier key (origin+id+base64)
  --threads N             as the entries' execution record says (2)
  --checked               believes the vault where this machine cannot compare: entries that it was asked to check
                          ("affidavit ledger account check", then export again)
  --json                  one line for machines

Each entry takes seconds. Exits 0 where all agree; 1 where one disagrees, the chain is broken, or one is incomparable: computed on
another kind of processor, version or number of threads than this machine's, which shows neither. One of these that the vault says
adds up is "checked"; one that it says does not, disagrees. What evidence vouches for the
keysets under which entries were signed is not checked here: give their receipts to "affidavit verify".
`;

export const ledgerAudit: Command = {
  summary: "computes an account's encrypted balance again",
  help: HELP,
  run,
};

async function run(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, {
    account: { type: "string" },
    operator: { type: "string" },
    "log-key": { type: "string" },
    threads: { type: "string" },
    checked: { type: "boolean" },
    json: { type: "boolean" },
  });
  const folder = onlyPositional(positionals, "folder");
  const account = readAccount(values.account);
  const operator = usable(() => parseOwner(values.operator ?? ""), "--operator");
  const key = usable(() => parseVerifierKey(values["log-key"] ?? "", NOTE_TYPE_ED25519), "--log-key");
  const threads = readThreads(values.threads);
  const text = fromUtf8(await readInput(join(folder, "entries.json"), MAX_DOCUMENT_LENGTH));
  const entries = await refusing(() => parseEntries(text));
  const keys = await readKeys(folder);
  const keyDigests = [keys.evaluationKey, keys.publicKey, keys.crs].map((bytes) => sha256(bytes));
  const audit = await refusing(async () => {
    const openings = checkEntries(entries, key, keyDigests);
    const opened = (entry: LedgerEntry): OpenedOfEntry => openings.get(entry) ?? {};
    const evaluator = await openEvaluator(loadAddon(cacheDirectory()), keys, { threads, niceness: 0 });
    const context = { operator, serverKeyDigest: evaluator.serverKeyDigest };
    const source = sourceOf(folder, entries, account);
    return auditAccount(source, account, { context, evaluator, opened, onEntry: tell });
  });
  const { verdict, state } = audit;
  const ok = verdict === "agrees" || (verdict === "checked" && values.checked === true);
  const summary = {
    account: toHex0x(account),
    sequence: state.sequence,
    balance: toHex0x(state.balanceDigest),
  };
  if (values.json)
    printJson({
      ok,
      code: verdict,
      attestation: "unchecked",
      ...summary,
      entries: audit.entries.map(plain),
    });
  else
    process.stdout.write(
      `${verdict}: ${state.sequence} entries of ${summary.account}, balance ${summary.balance}; keysets: logged, their attestation unchecked\n`,
    );
  return ok ? 0 : 1;
}

function usable<T>(read: () => T, flag: string): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof BalanceError || error instanceof ReceiptError)
      throw new UsageError(`${flag}: ${error.message}`);
    throw error;
  }
}

function readAccount(text = ""): Uint8Array {
  if (!/^0x[0-9a-f]{64}$/.test(text)) throw new UsageError("--account takes 0x and 64 lower-case hex digits");
  return fromHex(text);
}

function readThreads(text = "2"): number {
  const threads = Number(text);
  if (!/^[0-9]{1,2}$/.test(text) || threads < 1 || threads > MAX_THREADS)
    throw new UsageError(`--threads takes 1 to ${MAX_THREADS}`);
  return threads;
}

/** What balances, statements and proofs refuse is a no. */
async function refusing<T>(work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof BalanceError || cause instanceof ReceiptError)
      throw new RefusedError(cause.code, cause.message, { cause });
    throw cause;
  }
}

/** Each under the one log, and under keys that its keyset names and the folder holds. @returns what was opened of each */
function checkEntries(
  entries: readonly LoggedEntry[],
  key: NoteKey,
  keyDigests: readonly Uint8Array[],
): Map<LedgerEntry, OpenedOfEntry> {
  const openings = new Map<LedgerEntry, OpenedOfEntry>();
  for (const entry of entries) {
    const { keyset, opened } = verifyLoggedEntry(entry, key);
    const { fhePublicKeyDigests } = keyset;
    openings.set(entry.entry, opened);
    if (!keyDigests.every((digest, i) => equal(digest, fhePublicKeyDigests[i] ?? new Uint8Array())))
      throw new BalanceError(
        "server_key_mismatch",
        "the folder's keys are not the ones that the keyset names",
      );
  }
  return openings;
}

async function readKeys(folder: string): Promise<FhePublicKeys> {
  const read = (name: string) => readInput(join(folder, "keys", name), MAX_KEY_BYTES);
  return {
    evaluationKey: await read("evaluation-key"),
    publicKey: await read("public-key"),
    crs: await read("crs"),
  };
}

function sourceOf(folder: string, published: readonly LoggedEntry[], account: Uint8Array): LedgerSource {
  return {
    async *entries() {
      yield* published.filter(({ entry }) => equal(entry.account, account));
    },
    async blob(digest) {
      const path = join(folder, "blobs", toHex(digest));
      return existsSync(path) ? readInput(path, MAX_BLOB_BYTES) : undefined;
    },
  };
}

const COLOURS = {
  agrees: "green",
  given: "dim",
  checked: "green",
  incomparable: "yellow",
  disagrees: "red",
} as const;

function tell({ sequence, operation, verdict, code, executionText }: AuditedEntry): void {
  const why = code ?? (executionText === undefined ? "" : `computed with ${printable(executionText, 600)}`);
  const place = `${String(sequence).padStart(6)}  ${operation.padEnd(13)}`;
  process.stderr.write(`${place} ${paint(COLOURS[verdict], verdict)} ${why}`.trimEnd() + "\n");
}

function plain({ recomputedDigest, ...entry }: AuditedEntry): object {
  return { ...entry, ...(recomputedDigest && { recomputedDigest: toHex0x(recomputedDigest) }) };
}
