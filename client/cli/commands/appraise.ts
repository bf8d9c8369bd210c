/** `affidavit appraise FILE --type …`: evidence of a TEE against a policy, with no network. */
import {
  appraise as appraiseEvidence,
  AttestationError,
  nitroDocumentBytes,
  parseNitroDocument,
  type Appraisal,
  type EarClaims,
  type EvidenceType,
} from "../../../attestation/index.ts";
import { CodecError, fromHex } from "../../../codec/index.ts";
import { appraisalPolicyFrom } from "../appraisal-policy.ts";
import { flags, onlyPositional, printJson, readInput, UsageError, type Command } from "../command.ts";
import { earKeyFrom, earOf } from "../ear-result.ts";
import { endorsementsFrom } from "../endorsement-files.ts";
import { readEvidence } from "../evidence-files.ts";
import { parseNow } from "../now.ts";
import { appraisalText } from "../show-appraisal.ts";

const TYPES: readonly EvidenceType[] = [
  "tdx",
  "sgx",
  "sev-snp",
  "nitro",
  "dstack",
  "azure-vtpm",
  "nvidia-gpu",
  "nvidia-switch",
];
const MAX_NONCE_BYTES = 64;
const MAX_EVENT_LOG_BYTES = 4 * 1024 * 1024;
const REPORT_DATA_BYTES = 64;
const MAX_USER_DATA_BYTES = 1024;

const HELP = `
affidavit appraise FILE --type tdx|sgx|sev-snp|nitro|dstack|azure-vtpm|nvidia-gpu|nvidia-switch [flags]

Appraises evidence of a TEE offline. FILE is a quote, report or document: raw, hex or base64; a Nitro document may also
stand in a certificate; dstack and azure-vtpm take the guest's JSON, nvidia-gpu and nvidia-switch the SDK's list too.

  --collateral FILE   tdx, sgx: QuoteCollateralV3 as JSON; sev-snp: {"certificates": […], "crls": […]}
  --cert FILE         certificates (PEM or DER, several to a file, any order); may be given again
                      sev-snp: VCEK or VLEK, and its authorities; tdx, sgx: the PCK chain of a quote without one, leaf first
                      nvidia-gpu, nvidia-switch: the chain of a raw report, leaf first; dstack, azure-vtpm: as sev-snp
  --crl FILE          sev-snp: CRLs to check against; may be given again
  --rim FILE          nvidia-gpu, nvidia-switch: a reference manifest; may be given again, without one measurements are
                      unchecked
  --ocsp FILE         nvidia-gpu, nvidia-switch: an OCSP response (DER or PEM); may be given again
  --event-log FILE    tdx: the event log, CCEL or JSON, to replay against RTMR0 to RTMR3
  --nonce HEX         nvidia-gpu, nvidia-switch, azure-vtpm: the nonce that the evidence must carry
  --root FILE         trusts these roots instead of the hardware makers' (NVIDIA's: for manifests, beside its own)
  --policy FILE       an appraisal policy (JSON, docs/spec/appraisal.md); without it signatures, dates, revocation, debug
                      and attributes are judged, and the rest is reported
  --report-data HEX   the 64 bytes that the evidence must carry (nitro: its user data)
  --now TIME          the verifier's present: Unix seconds, ISO 8601, or "document" for the evidence's own time (nitro);
                      without it the clock of this machine
  --ear KEY           adds an EAT attestation result: a JWT signed with the private JWK in file KEY (P-256, P-384 or
                      Ed25519), or with the word "unsigned" its claims alone
  --json              one line for machines

Exits 0 where it is accepted, 1 where it is rejected, 2 where a file cannot be read or a flag is wrong.
`;

export const appraise: Command = { summary: "appraises evidence of a TEE, with no network", help: HELP, run };

async function run(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, {
    type: { type: "string" },
    collateral: { type: "string" },
    cert: { type: "string", multiple: true },
    crl: { type: "string", multiple: true },
    rim: { type: "string", multiple: true },
    ocsp: { type: "string", multiple: true },
    "event-log": { type: "string" },
    nonce: { type: "string" },
    root: { type: "string" },
    policy: { type: "string" },
    "report-data": { type: "string" },
    now: { type: "string" },
    ear: { type: "string" },
    json: { type: "boolean" },
  });
  const path = onlyPositional(positionals, "file of evidence");
  const type = typeFrom(values.type);
  const expectedReportData = reportDataFrom(values["report-data"], type);
  const expectedNonce = nonceFrom(values.nonce, type);
  const policy = await appraisalPolicyFrom(values);
  const earKey = values.ear === undefined ? undefined : await earKeyFrom(values.ear);
  const endorsements = await endorsementsFrom(type, values);
  // Evidence larger than any is malformed: it stands for itself as nothing.
  const quote = (await readEvidence(path)) ?? new Uint8Array(0);
  const eventLog = await eventLogFrom(values["event-log"], type);
  const now = values.now === "document" ? documentTime(type, quote) : parseNow(values.now);
  const result = appraiseEvidence({ type, quote, eventLog }, endorsements, {
    now,
    policy,
    expectedReportData,
    expectedNonce,
  });
  const ear =
    values.ear === undefined ? undefined : await earOf(result, { type, quote, policy, now }, earKey);
  if (values.json) printJson({ ...asJson(result), ...(ear !== undefined && { ear }) });
  else process.stdout.write(appraisalText(path, type, result) + earText(ear));
  return result.verdict === "accepted" ? 0 : 1;
}

function typeFrom(text: string | undefined): EvidenceType {
  const type = TYPES.find((known) => known === text);
  if (type === undefined) throw new UsageError(`--type takes one of ${TYPES.join(", ")}`);
  return type;
}

function reportDataFrom(text: string | undefined, type: EvidenceType): Uint8Array | undefined {
  if (text === undefined) return undefined;
  if (type.startsWith("nvidia-")) throw new UsageError("--report-data: NVIDIA evidence carries a --nonce");
  try {
    const bytes = fromHex(text);
    const isOfLength =
      type === "nitro" || type === "azure-vtpm"
        ? bytes.length <= MAX_USER_DATA_BYTES
        : bytes.length === REPORT_DATA_BYTES;
    if (isOfLength) return bytes;
  } catch (error) {
    if (!(error instanceof CodecError)) throw error;
  }
  throw new UsageError("--report-data takes 64 bytes in hex (nitro: up to 1024)");
}

function nonceFrom(text: string | undefined, type: EvidenceType): Uint8Array | undefined {
  if (text === undefined) return undefined;
  if (!type.startsWith("nvidia-") && type !== "azure-vtpm") {
    throw new UsageError(
      "--nonce is for nvidia-gpu, nvidia-switch and azure-vtpm: others carry --report-data",
    );
  }
  try {
    const bytes = fromHex(text);
    if (bytes.length > 0 && bytes.length <= MAX_NONCE_BYTES) return bytes;
  } catch (error) {
    if (!(error instanceof CodecError)) throw error;
  }
  throw new UsageError("--nonce takes 1 to 64 bytes in hex");
}

async function eventLogFrom(path: string | undefined, type: EvidenceType): Promise<Uint8Array | undefined> {
  if (path === undefined) return undefined;
  if (type !== "tdx") throw new UsageError("--event-log is for tdx: dstack's evidence has its own");
  return new Uint8Array(await readInput(path, MAX_EVENT_LOG_BYTES));
}

/** When the evidence was made, by its own word; the present where it is malformed, so that it is refused for that. */
function documentTime(type: EvidenceType, quote: Uint8Array): Date {
  if (type !== "nitro") throw new UsageError(`--now document: evidence of type ${type} carries no time`);
  try {
    return new Date(parseNitroDocument(nitroDocumentBytes(quote).bytes).timestampMs);
  } catch (error) {
    if (error instanceof AttestationError) return new Date();
    throw error;
  }
}

function earText(ear: string | EarClaims | undefined): string {
  if (ear === undefined) return "";
  return `\nEAR\n${typeof ear === "string" ? ear : JSON.stringify(ear, null, 2)}\n`;
}

function asJson(result: Appraisal): object {
  const { verdict, code, message, tcbStatus, advisoryIds, simulated, codeIdentity, claims, transcript } =
    result;
  return {
    verdict,
    code,
    message,
    ...(tcbStatus !== undefined && { tcbStatus }),
    ...(advisoryIds !== undefined && { advisoryIds }),
    simulated,
    codeIdentity,
    claims,
    transcript,
  };
}
