/** What only the caller can check, holding salt and bodies: that the statement is about its own request and answer. */
import { equal } from "../../codec/index.ts";
import {
  ModelError,
  OipError,
  parseInferRequest,
  parseInferResponse,
  selectOutputs,
  type InferRequest,
  type Manifest,
} from "../../models/client.ts";
import {
  canonicalTensors,
  encodeOutput,
  inputCommitment,
  outputDigest,
  ReceiptError,
  requestDigest,
  requesterDigest,
  responseDigest,
  type PrivatePart,
  type Tensor,
} from "../../receipts/index.ts";
import { fieldCode, StepFailure, type VerificationCode } from "../verification.ts";
import { attestedSource, type Context, type Step } from "./context.ts";

type Side = "request" | "response";

function reading<T>(code: VerificationCode, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof OipError || error instanceof ReceiptError || error instanceof ModelError) {
      throw new StepFailure(code, error.message);
    }
    throw error;
  }
}

/**
 * Outputs in the manifest's order, which the output digest is over: those that were asked for, and no other, since what
 * is not the model's would be in no digest but the body's.
 * @throws StepFailure `output_invalid`
 */
function inManifestOrder(manifest: Manifest, request: InferRequest, outputs: Tensor[]): Tensor[] {
  const wanted = new Set(selectOutputs(manifest.outputs, request).map(({ tensor }) => tensor.name));
  if (outputs.length !== wanted.size || outputs.some(({ name }) => !wanted.has(name))) {
    throw new StepFailure("output_invalid", "the response's outputs are not those asked for");
  }
  return manifest.outputs.flatMap(({ name }) => outputs.filter((output) => output.name === name));
}

/**
 * The encoded output that `outputDigest` is over.
 * @throws StepFailure `output_invalid`
 */
function outputOf(manifest: Manifest, request: InferRequest, outputs: Tensor[]): Uint8Array {
  return encodeOutput(manifest.outputKind, inManifestOrder(manifest, request, outputs));
}

/**
 * The encoded output of an answer that its caller kept, as a contract wants to see it.
 * @throws StepFailure `request_invalid`, `response_invalid`, `output_invalid`
 */
export function encodedOutputOf(manifest: Manifest, privatePart: PrivatePart): Uint8Array {
  const request = bodyOf(privatePart, "request");
  const response = bodyOf(privatePart, "response");
  const asked = reading("request_invalid", () => parseInferRequest(request.bytes, request.headerLength));
  const answer = reading("response_invalid", () => parseInferResponse(response.bytes, response.headerLength));
  return reading("output_invalid", () => outputOf(manifest, asked, answer.outputs));
}

function compare(
  context: Context,
  field: string,
  computed: Uint8Array,
  what: string,
  value = "matches yours",
): void {
  const signed: unknown = Reflect.get(context.bundle.statement, field);
  if (!(signed instanceof Uint8Array) || !equal(signed, computed)) {
    throw new StepFailure(fieldCode(field), `the statement is about another ${what}`);
  }
  context.claims.push({
    claim: what,
    value,
    status: "verified",
    source: attestedSource(context),
  });
}

function bodyOf(part: PrivatePart, side: Side): { bytes: Uint8Array; headerLength: number | undefined } {
  const { bytes, headerLength } = part[side];
  return { bytes, headerLength: headerLength ?? undefined };
}

export const bodies: Step = {
  name: "bodies",
  run(context) {
    const { privatePart, bundle, manifest, claims } = context;
    if (!privatePart) {
      claims.push({
        claim: "bodies",
        value: "unchecked: no salt and bodies at hand",
        status: "unchecked",
        source: "verifier_derived",
      });
      return { skipped: "no salt and bodies at hand" };
    }
    const { salt } = privatePart;
    const request = bodyOf(privatePart, "request");
    const response = bodyOf(privatePart, "response");
    const { requester } = privatePart;
    compare(context, "requester", requesterDigest(salt, requester), "requester", requester);
    compare(context, "requestDigest", requestDigest(salt, request.bytes), "request body");
    const asked = reading("request_invalid", () => parseInferRequest(request.bytes, request.headerLength));
    const canonical = reading("input_invalid", () => canonicalTensors(asked.inputs));
    compare(context, "inputCommitment", inputCommitment(salt, canonical), "input");
    compare(context, "responseDigest", responseDigest(salt, response.bytes), "response body");
    if (bundle.type === "Aborted") return "requester, request, input and what was sent of the response match";
    const answer = reading("response_invalid", () =>
      parseInferResponse(response.bytes, response.headerLength),
    );
    const { name, version } = manifest!;
    if (answer.modelName !== name || (answer.modelVersion ?? version) !== version) {
      throw new StepFailure("response_invalid", "the response names another model than the receipt");
    }
    const encoded = reading("output_invalid", () => outputOf(manifest!, asked, answer.outputs));
    compare(context, "outputDigest", outputDigest(salt, encoded), "output");
    return "requester, request, input, response and output match";
  },
};
