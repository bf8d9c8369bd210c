/** A model, a request to it and its response, as a receipt fixture tells of them. */
import { readFileSync } from "node:fs";
import { jcs } from "../codec/index.ts";
import {
  encodeInferRequest,
  encodeInferResponse,
  manifestText,
  parseManifest,
  type Manifest,
} from "../models/client.ts";
import type { PrivatePart, Tensor } from "../receipts/index.ts";
import { floats } from "./tensors.ts";

/** A manifest of two outputs, made of one of the zoo's; `name` tells two such models apart. */
export function fixtureManifest(name = "fixture"): Manifest {
  const file = new URL("../models/zoo/breast-cancer/manifest.json", import.meta.url);
  const base = parseManifest(readFileSync(file, "utf8"));
  const [logit] = base.outputs;
  const outputs = [logit!, { ...logit!, name: "aux", shape: [1, 2] }];
  return { ...base, name, outputs, outputKind: { kind: "fixedPoint", scale: 6 } };
}

export const MANIFEST = fixtureManifest();
export const MANIFEST_TEXT = manifestText(MANIFEST);
export const POLICY_TEXT = jcs({ formatVersion: 1, assurance: "tee", circuitBinding: null });
export const EXECUTION_TEXT = jcs({ formatVersion: 1, engine: "onnxruntime", provider: "cpu" });

const INPUT = floats(
  "x",
  Array.from({ length: 30 }, (_, i) => i / 4),
);
const OUTPUTS = [floats("logit", [-1.25]), floats("aux", [0.5, 2])];

export function requestBody(input: Tensor = INPUT, binary = false): PrivatePart["request"] {
  const { body, contentType, headerLength } = encodeInferRequest({ inputs: [input] }, { binary });
  return { bytes: body, contentType, headerLength: headerLength ?? null };
}

export function responseBody(
  outputs: Tensor[] = OUTPUTS,
  { modelName = MANIFEST.name, modelVersion = MANIFEST.version, binary = false } = {},
): PrivatePart["response"] {
  const { body, contentType, headerLength } = encodeInferResponse(
    { modelName, modelVersion, outputs },
    { outputs: undefined, binaryOutput: binary },
  );
  return { bytes: body, contentType, headerLength: headerLength ?? null };
}
