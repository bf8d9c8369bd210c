/** `affidavit sealing-keys list | rotate`: what requests are sealed to, for a service's operator. */
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
import type { Answer } from "../../transport.ts";
import { flags, printJson, type Command } from "../command.ts";
import { printable, table } from "../output.ts";

const LIST_HELP = `
affidavit sealing-keys list [flags]

Shows the HPKE keys that open sealed requests now, the newest first. Callers take theirs from the attested keyset; this tells
when each was made and when it ends.

${ADMIN_FLAGS_HELP}
`;
const ROTATE_HELP = `
affidavit sealing-keys rotate [--end-older] [flags]

Makes another HPKE key, and returns when it is attested, logged and listed first. The keys before it open requests until their
overlap ends (AFFIDAVIT_SEALING_OVERLAP_MS); then they are erased, and nobody opens what was recorded under them.

  --end-older          all older keys end now: where one may have become known. Callers who sealed to one get the keys again
${ADMIN_FLAGS_HELP}
`;

interface Key {
  epoch: number;
  publicKey: string;
  madeAt: string;
  endsAt: string | null;
}

const PATH = "/v1/sealing-keys";

export const sealingKeysList: Command = {
  summary: "lists the keys that requests are sealed to",
  help: LIST_HELP,
  async run(words) {
    const { values, positionals } = flags(words, adminFlags);
    noPositionals(positionals);
    const transport = await adminTransport(values);
    return show(values, await transport.send(PATH, {}));
  },
};

export const sealingKeysRotate: Command = {
  summary: "makes another key that requests are sealed to",
  help: ROTATE_HELP,
  async run(words) {
    const { values, positionals } = flags(words, { "end-older": { type: "boolean" }, ...adminFlags });
    noPositionals(positionals);
    const transport = await adminTransport(values);
    const body = new TextEncoder().encode(JSON.stringify({ endOlder: values["end-older"] === true }));
    const headers = { "Content-Type": "application/json" };
    return show(values, await transport.send(PATH, { method: "POST", headers, body }));
  },
};

function show(values: { json?: boolean }, answer: Answer): number {
  const { keys } = readObject(answer);
  if (!Array.isArray(keys)) throw malformedAnswer();
  const rows = keys.map(keyOf);
  if (values.json) printJson({ ok: true, code: "ok", keys: rows });
  else process.stdout.write(listed(rows) + "\n");
  return 0;
}

function keyOf(value: unknown): Key {
  const row = objectOf(value);
  if (!Number.isSafeInteger(row["epoch"])) throw malformedAnswer();
  return {
    epoch: row["epoch"] as number,
    publicKey: textMember(row, "publicKey"),
    madeAt: textMember(row, "madeAt"),
    endsAt: row["endsAt"] === null ? null : textMember(row, "endsAt"),
  };
}

function listed(keys: Key[]): string {
  const rows = keys.map((key) => [String(key.epoch), key.publicKey, key.madeAt, key.endsAt ?? "newest"]);
  return table([
    ["EPOCH", "PUBLIC KEY", "MADE", "ENDS"],
    ...rows.map((row) => row.map((cell) => printable(cell))),
  ]);
}
