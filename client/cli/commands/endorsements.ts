/** `affidavit endorsements fetch|bundle|show`: what an appraisal needs beside evidence, for use with no network. */
import { readFile, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import {
  cachedAsk,
  createAsk,
  createDiskStore,
  EndorsementError,
  fetchEndorsements,
  fetchOcsp,
  fetchRim,
  PUBLIC_SOURCES,
  type Ask,
  type EndorsementSources,
} from "../../../attestation/attest/index.ts";
import { AttestationError, X509Error, type EvidenceType } from "../../../attestation/index.ts";
import type { Json } from "../../../codec/index.ts";
import { flags, onlyPositional, printJson, RefusedError, UsageError, type Command } from "../command.ts";
import { readDerValues, readEvidence } from "../evidence-files.ts";
import { printable, table } from "../output.ts";

const TYPES = [
  "tdx",
  "sgx",
  "sev-snp",
  "dstack",
  "nvidia-gpu",
  "nvidia-switch",
] as const satisfies readonly EvidenceType[];
const MAX_BUNDLES = 64;
const MAX_BUNDLE_BYTES = 16 << 20;
const MAX_RIMS = 16;

const SHARED_HELP = `
  --cache DIR         where fetched ones are kept; $XDG_CACHE_HOME/affidavit/endorsements unless told
  --json              one line for machines`;

const FETCH_HELP = `
affidavit endorsements fetch FILE --type tdx|sgx|sev-snp|dstack|nvidia-gpu|nvidia-switch [flags]
affidavit endorsements fetch --rim NAME… | --ocsp CHAIN

Fetches what an appraisal of the evidence in FILE needs beside it, from its publishers, and writes it as "affidavit
appraise" takes it by --collateral. What was fetched within the hour is not asked for again; within a week it serves where
the publisher fails.

  --out FILE          writes it there; to standard output unless told
  --cert FILE         sev-snp: the certificates that the host gave beside the report; may be given again
  --rim NAME          nvidia: a reference manifest by its name, such as NV_GPU_DRIVER_GH100_550.144.03; may be given again
  --ocsp CHAIN        nvidia: OCSP responses for a device's certificate chain (PEM or DER, leaf first)
  --pccs URL          a PCCS in place of Intel's service
                      (Intel's wants a subscription's key, from AFFIDAVIT_PCS_KEY, where a quote does not bring its PCK certificate)
  --kds URL           a mirror in place of AMD's service
  --timeout MS        longest time for one request (10000)${SHARED_HELP}
`;

const BUNDLE_HELP = `
affidavit endorsements bundle OUT FILE… [--json]

Puts endorsement files into one: certificates, CRLs, manifests and OCSP responses of all are joined; a single TDX or SGX
collateral stays as it is. The result is for --collateral.
`;

const SHOW_HELP = `
affidavit endorsements show [flags]

Lists what is kept: address, time, size, SHA-256.
${SHARED_HELP}
`;

function cacheDirectory(flag: string | undefined): string {
  if (flag !== undefined) return flag;
  const base = process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache");
  return join(base, "affidavit", "endorsements");
}

function baseUrl(flag: string, text: string): string {
  if (!URL.canParse(text) || !/^https?:/.test(text))
    throw new UsageError(`${flag} takes an http or https URL`);
  return text.replace(/\/$/, "");
}

function sourcesFrom(values: { pccs?: string; kds?: string }): EndorsementSources {
  return {
    ...PUBLIC_SOURCES,
    dcap: { ...PUBLIC_SOURCES.dcap, subscriptionKey: process.env["AFFIDAVIT_PCS_KEY"] || undefined },
    ...(values.pccs !== undefined && { dcap: { pcs: baseUrl("--pccs", values.pccs), rootCrl: undefined } }),
    ...(values.kds !== undefined && { kds: baseUrl("--kds", values.kds) }),
  };
}

function timeoutFrom(text: string | undefined): number {
  if (text === undefined) return 10_000;
  if (!/^[1-9][0-9]{0,5}$/.test(text)) throw new UsageError("--timeout takes milliseconds, 1 to 999999");
  return Number(text);
}

/** A publisher's no and evidence that names nothing are answers: exit 1. */
async function orRefused<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const isAnswer =
      error instanceof EndorsementError || error instanceof AttestationError || error instanceof X509Error;
    if (!isAnswer) throw error;
    throw new RefusedError(error.code, error.message, { cause: error });
  }
}

interface FetchFlags {
  type?: string;
  cert?: string[];
  rim?: string[];
  ocsp?: string;
}

async function wanted(
  positionals: string[],
  values: FetchFlags,
  ask: Ask,
  sources: EndorsementSources,
): Promise<Json> {
  if (values.rim !== undefined || values.ocsp !== undefined) {
    if (positionals.length > 0 || values.type !== undefined) {
      throw new UsageError("--rim and --ocsp fetch by themselves, without evidence");
    }
    const names = values.rim ?? [];
    if (names.length > MAX_RIMS) throw new UsageError(`--rim: at most ${MAX_RIMS}`);
    const chain = values.ocsp === undefined ? undefined : await readDerValues(values.ocsp, "CERTIFICATE");
    return await orRefused(async () => ({
      rims: await Promise.all(names.map((name) => fetchRim(name, ask, sources.nvidia))),
      ocspResponses: chain ? await fetchOcsp(chain, ask, sources.nvidia) : [],
    }));
  }
  const path = onlyPositional(positionals, "file of evidence");
  const type = TYPES.find((known) => known === values.type);
  if (type === undefined) throw new UsageError(`--type takes one of ${TYPES.join(", ")}`);
  const quote = (await readEvidence(path)) ?? new Uint8Array(0);
  const certificates = await Promise.all(
    (values.cert ?? []).map((file) => readDerValues(file, "CERTIFICATE")),
  );
  return await orRefused(() =>
    fetchEndorsements({ type, quote, certificates: certificates.flat() }, ask, sources),
  );
}

async function runFetch(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, {
    type: { type: "string" },
    out: { type: "string" },
    cert: { type: "string", multiple: true },
    rim: { type: "string", multiple: true },
    ocsp: { type: "string" },
    pccs: { type: "string" },
    kds: { type: "string" },
    timeout: { type: "string" },
    cache: { type: "string" },
    json: { type: "boolean" },
  });
  const sources = sourcesFrom(values);
  const store = createDiskStore({ directory: cacheDirectory(values.cache) });
  const cached = cachedAsk(createAsk({ timeoutMs: timeoutFrom(values.timeout) }), { store });
  const endorsements = await wanted(positionals, values, cached.ask, sources);
  await cached.settled();
  await hand(endorsements, values.out, values.json === true);
  return 0;
}

async function hand(endorsements: Json, path: string | undefined, json: boolean): Promise<void> {
  const text = JSON.stringify(endorsements);
  if (path !== undefined) await writeNew(path, `${text}\n`);
  if (json) printJson({ ok: true, ...(path === undefined ? { endorsements } : { file: path }) });
  else process.stdout.write(path === undefined ? `${text}\n` : `written to ${printable(path)}\n`);
}

async function writeNew(path: string, text: string): Promise<void> {
  try {
    await writeFile(path, text);
  } catch (cause) {
    throw new UsageError(`cannot write ${path}: ${(cause as Error).message}`, "file_unreadable");
  }
}

const LISTS = ["certificates", "crls", "rims", "ocspResponses"] as const;

async function readBundle(path: string): Promise<Record<string, unknown>> {
  const bytes = await readFile(path).catch((cause: Error) => {
    throw new UsageError(`cannot read ${path}: ${cause.message}`, "file_unreadable");
  });
  if (bytes.length > MAX_BUNDLE_BYTES) throw new UsageError(`${path} is too large`, "file_too_large");
  try {
    const value: unknown = JSON.parse(bytes.toString("utf8"));
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new UsageError(`${path} holds no endorsements`, "file_unreadable");
}

/** Lists are joined; any other member may stand in one file alone. */
function joinBundles(bundles: Record<string, unknown>[]): Record<string, unknown> {
  const whole = new Map<string, unknown>();
  for (const bundle of bundles) {
    for (const [name, value] of Object.entries(bundle)) {
      const had = whole.get(name);
      if (had === undefined) whole.set(name, value);
      else if (LISTS.some((list) => list === name) && Array.isArray(had) && Array.isArray(value)) {
        whole.set(name, [...new Set([...had, ...value])]);
      } else if (JSON.stringify(had) !== JSON.stringify(value)) {
        throw new UsageError(`two files hold a different ${printable(name)}: they are of different machines`);
      }
    }
  }
  return Object.fromEntries(whole);
}

async function runBundle(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, { json: { type: "boolean" } });
  const [out, ...files] = positionals;
  if (out === undefined || files.length === 0)
    throw new UsageError("give the file to write and those to join");
  if (files.length > MAX_BUNDLES) throw new UsageError(`at most ${MAX_BUNDLES} files`);
  const joined = joinBundles(await Promise.all(files.map(readBundle)));
  await hand(joined as Json, out, values.json === true);
  return 0;
}

async function runShow(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, { cache: { type: "string" }, json: { type: "boolean" } });
  if (positionals.length > 0) throw new UsageError("show takes flags alone");
  const directory = cacheDirectory(values.cache);
  const kept = await createDiskStore({ directory }).list();
  if (values.json) {
    printJson({ ok: true, directory, kept });
    return 0;
  }
  const rows = kept.map(({ url, fetchedAtMs, byteLength, digest }) => [
    new Date(fetchedAtMs).toISOString(),
    `${byteLength} B`,
    digest.slice(0, 16),
    printable(url),
  ]);
  process.stdout.write(rows.length === 0 ? `nothing in ${directory}\n` : `${table(rows)}\n`);
  return 0;
}

export const endorsementsFetch: Command = {
  summary: "fetches what an appraisal needs beside evidence",
  help: FETCH_HELP,
  run: runFetch,
};
export const endorsementsBundle: Command = {
  summary: "puts endorsement files into one",
  help: BUNDLE_HELP,
  run: runBundle,
};
export const endorsementsShow: Command = {
  summary: "lists the endorsements that are kept",
  help: SHOW_HELP,
  run: runShow,
};
