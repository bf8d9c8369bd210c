/** `affidavit vault-policy show | sign | submit`: how much the installation's owner lets its vault do. */
import { AttestationError, parsePolicy } from "../../../attestation/index.ts";
import { toHex, type Json } from "../../../codec/index.ts";
import {
  MAX_VAULT_POLICY_LENGTH,
  readVaultLimits,
  ReceiptError,
  signVaultPolicy,
  vaultPolicyDigest,
  verifyVaultPolicy,
} from "../../../receipts/index.ts";
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
import { flags, onlyPositional, printJson, readInput, UsageError, type Command } from "../command.ts";
import { readJson } from "../json-file.ts";
import { paint, printable, table } from "../output.ts";
import { readOwnerSeed } from "../owner-seed.ts";
import { replaceFile } from "../replace-file.ts";

const SHOW_HELP = `
affidavit vault-policy show [flags]

Shows whose policies the vault takes, the one in force, and what was used of each limit in this hour.

${ADMIN_FLAGS_HELP}
`;
const SIGN_HELP = `
affidavit vault-policy sign LIMITS [--peers FILE] --version N --key FILE --out FILE [--json]

Signs limits as the installation's owner, without a service. LIMITS is a file of JSON; null stands for no limit:

  {"operationsPerHour": {"signTransaction": 100}, "weiPerTransaction": null, "weiPerHour": "20000000000000000", "creditAtomic": null}

  --peers FILE       appraisal policy (JSON) by which other vaults may have the cluster's keys; without it those of the same image alone
  --version N        from 1, and higher than that of the policy in force
  --key FILE         the owner's Ed25519 key: 64 hex digits, the seed of RFC 8032
  --out FILE         the signed document
  --json             one line for machines
`;
const SUBMIT_HELP = `
affidavit vault-policy submit DOCUMENT [flags]

Puts a signed policy in force. The vault checks the owner's signature and that the version rises; it holds at once and is logged.

${ADMIN_FLAGS_HELP}
`;

const PATH = "/v1/vault-policy";

export const vaultPolicyShow: Command = {
  summary: "shows the vault's limits and its owner's policy",
  help: SHOW_HELP,
  run: show,
};
export const vaultPolicySign: Command = {
  summary: "signs limits of the vault as its owner",
  help: SIGN_HELP,
  run: sign,
};
export const vaultPolicySubmit: Command = {
  summary: "puts a signed policy of the vault in force",
  help: SUBMIT_HELP,
  run: submit,
};

async function show(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, adminFlags);
  noPositionals(positionals);
  const transport = await adminTransport(values);
  const answer = readObject(await transport.send(PATH, {}));
  const owner = textOrNull(answer, "owner");
  const document = textOrNull(answer, "document");
  if (!Array.isArray(answer["used"])) throw malformedAnswer();
  const used = answer["used"].map(usedOf);
  if (values.json) {
    printJson({ ok: true, code: "ok", owner, document, used });
    return 0;
  }
  const rows = used.map(({ operation, used: so, perHour }) => [
    printable(operation),
    String(so),
    String(perHour),
  ]);
  const lines = [
    `owner     ${owner === null ? "nobody: no policy is taken" : printable(owner)}`,
    `policy    ${document === null ? "none: the vault's defaults hold" : printable(document)}`,
    table([["OPERATION", "THIS HOUR", "AT MOST"], ...rows]),
  ];
  process.stdout.write(lines.join("\n") + "\n");
  return 0;
}

async function sign(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, {
    version: { type: "string" },
    peers: { type: "string" },
    key: { type: "string" },
    out: { type: "string" },
    json: { type: "boolean" },
  });
  const path = onlyPositional(positionals, "file of limits");
  const { version, key, out } = values;
  if (version === undefined || !/^[1-9][0-9]{0,11}$/.test(version))
    throw new UsageError("--version takes a number from 1");
  if (key === undefined || out === undefined)
    throw new UsageError("give the owner's --key and a file to write as --out");
  const limits = malformedAs(
    `${path} holds no limits`,
    await readJson(path, MAX_VAULT_POLICY_LENGTH),
    readVaultLimits,
  );
  const peers = await readPeers(values.peers);
  const seed = await readOwnerSeed(key);
  const issuedAtMs = BigInt(Date.now());
  const text = malformedAs("cannot sign", { version: Number(version), issuedAtMs, limits, peers }, (policy) =>
    signVaultPolicy(policy, seed),
  );
  await replaceFile(out, text, 0o644);
  const digest = toHex(vaultPolicyDigest(text));
  if (values.json) printJson({ ok: true, code: "ok", digest, out });
  else process.stdout.write(`${paint("green", "✓ signed")}  ${out} (${digest})\n`);
  return 0;
}

async function submit(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, adminFlags);
  const path = onlyPositional(positionals, "signed policy");
  const text = Buffer.from(await readInput(path, MAX_VAULT_POLICY_LENGTH)).toString("utf8");
  malformedAs(`${path} is no signed policy`, text, verifyVaultPolicy);
  const transport = await adminTransport(values);
  const answer = readObject(
    await transport.send(PATH, {
      method: "PUT",
      headers: { "Content-Type": "application/json" },
      body: new TextEncoder().encode(JSON.stringify({ document: text })),
    }),
  );
  const [receiptId, leafIndex] = [textMember(answer, "receiptId"), textMember(answer, "leafIndex")];
  if (values.json) printJson({ ok: true, code: "ok", receiptId, leafIndex });
  else
    process.stdout.write(
      `${paint("green", "✓ in force")}  logged as ${printable(receiptId)}, leaf ${printable(leafIndex)}\n`,
    );
  return 0;
}

/** @throws UsageError `file_unreadable` */
async function readPeers(path: string | undefined): Promise<Json> {
  if (path === undefined) return null;
  const value = await readJson(path, MAX_VAULT_POLICY_LENGTH);
  try {
    parsePolicy(value);
  } catch (error) {
    if (!(error instanceof AttestationError)) throw error;
    throw new UsageError(`${path} is no appraisal policy: ${error.message}`, "file_unreadable");
  }
  return value as Json;
}

/** @throws UsageError `file_unreadable` */
function malformedAs<V, T>(why: string, value: V, read: (value: V) => T): T {
  try {
    return read(value);
  } catch (error) {
    if (!(error instanceof ReceiptError)) throw error;
    throw new UsageError(`${why}: ${error.message}`, "file_unreadable");
  }
}

function textOrNull(row: Record<string, unknown>, name: string): string | null {
  return row[name] === null ? null : textMember(row, name);
}

function usedOf(value: unknown): { operation: string; used: number; perHour: number } {
  const row = objectOf(value);
  const [used, perHour] = [row["used"], row["perHour"]];
  if (typeof used !== "number" || typeof perHour !== "number") throw malformedAnswer();
  return { operation: textMember(row, "operation"), used, perHour };
}
