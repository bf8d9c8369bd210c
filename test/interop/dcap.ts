/**
 * Generated SGX and TDX evidence before our verifier and before dcap-qvl: what ours accepts the other must accept too, with
 * the same status and advisories; of what ours alone refuses, only the named reasons will do.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { appraise, parsePolicy, type Appraisal } from "../../attestation/index.ts";
import {
  placedFields,
  QUOTE_KINDS,
  rootCertificate,
  testCollateral,
  testPki,
  testQuote,
  TEST_NOW,
  type Loose,
  type QuoteKind,
} from "../../attestation/testing/dcap.ts";
import { toBase64, toHex } from "../../codec/index.ts";
import { pythonWith } from "./python.ts";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const DAY_MS = 86_400_000;

interface Case {
  readonly name: string;
  readonly kind: QuoteKind;
  readonly quote: Uint8Array;
  readonly collateral: object;
  readonly nowMs: number;
}

/** Where ours is known to refuse more: certificates and CRLs wholly checked, and nothing behind a quote. */
const STRICTER =
  /^(certificate_|crl_|pck_chain_|quote_malformed$|quote_certification_|quote_trailing_bytes$)/;

function base(kind: QuoteKind): Case {
  const collateral = testCollateral(kind);
  return { name: `${kind}`, kind, quote: testQuote(kind), collateral, nowMs: TEST_NOW.getTime() };
}

/** One flipped bit in every field of the quote. */
function flippedFields(whole: Case): Case[] {
  return placedFields(whole.kind, whole.quote).map(({ name, offset, byteLength }) => {
    const at = offset + (byteLength >> 1);
    const quote = whole.quote.map((byte, i) => (i === at ? byte ^ 4 : byte));
    return { ...whole, name: `${whole.name}: ${name} flipped`, quote };
  });
}

/** Every member of the collateral empty, cut, or of another hierarchy. */
function editedCollateral(whole: Case): Case[] {
  const other = testCollateral(whole.kind, { pki: testPki("two") });
  return Object.entries(whole.collateral as Record<string, string>).flatMap(([member, text]) => {
    const swapped = Object.entries(other).find(([name]) => name === member)![1] as string;
    return [
      ["empty", ""] as const,
      ["cut", text.slice(0, -4)] as const,
      ["of another", swapped] as const,
    ].map(([how, value]) => ({
      ...whole,
      name: `${whole.name}: ${member} ${how}`,
      collateral: { ...whole.collateral, [member]: value },
    }));
  });
}

function otherTimes(whole: Case): Case[] {
  return [-400, -20, -12, 18, 20, 400].map((days) => ({
    ...whole,
    name: `${whole.name}: ${days} days on`,
    nowMs: whole.nowMs + days * DAY_MS,
  }));
}

/** Every TD attribute, signed. */
function tdAttributes(): Case[] {
  const whole = base("tdx4");
  return Array.from({ length: 64 }, (_, bit) => {
    const attributes = Uint8Array.of(0, 0, 0, 0x10, 0, 0, 0, 0);
    attributes[bit >> 3]! |= 1 << (bit & 7);
    const quote = testQuote("tdx4", { body: { tdAttributes: attributes } });
    return { ...whole, name: `TD attribute ${bit}`, quote };
  });
}

function statuses(): Case[] {
  const documents = ["OutOfDate", "SWHardeningNeeded", "ConfigurationNeeded", "Revoked", "Unheard"];
  return QUOTE_KINDS.flatMap((kind) =>
    documents.map((tcbStatus) => {
      const collateral = testCollateral(kind, {
        tcbInfo: (info) => Object.assign(info.tcbLevels[0], { tcbStatus, advisoryIDs: ["INTEL-SA-00001"] }),
      });
      return { ...base(kind), name: `${kind}: status ${tcbStatus}`, collateral };
    }),
  );
}

type Edit = (document: Loose) => void;

function lowestFirst(info: Loose): void {
  const [newest] = info.tcbLevels;
  const older = structuredClone({ ...newest, tcbStatus: "OutOfDate" });
  older.tcb.sgxtcbcomponents[0].svn = 1;
  info.tcbLevels = [older, newest];
}

/** What documents may leave to their reader: order of levels, versions, modules, statuses of parts. */
function editedDocuments(): Case[] {
  const ofInfo = QUOTE_KINDS.flatMap((kind) =>
    Object.entries<Edit>({
      "lowest level first": lowestFirst,
      "no module": (info) => delete info.tdxModule,
      "no module identities": (info) => delete info.tdxModuleIdentities,
    }).map(([name, tcbInfo]) => ({
      ...base(kind),
      name: `${kind}: ${name}`,
      collateral: testCollateral(kind, { tcbInfo }),
    })),
  );
  const ofPart = ["OutOfDate", "Revoked", "SWHardeningNeeded", "ConfigurationAndSWHardeningNeeded"];
  const ofQe = QUOTE_KINDS.flatMap((kind) =>
    [...ofPart.map((tcbStatus) => ({ tcbStatus })), { version: 3 }].map((edit) => ({
      ...base(kind),
      name: `${kind}: QE identity with ${JSON.stringify(edit)}`,
      collateral: testCollateral(kind, {
        qeIdentity: (identity) => Object.assign("version" in edit ? identity : identity.tcbLevels[0], edit),
      }),
    })),
  );
  const ofModule = [...ofPart, "ConfigurationNeeded", "OutOfDateConfigurationNeeded"].map((tcbStatus) => ({
    ...base("tdx4"),
    name: `module ${tcbStatus}`,
    collateral: testCollateral("tdx4", {
      tcbInfo: (info) => Object.assign(info.tdxModuleIdentities[0].tcbLevels[0], { tcbStatus }),
    }),
  }));
  return [...ofInfo, ...ofQe, ...ofModule];
}

function allCases(): Case[] {
  const wholes = QUOTE_KINDS.map(base);
  const edited = wholes.flatMap((whole) => [
    whole,
    ...flippedFields(whole),
    ...editedCollateral(whole),
    ...otherTimes(whole),
  ]);
  return [...edited, ...tdAttributes(), ...statuses(), ...editedDocuments()];
}

function ours({ kind, quote, collateral, nowMs }: Case, root: Uint8Array): Appraisal {
  const policy = parsePolicy({
    formatVersion: 1,
    codeIdentity: "reported",
    roots: [{ certificate: toBase64(root) }],
  });
  const type = kind === "sgx3" ? "sgx" : "tdx";
  return appraise({ type, quote }, collateral, { now: new Date(nowMs), policy });
}

interface Verdict {
  readonly status?: string;
  readonly advisoryIds?: string[];
  readonly error?: string;
}

function theirs(cases: readonly Case[], root: Uint8Array): Verdict[] {
  const python = pythonWith(here("../../bench/attestation-requirements.txt"));
  const input = cases.map(({ quote, collateral, nowMs }) =>
    JSON.stringify({
      quote: toHex(quote),
      collateral,
      root: toHex(root),
      now: Math.floor(nowMs / 1000),
    }),
  );
  const { stdout, status, stderr } = spawnSync(python, [here("dcap.py")], {
    input: input.join("\n"),
    encoding: "utf8",
    timeout: 120_000,
    maxBuffer: 1 << 26,
  });
  if (status !== 0) throw new Error(`dcap.py failed: ${stderr}`);
  return stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Verdict);
}

/** Undefined where the two agree, or ours is stricter for a reason that is known. */
function quarrel(mine: Appraisal, their: Verdict): string | undefined {
  if (mine.verdict === "rejected") {
    if (their.error !== undefined || STRICTER.test(mine.code)) return undefined;
    return `ours refuses (${mine.code}), theirs says ${their.status}`;
  }
  if (their.error !== undefined) return `ours accepts, theirs refuses: ${their.error}`;
  if (mine.tcbStatus !== their.status) return `ours says ${mine.tcbStatus}, theirs ${their.status}`;
  const same = JSON.stringify(mine.advisoryIds) === JSON.stringify(their.advisoryIds);
  return same ? undefined : `advisories differ: ${mine.advisoryIds?.join()} and ${their.advisoryIds?.join()}`;
}

export function dcapInterop(): "passed" | "failed" {
  const root = rootCertificate(testPki());
  const cases = allCases();
  const verdicts = theirs(cases, root);
  if (verdicts.length !== cases.length)
    throw new Error(`${verdicts.length} verdicts on ${cases.length} cases`);
  const results = cases.map((one) => ours(one, root));
  const quarrels = cases.flatMap(({ name }, i) => {
    const found = quarrel(results[i]!, verdicts[i]!);
    return found === undefined ? [] : [`${name}: ${found}`];
  });
  const accepted = results.filter(({ verdict }) => verdict === "accepted").length;
  process.stdout.write(
    `dcap-qvl: ${cases.length} quotes, ${accepted} accepted, ${quarrels.length} differences\n`,
  );
  for (const line of quarrels) process.stdout.write(`  ${line}\n`);
  return quarrels.length === 0 && accepted > 30 ? "passed" : "failed";
}
