/** `affidavit admin log`: what administrators did, each entry verified again. */
import { isAdminSignature } from "../../../administration/index.ts";
import { BalanceError, parseOwner } from "../../../balances/client.ts";
import { CodecError, fromHex, sha256, utf8 } from "../../../codec/index.ts";
import { Administrator, ADMINISTRATOR_HELP, administratorFlags } from "../administrator.ts";
import { malformedAnswer, noPositionals, objectOf, textMember } from "../admin.ts";
import { flags, printJson, UsageError, type Command } from "../command.ts";
import { paint, printable, table } from "../output.ts";

const HELP = `
affidavit admin log [flags]

Shows what administrators did, the newest first. Each entry holds the request as its signer signed it, and is verified here;
that none is missing only the database says.

  --limit N            at most so many (100, up to 1000)
  --before INDEX       those from below this one
${ADMINISTRATOR_HELP}

Exits 1 where a signature does not hold.
`;

export const adminLog: Command = { summary: "shows what administrators did", help: HELP, run };

const MEMBERS = [
  "index",
  "at",
  "signer",
  "audience",
  "method",
  "path",
  "body",
  "nonce",
  "expiresAtMs",
  "signature",
] as const;
type Entry = Record<(typeof MEMBERS)[number], string>;

async function run(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, {
    limit: { type: "string" },
    before: { type: "string" },
    ...administratorFlags,
  });
  noPositionals(positionals);
  for (const name of ["limit", "before"] as const)
    if (values[name] !== undefined && !/^[1-9][0-9]{0,18}$/.test(values[name]))
      throw new UsageError(`--${name} takes a number from 1`);
  const { limit = "100", before } = values;
  const query = new URLSearchParams({ limit, ...(before !== undefined && { before }) });
  const administrator = await Administrator.open(values);
  const { entries } = await administrator.ask("GET", `/v1/admin/log?${query}`);
  if (!Array.isArray(entries)) throw malformedAnswer();
  const read = entries.map((value) => {
    const row = objectOf(value);
    const entry = Object.fromEntries(MEMBERS.map((name) => [name, textMember(row, name)])) as Entry;
    return { ...entry, verified: isSigned(entry) };
  });
  const sound = read.every(({ verified }) => verified);
  if (values.json) printJson({ ok: sound, code: sound ? "ok" : "admin_signature_invalid", entries: read });
  else process.stdout.write(listed(read) + "\n");
  return sound ? 0 : 1;
}

function isSigned({ signer, signature, body, nonce, expiresAtMs, audience, method, path }: Entry): boolean {
  try {
    const request = {
      audience,
      method,
      path,
      bodyDigest: sha256(utf8(body)),
      nonce: fromHex(nonce, 32),
      expiresAtMs: BigInt(/^[0-9]{1,19}$/.test(expiresAtMs) ? expiresAtMs : "0"),
    };
    return isAdminSignature({ request, signer: parseOwner(signer), signature: fromHex(signature) });
  } catch (error) {
    if (error instanceof CodecError || error instanceof BalanceError) return false;
    throw error;
  }
}

function listed(entries: (Entry & { verified: boolean })[]): string {
  const rows = entries.map(({ index, at, signer, method, path, body, verified }) => [
    index,
    at,
    verified ? paint("green", "✓ signed") : paint("red", "✗ NOT SIGNED"),
    ...[signer, `${method} ${path}`, body].map((text) => printable(text)),
  ]);
  return table([["INDEX", "AT", "SIGNATURE", "BY", "DID", "WITH"], ...rows]);
}
