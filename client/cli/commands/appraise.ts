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
import { flags, onlyPositional, printJson, UsageError, type Command } from "../command.ts";
import { earKeyFrom, earOf } from "../ear-result.ts";
import { endorsementsFrom } from "../endorsement-files.ts";
import { readEvidence } from "../evidence-files.ts";
import { parseNow } from "../now.ts";
import { appraisalText } from "../show-appraisal.ts";

const TYPES: readonly EvidenceType[] = ["tdx", "sgx", "sev-snp", "nitro"];
const REPORT_DATA_BYTES = 64;
const MAX_USER_DATA_BYTES = 1024;

const HELP = `
affidavit appraise FILE --type tdx|sgx|sev-snp|nitro [flags]

Appraises evidence of a TEE offline. FILE is a quote, report or document: raw, hex or base64; a Nitro document may also
stand in a certificate.

  --collateral FILE   tdx, sgx: QuoteCollateralV3 as JSON; sev-snp: {"certificates": […], "crls": […]}
  --cert FILE         certificates (PEM or DER, several to a file, any order); may be given again
                      sev-snp: VCEK or VLEK, and its authorities; tdx, sgx: the PCK chain of a quote without one, leaf first
  --crl FILE          sev-snp: CRLs to check against; may be given again
  --root FILE         trusts these roots instead of the hardware makers'
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
  const policy = await appraisalPolicyFrom(values);
  const earKey = values.ear === undefined ? undefined : await earKeyFrom(values.ear);
  const endorsements = await endorsementsFrom(type, values);
  // Evidence larger than any is malformed: it stands for itself as nothing.
  const quote = (await readEvidence(path)) ?? new Uint8Array(0);
  const now = values.now === "document" ? documentTime(type, quote) : parseNow(values.now);
  const result = appraiseEvidence({ type, quote }, endorsements, { now, policy, expectedReportData });
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
  try {
    const bytes = fromHex(text);
    const isOfLength =
      type === "nitro" ? bytes.length <= MAX_USER_DATA_BYTES : bytes.length === REPORT_DATA_BYTES;
    if (isOfLength) return bytes;
  } catch (error) {
    if (!(error instanceof CodecError)) throw error;
  }
  throw new UsageError("--report-data takes 64 bytes in hex (nitro: up to 1024)");
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
