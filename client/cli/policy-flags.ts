/** Flags that loosen or set what a verification accepts. */
import { AttestationError, parsePolicy } from "../../attestation/index.ts";
import { fromUtf8 } from "../../codec/index.ts";
import type { ClientPolicy } from "../policy.ts";
import { readInput, UsageError } from "./command.ts";

const MAX_POLICY_BYTES = 1024 * 1024;

export const policyFlags = {
  "allow-simulated": { type: "boolean" },
  "allow-unchecked-code": { type: "boolean" },
  policy: { type: "string" },
} as const;

export const POLICY_FLAGS_HELP = `
  --allow-simulated       accepts the simulated TEE, which proves nothing, and under it alone unchecked code
  --allow-unchecked-code  accepts hardware whose code was not compared with reference values
  --policy FILE           an appraisal policy (JSON, docs/spec/appraisal.md) instead of the default`;

export async function policyFrom(values: {
  "allow-simulated"?: boolean;
  "allow-unchecked-code"?: boolean;
  policy?: string;
}): Promise<ClientPolicy> {
  const policy: ClientPolicy = {
    allowSimulated: values["allow-simulated"] ?? false,
    allowUncheckedCode: values["allow-unchecked-code"] ?? false,
  };
  if (values.policy === undefined) return policy;
  try {
    const appraisal: unknown = JSON.parse(fromUtf8(await readInput(values.policy, MAX_POLICY_BYTES)));
    parsePolicy(appraisal);
    return { ...policy, appraisal: appraisal as NonNullable<ClientPolicy["appraisal"]> };
  } catch (error) {
    if (error instanceof UsageError) throw error;
    if (error instanceof AttestationError || error instanceof SyntaxError) {
      throw new UsageError(`${values.policy}: ${error.message}`, "file_unreadable");
    }
    throw error;
  }
}
