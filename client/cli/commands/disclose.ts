/** `affidavit disclose RECEIPT --field input`: opens one field of a receipt to one auditor. */
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { fromUtf8 } from "../../../codec/index.ts";
import { parseBundle, parsePrivatePart } from "../../../receipts/index.ts";
import { disclose, DISCLOSED_FIELDS, serializeDisclosure } from "../../audit/index.ts";
import { flags, onlyPositional, printJson, readInput, UsageError, type Command } from "../command.ts";
import { readingFiles } from "../reading.ts";

const MAX_RECEIPT_BYTES = 4 * 1024 * 1024;
const MAX_PRIVATE_BYTES = 192 * 1024 * 1024;

const HELP = `
affidavit disclose RECEIPT --field FIELD [flags]

Takes one field out of RECEIPT.private: its own salt and its value, which prove it against the statement and open nothing
else. Give the result with the receipt to an auditor: "affidavit verify RECEIPT --disclosure FILE".

  --field FIELD           ${DISCLOSED_FIELDS.join(", ")}
  --private FILE          salt and bodies from elsewhere
  --out FILE              instead of RECEIPT.FIELD.disclosure; must not exist yet
  --json                  one line for machines
`;

export const discloseCommand: Command = {
  summary: "opens one field of a receipt to an auditor",
  help: HELP,
  run,
};

async function run(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, {
    field: { type: "string" },
    private: { type: "string" },
    out: { type: "string" },
    json: { type: "boolean" },
  });
  const path = onlyPositional(positionals, "receipt");
  const field = DISCLOSED_FIELDS.find((name) => name === values.field);
  if (field === undefined) throw new UsageError(`--field takes one of ${DISCLOSED_FIELDS.join(", ")}`);
  const privatePath = values.private ?? `${path}.private`;
  if (!existsSync(privatePath)) throw new UsageError(`there is no ${privatePath}`, "file_unreadable");
  const receiptText = fromUtf8(await readInput(path, MAX_RECEIPT_BYTES));
  const privateText = fromUtf8(await readInput(privatePath, MAX_PRIVATE_BYTES));
  const disclosure = readingFiles(() =>
    disclose(parseBundle(receiptText), parsePrivatePart(privateText), field),
  );
  const out = values.out ?? `${path}.${field}.disclosure`;
  try {
    await writeFile(out, serializeDisclosure(disclosure), { flag: "wx", mode: 0o600 });
  } catch (error) {
    throw new UsageError(`cannot write ${out}: ${(error as Error).message}`, "file_unreadable");
  }
  const { receiptId } = disclosure;
  if (values.json) printJson({ ok: true, out, receiptId, field, bytes: disclosure.value.length });
  else process.stdout.write(`${out}: the ${field} of ${receiptId}, and nothing else of it\n`);
  return 0;
}
