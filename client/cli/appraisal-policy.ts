/** The policy of `affidavit appraise`: a file's or the reporting one, and whose roots it trusts. */
import {
  AttestationError,
  parseCertificate,
  parsePolicy,
  REPORTING_POLICY,
  X509Error,
  type AppraisalPolicy,
} from "../../attestation/index.ts";
import { equal } from "../../codec/index.ts";
import { UsageError } from "./command.ts";
import { readDerValues } from "./evidence-files.ts";
import { readJson } from "./json-file.ts";

const MAX_POLICY_BYTES = 1024 * 1024;
const MAX_ROOTS = 16;

/** @throws UsageError */
export async function appraisalPolicyFrom(values: {
  policy?: string;
  root?: string;
}): Promise<AppraisalPolicy> {
  const policy = values.policy === undefined ? REPORTING_POLICY : await policyFrom(values.policy);
  if (values.root === undefined) return policy;
  const roots = await rootsFrom(values.root);
  const certificates = roots.filter((root) => typeof root !== "string");
  const nvidia = { ...policy.nvidia, rimRoots: [...policy.nvidia.rimRoots, ...certificates] };
  return { ...policy, roots, nvidia };
}

async function policyFrom(path: string): Promise<AppraisalPolicy> {
  const value = await readJson(path, MAX_POLICY_BYTES);
  try {
    return parsePolicy(value);
  } catch (error) {
    if (error instanceof AttestationError) {
      throw new UsageError(`${path}: ${error.message}`, "file_unreadable");
    }
    throw error;
  }
}

/** The self-issued certificates of a file: authorities that stand beside them are not trusted for it. */
async function rootsFrom(path: string): Promise<AppraisalPolicy["roots"]> {
  const roots = (await readDerValues(path, "CERTIFICATE")).filter(isRoot);
  if (roots.length === 0) throw new UsageError(`${path} holds no root certificate`, "file_unreadable");
  if (roots.length > MAX_ROOTS) throw new UsageError(`${path} holds too many roots`, "file_too_large");
  return roots.map((certificate) => ({ certificate }));
}

function isRoot(der: Uint8Array): boolean {
  try {
    const { issuer, subject } = parseCertificate(der);
    return equal(issuer, subject);
  } catch (error) {
    if (error instanceof X509Error) return false;
    throw error;
  }
}
