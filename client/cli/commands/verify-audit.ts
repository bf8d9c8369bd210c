/** `affidavit verify bundle.tar` and `affidavit verify RECEIPT --disclosure FILE`; every other receipt is `verify`'s. */
import { CodecError, fromUtf8 } from "../../../codec/index.ts";
import { parseBundle, parseCanonicalTensors, ReceiptError } from "../../../receipts/index.ts";
import {
  AuditError,
  opens,
  parseDisclosure,
  verifyAudit,
  type Audit,
  type Disclosure,
} from "../../audit/index.ts";
import type { ClientPolicy } from "../../policy.ts";
import { verifyReceipt } from "../../verify.ts";
import { flags, onlyPositional, printJson, readInput, type Command } from "../command.ts";
import { parseNow } from "../now.ts";
import { paint, printable, table } from "../output.ts";
import { policyFlags, policyFrom } from "../policy-flags.ts";
import { readingFiles } from "../reading.ts";

const MAX_ARCHIVE_BYTES = 1024 * 1024 * 1024;
const MAX_RECEIPT_BYTES = 4 * 1024 * 1024;
const MAX_DISCLOSURE_BYTES = 96 * 1024 * 1024;

const HELP = `
affidavit verify bundle.tar [flags]
  An audit bundle, offline: every receipt by the times in it, and that all its log heads are of one log.

affidavit verify RECEIPT --disclosure FILE [flags]
  A receipt, and that FILE opens one field of it; "affidavit disclose" makes it.
`;

/** `verify` with these two forms of it. */
export function withAudits(verify: Command): Command {
  const run = async (words: string[]): Promise<number> => {
    if (words.some((word) => word === "--disclosure" || word.startsWith("--disclosure=")))
      return await runDisclosure(words);
    return words.some((word) => word.endsWith(".tar")) ? await runAudit(words) : await verify.run(words);
  };
  return { summary: verify.summary, help: `${verify.help.trimEnd()}\n${HELP}`, run };
}

const common = { now: { type: "string" }, json: { type: "boolean" }, ...policyFlags } as const;

async function runAudit(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, common);
  const path = onlyPositional(positionals, "archive");
  const options = { now: parseNow(values.now), policy: await policyFrom(values) };
  const bytes = await readInput(path, MAX_ARCHIVE_BYTES);
  const audit = rejecting(() => verifyAudit(bytes, options));
  if (values.json) printJson({ ok: audit.verdict === "accepted", ...audit });
  else process.stdout.write(asText(path, audit));
  return audit.verdict === "accepted" ? 0 : 1;
}

type Refusal = { verdict: "rejected"; code: string; message: string };

/** What cannot be parsed is a rejected bundle, not an unreadable file. */
function rejecting(verify: () => Audit): Audit | Refusal {
  try {
    return verify();
  } catch (error) {
    if (!(error instanceof AuditError)) throw error;
    return { verdict: "rejected", code: error.code, message: error.message };
  }
}

function asText(path: string, audit: Audit | Refusal): string {
  if (!("receipts" in audit))
    return `${paint("red", "✗ rejected")}  ${path}: ${audit.message} [${audit.code}]\n`;
  const { receipts, checkpoints, log, simulated } = audit;
  const refused = receipts.filter(({ verdict }) => verdict === "rejected");
  const rows = audit.claims.map(({ claim, status, source, receipts: count }) => [
    `  ${claim}`,
    status,
    source,
    `${count}`,
  ]);
  const verdict =
    audit.verdict === "rejected"
      ? paint("red", "✗ rejected")
      : simulated
        ? paint("yellow", "○ accepted, SIMULATED")
        : paint("green", "✓ accepted");
  const lines = [
    `${verdict}  ${path}: ${receipts.length} receipts, ${refused.length} refused`,
    `  ${checkpoints} log heads of ${printable(log.origin)}, all of one log of ${log.size} leaves`,
    ...refused
      .slice(0, 20)
      .map(({ receiptId, code, message }) => `  ✗ ${receiptId}: ${printable(message)} [${code}]`),
    ...(rows.length > 0 ? ["", table([["  claim", "status", "source", "receipts"], ...rows])] : []),
  ];
  return `${lines.join("\n")}\n`;
}

async function runDisclosure(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, { ...common, disclosure: { type: "string" } });
  const path = onlyPositional(positionals, "receipt");
  const policy: ClientPolicy = await policyFrom(values);
  const receiptText = await readInput(path, MAX_RECEIPT_BYTES);
  const disclosureText = await readInput(values.disclosure ?? "", MAX_DISCLOSURE_BYTES);
  const { bundle, disclosure } = readingFiles(() => ({
    bundle: parseBundle(fromUtf8(receiptText)),
    disclosure: parseDisclosure(fromUtf8(disclosureText)),
  }));
  const verification = verifyReceipt(bundle, { now: parseNow(values.now), policy });
  const isOpened = opens(disclosure, bundle);
  const ok = verification.verdict === "accepted" && isOpened;
  const code =
    verification.verdict === "rejected" ? verification.code : isOpened ? "ok" : "disclosure_mismatch";
  const { field, receiptId, value } = disclosure;
  if (values.json)
    printJson({ ok, code, receiptId, field, bytes: value.length, simulated: verification.simulated });
  else {
    const why =
      verification.verdict === "rejected" ? verification.message : `this is not the ${field} of the receipt`;
    const shown = ok ? `the ${field}: ${describe(disclosure)}` : why;
    const simulated = verification.simulated ? ", SIMULATED" : "";
    process.stdout.write(
      `${ok ? paint("green", `✓ disclosed${simulated}`) : paint("red", "✗ rejected")}  ${shown} [${code}]\n`,
    );
  }
  return ok ? 0 : 1;
}

/** For people: what was opened. */
function describe({ field, value }: Disclosure): string {
  try {
    if (field === "input")
      return parseCanonicalTensors(value)
        .map(({ name, datatype, shape }) => printable(`${name} ${datatype}[${shape.join(",")}]`))
        .join(", ");
    if (field !== "output") return printable(fromUtf8(value), 400);
  } catch (error) {
    if (!(error instanceof ReceiptError || error instanceof CodecError)) throw error;
  }
  return `${value.length} bytes`;
}
