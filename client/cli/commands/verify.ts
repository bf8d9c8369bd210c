/** `affidavit verify FILE`: a saved receipt, with no network. */
import { existsSync } from "node:fs";
import { CodecError, fromUtf8 } from "../../../codec/index.ts";
import {
  parseBundle,
  parsePrivatePart,
  ReceiptError,
  type PrivatePart,
  MAX_REVOCATIONS_BYTES,
  parseRevocations,
  type Revocation,
} from "../../../receipts/index.ts";
import {
  loadProofVerifier,
  looksLikeProofBundle,
  MAX_PROOF_BUNDLE_LENGTH,
  parseProofBundle,
  ProofError,
  type ProofVerifier,
} from "../../../proofs/client.ts";
import { verifyProof, verifyReceipt, type VerifyOptions } from "../../verify.ts";
import type { Verification } from "../../verification.ts";
import {
  flags,
  onlyPositional,
  printJson,
  readInput,
  RefusedError,
  UsageError,
  type Command,
} from "../command.ts";
import { parseNow } from "../now.ts";
import { paint } from "../output.ts";
import { policyFlags, POLICY_FLAGS_HELP, policyFrom } from "../policy-flags.ts";
import { airFlags, refuseAirFlags, runAir } from "../verify-air.ts";
import { readingFiles } from "../reading.ts";
import { claimLines, headline, simulatedWarning, stepLines } from "../show-verification.ts";

/** A receipt is parsed under its own limit, which is lower. */
const MAX_FILE_BYTES = MAX_PROOF_BUNDLE_LENGTH;
const MAX_PRIVATE_BYTES = 192 * 1024 * 1024;

const HELP = `
affidavit verify FILE [flags]
affidavit verify FILE --format air --key HEX [flags]

Verifies a saved receipt, or a proof bundle (a receipt with the proof that belongs to it), offline. Where FILE.private stands beside it, salt and bodies are compared too; else the result
says "bodies: unchecked".

  --private FILE          salt and bodies from elsewhere
  --now TIME              the verifier's present: Unix seconds or ISO 8601 (the clock of this machine)
  --require-inclusion     refuses a receipt without its own inclusion proof
  --revocations FILE      the service's list (GET /v1/revocations), against which to check
${POLICY_FLAGS_HELP}
  --json                  one line for machines

With --format air the file is an AIR v1 receipt (CBOR) of any issuer. What is checked is what AIR calls AIR-local: that
the key signed these claims. Of the flags above --now, --allow-simulated (accepts receipts of an evaluation) and --json
count, and

  --key HEX               the issuer's Ed25519 key
  --nonce HEX             the eat_nonce that you chose
  --model-hash HEX        the model_hash that you expect
  --platform NAME         tdx-mrtd-rtmr or nitro-pcr
  --max-age SECONDS       refuses an older receipt
  --now document          judges the receipt by its own time

Exits 0 where it is accepted, 1 where it is rejected, 2 where a file cannot be read.
`;

export const verify: Command = { summary: "verifies a saved receipt, with no network", help: HELP, run };

async function run(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, {
    private: { type: "string" },
    now: { type: "string" },
    "require-inclusion": { type: "boolean" },
    revocations: { type: "string" },
    json: { type: "boolean" },
    ...policyFlags,
    ...airFlags,
  });
  const path = onlyPositional(positionals, "receipt");
  if (values.format === "air") return await runAir(path, values);
  refuseAirFlags(values);
  const policy = await policyFrom(values);
  if (values["require-inclusion"]) policy.requireInclusion = true;
  const now = parseNow(values.now);
  const text = await readText(path, MAX_FILE_BYTES);
  const privatePath = values.private ?? (existsSync(`${path}.private`) ? `${path}.private` : undefined);
  const privateText = privatePath === undefined ? undefined : await readText(privatePath, MAX_PRIVATE_BYTES);
  const revocations =
    values.revocations === undefined ? undefined : await readRevocations(values.revocations);
  const given = { now, policy, revocations };
  const verification = looksLikeProofBundle(text)
    ? await checkProofBundle(text, privateText, given)
    : check(() => verifyReceipt(parseBundle(text), { ...given, privatePart: privatePartOf(privateText) }));
  if (values.json) printJson({ ok: verification.verdict === "accepted", ...verification });
  else process.stdout.write(asText(path, verification));
  return verification.verdict === "accepted" ? 0 : 1;
}

async function readRevocations(path: string): Promise<Revocation[]> {
  const text = await readText(path, MAX_REVOCATIONS_BYTES);
  return readingFiles(() => parseRevocations(text));
}

async function readText(path: string, maxBytes: number): Promise<string> {
  const bytes = await readInput(path, maxBytes);
  try {
    return fromUtf8(bytes);
  } catch (error) {
    if (error instanceof CodecError) throw new UsageError(`${path} is not text`, "file_unreadable");
    throw error;
  }
}

async function checkProofBundle(
  text: string,
  privateText: string | undefined,
  given: VerifyOptions,
): Promise<Verification> {
  const verifier = await proofVerifier();
  return check(() =>
    verifyProof(parseProofBundle(text), { ...given, privatePart: privatePartOf(privateText), verifier }),
  );
}

/** @throws RefusedError `proof_system_missing` */
async function proofVerifier(): Promise<ProofVerifier> {
  try {
    return await loadProofVerifier();
  } catch (cause) {
    if (cause instanceof ProofError) throw new RefusedError(cause.code, cause.message, { cause });
    throw cause;
  }
}

function privatePartOf(text: string | undefined): PrivatePart | undefined {
  return text === undefined ? undefined : parsePrivatePart(text);
}

/** What cannot be parsed is a rejected receipt, not an unreadable file. */
function check(verifyParsed: () => Verification): Verification {
  try {
    return verifyParsed();
  } catch (error) {
    const refused =
      error instanceof ReceiptError || (error instanceof ProofError && error.code !== "prover_crashed");
    if (!refused) throw error;
    const { code, message } = error;
    const steps = [{ step: "parse", status: "fail" as const, detail: message }];
    return { verdict: "rejected", code, message, simulated: false, steps, claims: [] };
  }
}

const ADVICE: Record<string, string> = {
  simulated_refused:
    "The evidence is of the simulated TEE, which proves nothing. To accept it all the same: --allow-simulated",
  srs_development_refused:
    "To accept proofs under an SRS whose maker can forge them: --allow-development-srs",
  code_identity_unchecked:
    "The code was not compared with reference values: give some with --policy, or --allow-unchecked-code",
};

function asText(path: string, verification: Verification): string {
  const accepted = verification.verdict === "accepted";
  const head = accepted
    ? `${headline(verification, "accepted")}  ${path}`
    : `${paint("red", "✗ rejected")}  ${path}: ${verification.message} [${verification.code}]`;
  const advice = ADVICE[verification.code];
  const lines = [
    head,
    ...(advice === undefined ? [] : [`  ${advice}`]),
    "",
    ...stepLines(verification),
    ...(accepted ? ["", ...claimLines(verification)] : []),
    ...(accepted ? simulatedWarning(verification) : []),
  ];
  return lines.join("\n") + "\n";
}
