/**
 * A model's manifest as a CycloneDX 1.6 bill of materials (ML-BOM): a `machine-learning-model` with its model card, and its training
 * data. The same manifest gives the same bytes. It says what the manifest says, and proves no more. Browser-safe.
 */
import {
  concat,
  fromBase64,
  fromHex,
  jcs,
  sha256,
  toBase64Url,
  toHex,
  utf8,
  type Json,
} from "../codec/index.ts";
import { manifestText, modelId, type Manifest, type TensorSpec } from "./manifest.ts";
import type { Provenance } from "./provenance.ts";

type JsonObject = { [member: string]: Json };

const MODEL_REF = "model";
export const BOM_MEDIA_TYPE = "application/vnd.cyclonedx+json; version=1.6";

/** JSON text in canonical form (RFC 8785). */
export function modelBom(manifest: Manifest): string {
  const id = modelId(manifestText(manifest));
  const datasets = manifest.provenance?.trainingData?.map(dataset) ?? [];
  return jcs({
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    serialNumber: serialNumber(id),
    version: 1,
    metadata: { component: model(manifest, id) },
    ...(datasets.length > 0 && {
      components: datasets,
      dependencies: [{ ref: MODEL_REF, dependsOn: datasets.map((_, i) => datasetRef(i)) }],
    }),
  });
}

/** A UUID (version 8) that follows from the model id: one manifest is one bill. */
function serialNumber(id: Uint8Array): string {
  const bytes = sha256(concat(utf8("affidavit.v1.bom"), id)).slice(0, 16);
  bytes[6] = 0x80 | (bytes[6]! & 0x0f);
  bytes[8] = 0x80 | (bytes[8]! & 0x3f);
  const hex = toHex(bytes);
  const parts = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)];
  return `urn:uuid:${parts.join("-")}`;
}

function model(manifest: Manifest, id: Uint8Array): JsonObject {
  const { name, version, description, licence, weights, provenance } = manifest;
  const owner = provenance?.owner;
  return {
    type: "machine-learning-model",
    "bom-ref": MODEL_REF,
    name,
    version,
    description,
    hashes: [{ alg: "SHA-256", content: weights.sha256 }],
    licenses: [{ expression: licence }],
    ...(owner && { supplier: { name: owner.name, ...(owner.url && { url: [owner.url] }) } }),
    externalReferences: [source(manifest), ...trainingLog(provenance)],
    modelCard: modelCard(manifest),
    properties: properties(manifest, id),
  };
}

function modelCard({ inputs, outputs, accuracy, provenance }: Manifest): JsonObject {
  const datasets = provenance?.trainingData?.map((_, i) => ({ ref: datasetRef(i) }));
  return {
    modelParameters: {
      ...(datasets && { datasets }),
      inputs: inputs.map(format),
      outputs: outputs.map(format),
    },
    ...(accuracy && {
      quantitativeAnalysis: {
        performanceMetrics: [
          {
            type: accuracy.metric,
            value: String(accuracy.value),
            slice: `${accuracy.dataset}, ${accuracy.split}`,
          },
        ],
      },
    }),
  };
}

function format({ name, datatype, shape, unit, meaning }: TensorSpec): JsonObject {
  const dimensions = shape.map((size) => (size === -1 ? "?" : String(size))).join(",");
  return { format: `${name}: ${datatype}[${dimensions}] in ${unit}. ${meaning}` };
}

/** What a manifest has and a bill has no place for. */
function properties({ owner, outputKind, assurance, provenance }: Manifest, id: Uint8Array): Json[] {
  const scale = outputKind.kind === "fixedPoint" ? `:${outputKind.scale}` : "";
  const pairs: [string, string][] = [
    ["affidavit:modelId", `0x${toHex(id)}`],
    ["affidavit:outputKind", outputKind.kind + scale],
    ["affidavit:assurance", assurance.join(" ")],
  ];
  if (owner !== undefined) pairs.push(["affidavit:owner", `ed25519:0x${owner}`]);
  for (const { account, shareBasisPoints } of provenance?.payees ?? [])
    pairs.push(["affidavit:payee", `${account} ${shareBasisPoints}/10000`]);
  return pairs.map(([name, value]) => ({ name, value }));
}

function source({ source: from }: Manifest): JsonObject {
  const hashes = [hash(from.digest)];
  if ("package" in from) {
    const name = from.package.split("/").map(encodeURIComponent).join("/");
    const url = `pkg:npm/${name}@${encodeURIComponent(from.version)}#${from.file}`;
    return { type: "distribution", url, hashes };
  }
  if ("url" in from)
    return { type: "distribution", url: from.url, hashes, comment: `version ${from.version}` };
  return {
    type: "build-meta",
    url: from.script,
    hashes,
    comment: `made by this script, version ${from.version}`,
  };
}

function trainingLog(provenance: Provenance | undefined): JsonObject[] {
  const log = provenance?.trainingLog;
  return log ? [{ type: "log", url: log.url ?? named(log.digest), hashes: [hash(log.digest)] }] : [];
}

/** A name for bytes that have no address (RFC 6920). */
function named(digest: string): string {
  return `ni:///sha-256;${toBase64Url(fromHex(digest.slice("sha256:".length)))}`;
}

const datasetRef = (index: number): string => `dataset-${index + 1}`;

type Dataset = NonNullable<Provenance["trainingData"]>[number];

function dataset({ name, digest, licence, url }: Dataset, index: number): JsonObject {
  return {
    type: "data",
    "bom-ref": datasetRef(index),
    name,
    hashes: [hash(digest)],
    ...(licence !== undefined && { licenses: [{ expression: licence }] }),
    ...(url !== undefined && { externalReferences: [{ type: "distribution", url }] }),
    data: [{ type: "dataset", name }],
  };
}

/** `sha256:<hex>`, or npm's `sha512-<base64>`. */
function hash(digest: string): JsonObject {
  if (digest.startsWith("sha256:")) return { alg: "SHA-256", content: digest.slice("sha256:".length) };
  return { alg: "SHA-512", content: toHex(fromBase64(digest.slice("sha512-".length))) };
}
