/** The documents that a statement names by digest, and what they promise. */
import { equal, jcs, type Json } from "../../codec/index.ts";
import {
  formatExecution,
  ModelError,
  parseCanonicalManifest,
  parseExecutionRecord,
} from "../../models/client.ts";
import { documentDigest } from "../../receipts/index.ts";
import { StepFailure, type VerificationCode } from "../verification.ts";
import { attestedSource, short, type Step } from "./context.ts";

export const model: Step = {
  name: "model",
  run(context) {
    const { bundle, expect, claims } = context;
    const { modelId } = bundle.statement;
    if (!equal(documentDigest(bundle.manifest), modelId)) {
      throw new StepFailure("model_id_mismatch", "the manifest is not the model's that was signed");
    }
    const manifest = readManifest(bundle.manifest);
    context.manifest = manifest;
    if (expect.modelId && !equal(expect.modelId, modelId)) {
      throw new StepFailure("model_unexpected", "the receipt is of another model than the one asked for");
    }
    const { name, version } = manifest;
    const wanted = expect.model;
    if (wanted && (wanted.name !== name || (wanted.version !== undefined && wanted.version !== version))) {
      throw new StepFailure(
        "model_unexpected",
        `the receipt is of ${name}/${version}, not of the model asked for`,
      );
    }
    const value = `${name}/${version} (${short(modelId)})`;
    claims.push({ claim: "model", value, status: "verified", source: attestedSource(context) });
    return value;
  },
};

function readManifest(text: string): ReturnType<typeof parseCanonicalManifest> {
  try {
    return parseCanonicalManifest(text);
  } catch (error) {
    if (error instanceof ModelError) throw new StepFailure("manifest_invalid", error.message);
    throw error;
  }
}

/** A canonical JSON object whose digest the statement names. */
export function readDocument(text: string, code: VerificationCode): Record<string, Json> {
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch {
    throw new StepFailure(code, "the document is not JSON");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value) || canonical(value) !== text) {
    throw new StepFailure(code, "the document is not a canonical JSON object");
  }
  return value;
}

/** Undefined where there is none: JSON text can spell infinity (1e999) and lone surrogates, and canonical JSON cannot. */
function canonical(value: Json): string | undefined {
  try {
    return jcs(value);
  } catch {
    return undefined;
  }
}

export const execution: Step = {
  name: "execution",
  run(context) {
    const { bundle, claims } = context;
    if (!equal(documentDigest(bundle.execution), bundle.statement.executionDigest)) {
      throw new StepFailure(
        "execution_digest_mismatch",
        "the execution record is not the one that was signed",
      );
    }
    const document = readDocument(bundle.execution, "execution_invalid");
    const record = parseExecutionRecord(bundle.execution);
    const place = record ? formatExecution(record) : shown(document["provider"]);
    const value = `${shown(document["engine"])} on ${place}`;
    claims.push({ claim: "execution", value, status: "asserted", source: attestedSource(context) });
    return value;
  },
};

function shown(value: Json | undefined): string {
  return typeof value === "string" ? value : value === undefined ? "unknown" : jcs(value);
}

export const audience: Step = {
  name: "audience",
  run({ bundle, expect, claims }) {
    const { audience: named, settlement } = bundle.statement;
    const none = named.every((byte) => byte === 0);
    if (settlement.some((byte) => byte !== 0)) {
      claims.push({
        claim: "settlement",
        value: short(settlement),
        status: "unchecked",
        source: "operator_asserted",
      });
    }
    if (!expect.audience) {
      const value = none ? "none" : short(named);
      claims.push({ claim: "audience", value, status: "unchecked", source: "verifier_derived" });
      return { skipped: none ? "bound to no contract" : "no audience was expected" };
    }
    if (!equal(named, expect.audience))
      throw new StepFailure("audience_mismatch", "the receipt is for another audience");
    const value = none ? "none" : short(named);
    claims.push({ claim: "audience", value, status: "verified", source: "verifier_derived" });
    return value;
  },
};
