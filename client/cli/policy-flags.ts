/** Flags that loosen or set what a verification accepts. */
import { AttestationError, parsePolicy } from "../../attestation/index.ts";
import { fromUtf8 } from "../../codec/index.ts";
import { circuitPolicy, type ClientPolicy } from "../policy.ts";
import { requiredWitnesses } from "../steps/witnesses.ts";
import { readInput, UsageError } from "./command.ts";

const MAX_POLICY_BYTES = 1024 * 1024;

export const policyFlags = {
  "allow-simulated": { type: "boolean" },
  "allow-unchecked-code": { type: "boolean" },
  policy: { type: "string" },
  witness: { type: "string", multiple: true },
  "require-witnesses": { type: "string" },
  "allow-development-srs": { type: "boolean" },
  "circuit-owner": { type: "string", multiple: true },
  "srs-digest": { type: "string", multiple: true },
} as const;

export const POLICY_FLAGS_HELP = `
  --allow-simulated       accepts the simulated TEE, which proves nothing, and under it alone unchecked code
  --allow-unchecked-code  accepts hardware whose code was not compared with reference values
  --policy FILE           an appraisal policy (JSON, docs/spec/appraisal.md) instead of the default
  --witness KEY           verifier key of a log witness that counts; may be given again
  --require-witnesses K   refuses what fewer of them cosigned (all of them)
  --circuit-owner HEX     Ed25519 key of a model's owner: another's circuit is refused; may be given again
  --srs-digest HEX        digest of an SRS that is trusted: another is refused; may be given again
  --allow-development-srs accepts proofs under an SRS whose maker can forge them`;

export async function policyFrom(values: {
  "allow-simulated"?: boolean;
  "allow-unchecked-code"?: boolean;
  policy?: string;
  witness?: string[];
  "require-witnesses"?: string;
  "allow-development-srs"?: boolean;
  "circuit-owner"?: string[];
  "srs-digest"?: string[];
}): Promise<ClientPolicy> {
  const policy: ClientPolicy = {
    circuits: circuitsFrom(values),
    allowSimulated: values["allow-simulated"] ?? false,
    allowUncheckedCode: values["allow-unchecked-code"] ?? false,
    ...witnessesFrom(values),
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

/** @throws UsageError */
function circuitsFrom(values: {
  "allow-development-srs"?: boolean;
  "circuit-owner"?: string[];
  "srs-digest"?: string[];
}): NonNullable<ClientPolicy["circuits"]> {
  const { "circuit-owner": owners, "srs-digest": srsDigests } = values;
  const circuits = {
    allowDevelopmentSrs: values["allow-development-srs"] ?? false,
    ...(owners ? { owners } : {}),
    ...(srsDigests ? { srsDigests } : {}),
  };
  try {
    circuitPolicy({ circuits });
  } catch (error) {
    if (error instanceof AttestationError) throw new UsageError(error.message);
    throw error;
  }
  return circuits;
}

/** @throws UsageError */
export function witnessesFrom(values: {
  witness?: string[];
  "require-witnesses"?: string;
}): Pick<ClientPolicy, "witnesses"> {
  const { witness: verifierKeys = [], "require-witnesses": wanted } = values;
  if (verifierKeys.length === 0 && wanted === undefined) return {};
  const witnesses = { verifierKeys, require: Number(wanted ?? verifierKeys.length) };
  try {
    requiredWitnesses(witnesses);
  } catch (error) {
    if (error instanceof AttestationError) throw new UsageError(error.message);
    throw error;
  }
  return { witnesses };
}
